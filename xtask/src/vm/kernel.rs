//! A Debian kernel, downloaded and unpacked without being installed, and kept for the next time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

pub(crate) use super::package::Flavour;
use super::{archive::Apt, package, series};
use crate::child;

/// An unpacked kernel.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// The release, as `uname -r` prints it.
    pub(crate) release: String,
    /// The bootable image.
    pub(crate) image: PathBuf,
    /// The folder with its modules.
    pub(crate) modules: PathBuf,
}

/// Returns the newest kernel of a series in `dir`, or else the newest that apt knows.
pub(crate) fn obtain(dir: &Path, series: &str, flavour: Flavour) -> Result<Kernel> {
    let series = series::named(series).with_context(|| format!("no kernel series {series}"))?;
    // Kernels of any series are kept apart, so that one of a certain series is not taken for the newest.
    let dir = if series.releases.is_empty() { dir.join(series.name) } else { dir.to_owned() };
    let present = fs::read_dir(&dir)
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>());
    let package = match package::newest(present.unwrap_or_default(), series, flavour) {
        Some(package) => package,
        None => {
            let apt = Apt::new(&dir.join(format!(".apt-{}", series.name)), series.suites)?;
            let package = package::find(&apt, series, flavour)?;
            package::download(&apt, &dir, &package)?;
            package
        }
    };
    let release = package::release(&package).to_owned();
    let unpacked = dir.join(&package);
    // Since Debian 14, all of a kernel is in the folder of its modules.
    let first_of = |paths: [String; 2]| {
        let [old, new] = paths.map(|path| unpacked.join(path));
        if old.exists() { old } else { new }
    };
    Ok(Kernel {
        image: first_of([format!("boot/vmlinuz-{release}"), format!("usr/lib/modules/{release}/vmlinuz")]),
        modules: first_of([format!("lib/modules/{release}"), format!("usr/lib/modules/{release}")]),
        release,
    })
}

impl Kernel {
    /// Returns the contents of a module and of its dependencies, in the order of loading; none for a built-in one.
    pub(crate) fn module(&self, name: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let mut found = Vec::new();
        self.collect(name, &mut found)?;
        Ok(found)
    }

    fn collect(&self, name: &str, found: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
        if found.iter().any(|(other, _)| other == name) {
            return Ok(());
        }
        let Some(path) = find_module(&self.modules, name)? else {
            let built_in = fs::read_to_string(self.modules.join("modules.builtin")).unwrap_or_default();
            if built_in.lines().any(|line| is_module(line.rsplit('/').next().unwrap_or(line), name)) {
                return Ok(());
            }
            bail!("kernel {} has no module `{name}`", self.release);
        };
        let depends = child::output(Command::new("modinfo").args(["-F", "depends"]).arg(&path))?;
        for needed in String::from_utf8_lossy(&depends).trim().split(',').filter(|name| !name.is_empty()) {
            self.collect(needed, found)?;
        }
        let bytes = if path.extension().is_some_and(|extension| extension == "xz") {
            child::output(Command::new("xz").args(["--decompress", "--stdout"]).arg(&path))?
        } else {
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?
        };
        found.push((name.to_owned(), bytes));
        Ok(())
    }
}

/// Finds a module's file below `dir`.
fn find_module(dir: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot look into {}", dir.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if let Some(path) = find_module(&entry.path(), name)? {
                return Ok(Some(path));
            }
        } else if is_module(&entry.file_name().to_string_lossy(), name) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// Returns true if a file holds this module. A dash in a file's name is an underscore in the module's.
fn is_module(file: &str, name: &str) -> bool {
    let stem = file.strip_suffix(".xz").unwrap_or(file).strip_suffix(".ko");
    stem.is_some_and(|stem| stem.replace('-', "_") == name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_known_by_its_file_compressed_or_not() {
        assert!(is_module("veth.ko", "veth"));
        assert!(is_module("sch-ingress.ko.xz", "sch_ingress"));
        assert!(!is_module("veth.txt", "veth"));
    }
}
