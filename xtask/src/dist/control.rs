//! Control files of the package, and the scripts that dpkg runs.

use std::{env, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use super::tree::files;
use crate::child;

/// Scripts of `packaging/debian` that dpkg runs.
const SCRIPTS: [&str; 3] = ["postinst", "postrm", "prerm"];

/// A package to be described.
pub(super) struct Control<'a> {
    pub(super) root: &'a Path,
    /// Directory of its files.
    pub(super) stage: &'a Path,
    pub(super) version: &'a str,
    pub(super) architecture: &'a str,
}

/// Returns Debian's name of the architecture that packages are made for.
pub(super) fn architecture() -> Result<String> {
    let output = child::output(Command::new("dpkg").arg("--print-architecture"))?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}

/// Returns the maintainer of the package, from the variables that Debian's own tools use.
pub(super) fn maintainer() -> String {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let name = variable("DEBFULLNAME").unwrap_or_else(|| "The vtep-gateway authors".to_owned());
    let email = variable("DEBEMAIL").unwrap_or_else(|| "vtep-gateway@localhost".to_owned());
    format!("{name} <{email}>")
}

/// Writes the directory `DEBIAN` of the tree.
pub(super) fn write(package: &Control<'_>) -> Result<()> {
    let debian = package.stage.join("DEBIAN");
    fs::create_dir_all(&debian)?;
    let source = package.root.join("packaging/debian");
    let template = source.join("control");
    let template = fs::read_to_string(&template).with_context(|| format!("reading {}", template.display()))?;
    let installed = files(package.stage)?;
    let bytes = installed.iter().map(|file| fs::metadata(package.stage.join(file)).map(|file| file.len()));
    let kilobytes = bytes.collect::<Result<Vec<_>, _>>()?.iter().map(|bytes| bytes.div_ceil(1024)).sum::<u64>();
    let control = fill(
        &template,
        &[
            ("version", package.version),
            ("architecture", package.architecture),
            ("maintainer", &maintainer()),
            ("size", &kilobytes.to_string()),
            ("shlibs", &libraries(package.stage)?),
        ],
    )?;
    put(&debian.join("control"), &control, 0o644)?;

    let configuration: Vec<_> = installed.iter().filter(|file| file.starts_with("etc/")).collect();
    put(&debian.join("conffiles"), configuration.iter().map(|file| format!("/{file}\n")).collect::<String>(), 0o644)?;
    let sums = installed.iter().filter(|file| !configuration.contains(file));
    let mut md5sum = Command::new("md5sum");
    md5sum.current_dir(package.stage).arg("--").args(sums);
    put(&debian.join("md5sums"), child::output(&mut md5sum)?, 0o644)?;

    for script in SCRIPTS {
        let path = source.join(script);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        put(&debian.join(script), &text, 0o755)?;
    }
    Ok(())
}

/// Returns the packages whose libraries the program is linked with, and their least versions.
fn libraries(stage: &Path) -> Result<String> {
    // dpkg-shlibdeps requires a source package.
    let scratch = stage.with_extension("shlibs");
    fs::create_dir_all(scratch.join("debian"))?;
    fs::write(scratch.join("debian/control"), "Source: vtep-gateway\n\nPackage: vtep-gateway\nArchitecture: any\n")?;
    let mut command = Command::new("dpkg-shlibdeps");
    command.current_dir(&scratch).arg("-O").arg(stage.join("usr/sbin/vtep-gateway"));
    let output = child::output(&mut command);
    fs::remove_dir_all(&scratch)?;
    let output = String::from_utf8_lossy(&output?).into_owned();
    let depends = output.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    Ok(depends.context("dpkg-shlibdeps names no libraries")?.to_owned())
}

/// Fills `template` with values in place of `${name}`.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> Result<String> {
    let mut text = template.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    if let Some((_, rest)) = text.split_once("${") {
        bail!("nothing is known to put in place of ${{{}", rest.lines().next().unwrap_or_default());
    }
    Ok(text)
}

/// Writes a file of this mode, whatever the umask.
pub(super) fn put(path: &Path, contents: impl AsRef<[u8]>, mode: u32) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    }
    fs::write(path, contents).with_context(|| format!("writing {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).with_context(|| format!("changing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_places_of_their_names() {
        assert_eq!(fill("a ${b} ${c}\n", &[("b", "1"), ("c", "2")]).unwrap(), "a 1 2\n");
    }

    #[test]
    fn a_place_without_a_value_is_an_error() {
        let error = fill("${b}\nx", &[]).unwrap_err().to_string();
        assert_eq!(error, "nothing is known to put in place of ${b}");
    }
}
