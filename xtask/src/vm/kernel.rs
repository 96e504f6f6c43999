//! A Debian kernel, downloaded and unpacked without being installed, and kept for the next time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
};

use anyhow::{Context, Result, bail};

use crate::child;

/// Build of a kernel by Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// For virtual machines of a cloud: small, without the drivers of most NICs.
    Cloud,
    /// For servers, with all drivers.
    Server,
}

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
    let present = fs::read_dir(dir)
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>());
    let package = match newest(present.unwrap_or_default(), series, flavour) {
        Some(package) => package,
        None => {
            let package = find(series, flavour)?;
            download(dir, &package)?;
            package
        }
    };
    let release = package.trim_start_matches(PREFIX).to_owned();
    let unpacked = dir.join(&package);
    Ok(Kernel {
        image: unpacked.join(format!("boot/vmlinuz-{release}")),
        modules: unpacked.join("lib/modules").join(&release),
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

const PREFIX: &str = "linux-image-";

impl Flavour {
    /// Returns the end of its packages' names.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Cloud => "-cloud-amd64",
            Self::Server => "-amd64",
        }
    }
}

/// Returns the name of the newest package of a series that apt can download.
fn find(series: &str, flavour: Flavour) -> Result<String> {
    let suffix = flavour.suffix();
    let pattern = format!("^{PREFIX}{}\\..*{suffix}$", series.replace('.', "\\."));
    let search = || -> Result<Option<String>> {
        let found = child::output(Command::new("apt-cache").args(["search", "--names-only", &pattern]))?;
        let names = String::from_utf8_lossy(&found);
        Ok(newest(names.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned), series, flavour))
    };
    if let Some(package) = search()? {
        return Ok(package);
    }
    // A machine that has everything installed may never have read its lists of packages.
    let updated = child::run(Command::new("apt-get").args(["--quiet", "update"]));
    match (search()?, updated) {
        (Some(package), _) => Ok(package),
        (None, Err(error)) => Err(error.context(format!("apt knows no {PREFIX}{series}.*{suffix}"))),
        (None, Ok(())) => bail!(
            "apt knows no {PREFIX}{series}.*{suffix}: Debian 12 has it, in its release, updates or security suite; \
             `--no-vm` leaves other kernels out"
        ),
    }
}

/// Downloads a package and unpacks it into `dir`, in which it appears only once it is complete.
fn download(dir: &Path, package: &str) -> Result<()> {
    eprintln!("xtask: downloading {package}");
    let partial = dir.join(format!(".{}.partial", process::id()));
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    let outcome = unpack(&partial, package).and_then(|()| {
        fs::rename(partial.join(package), dir.join(package)).with_context(|| format!("cannot keep {package}"))
    });
    let _ = fs::remove_dir_all(&partial);
    outcome
}

fn unpack(dir: &Path, package: &str) -> Result<()> {
    let mut apt = Command::new("apt-get");
    // apt's own user could not write here.
    apt.args(["--quiet", "-o", "APT::Sandbox::User=root", "download", package]).current_dir(dir);
    child::run(&mut apt)?;
    let deb = fs::read_dir(dir)?.flatten().map(|entry| entry.path());
    let deb = deb.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let deb = deb.with_context(|| format!("apt-get left no package in {}", dir.display()))?;
    child::run(Command::new("dpkg").arg("-x").arg(deb).arg(dir.join(package)))
}

/// Returns the newest of the kernel packages among `names` that belong to `series`, by the numbers in their names.
fn newest(names: impl IntoIterator<Item = String>, series: &str, flavour: Flavour) -> Option<String> {
    let start = format!("{PREFIX}{series}.");
    let is_wanted = |name: &String| {
        let version = name.strip_prefix(&start).and_then(|rest| rest.strip_suffix(flavour.suffix()));
        // A dash and a letter begin another flavour: `-rt`, `-cloud`.
        version.is_some_and(|version| !version.split('-').skip(1).any(|part| part.starts_with(char::is_alphabetic)))
    };
    names.into_iter().filter(is_wanted).max_by_key(|name| numbers(name))
}

fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
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

    fn newest_of(names: &[&str], series: &str) -> Option<String> {
        newest(names.iter().map(|name| (*name).to_owned()), series, Flavour::Cloud)
    }

    #[test]
    fn the_newest_is_by_number_not_by_letter() {
        let names = ["linux-image-6.12.100+deb12-cloud-amd64", "linux-image-6.12.99+deb12-cloud-amd64"];
        assert_eq!(newest_of(&names, "6.12").as_deref(), Some(names[0]));
    }

    #[test]
    fn a_series_does_not_take_another_that_begins_alike() {
        assert_eq!(newest_of(&["linux-image-6.12.9-cloud-amd64"], "6.1"), None);
    }

    #[test]
    fn debug_symbols_and_unsigned_kernels_are_not_taken() {
        let names = ["linux-image-6.1.0-9-cloud-amd64-dbg", "linux-image-6.1.0-9-cloud-amd64-unsigned"];
        assert_eq!(newest_of(&names, "6.1"), None);
    }

    #[test]
    fn a_server_s_kernel_has_no_flavour_in_its_name() {
        let names = ["linux-image-6.1.0-9-cloud-amd64", "linux-image-6.1.0-9-rt-amd64", "linux-image-6.1.0-8-amd64"];
        let names = names.iter().map(|name| (*name).to_owned());
        assert_eq!(newest(names, "6.1", Flavour::Server).as_deref(), Some("linux-image-6.1.0-8-amd64"));
    }

    #[test]
    fn a_module_is_known_by_its_file_compressed_or_not() {
        assert!(is_module("veth.ko", "veth"));
        assert!(is_module("sch-ingress.ko.xz", "sch_ingress"));
        assert!(!is_module("veth.txt", "veth"));
    }
}
