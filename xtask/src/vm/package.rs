//! The packages of a kernel: found in Debian's archive, downloaded, unpacked.

use std::{
    fs,
    path::Path,
    process::{self, Command},
};

use anyhow::{Context, Result, bail};

use super::{archive::Apt, series::Series};
use crate::child;

/// Build of a kernel by Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// For virtual machines of a cloud: small, without the drivers of most NICs.
    Cloud,
    /// For servers, with all drivers.
    Server,
}

impl Flavour {
    /// Returns the end of its packages' names.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Cloud => "-cloud-amd64",
            Self::Server => "-amd64",
        }
    }
}

const PREFIX: &str = "linux-image-";

/// Packages that a kernel is divided into since Debian 14.
const PARTS: [&str; 2] = ["linux-binary-", "linux-modules-"];

/// Returns the release of the kernel in a package, as `uname -r` prints it.
pub(super) fn release(package: &str) -> &str {
    package.trim_start_matches(PREFIX)
}

/// Returns the name of the newest package of a series that apt can download.
pub(super) fn find(apt: &Apt, series: &Series, flavour: Flavour) -> Result<String> {
    let suffix = flavour.suffix();
    let pattern = format!("^{PREFIX}{}[0-9].*{suffix}$", series.releases.replace('.', "\\."));
    let search = || -> Result<Option<String>> {
        let found = child::output(apt.command("apt-cache").args(["search", "--names-only", &pattern]))?;
        let names = String::from_utf8_lossy(&found);
        Ok(newest(names.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned), series, flavour))
    };
    apt.refresh()?;
    if let Some(package) = search()? {
        return Ok(package);
    }
    // A machine that has everything installed may never have read its lists of packages.
    let updated = apt.update();
    let wanted = format!("{PREFIX}{}*{suffix}", series.releases);
    match (search()?, updated) {
        (Some(package), _) => Ok(package),
        (None, Err(error)) => Err(error.context(format!("apt knows no {wanted}"))),
        (None, Ok(())) if series.suites.is_empty() => bail!(
            "apt knows no {wanted}: Debian 12 has it, in its release, updates or security suite; `--no-vm` leaves other \
             kernels out"
        ),
        (None, Ok(())) => {
            let suites: Vec<_> = series.suites.iter().map(|suite| suite.name).collect();
            bail!("{} of Debian's archive has no {wanted}", suites.join(" or "))
        }
    }
}

/// Downloads a kernel and unpacks it into `dir`, in which it appears only once it is complete.
pub(super) fn download(apt: &Apt, dir: &Path, package: &str) -> Result<()> {
    eprintln!("xtask: downloading {package}");
    let partial = dir.join(format!(".{}.partial", process::id()));
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    let outcome = unpack_all(apt, &partial, package).and_then(|()| {
        fs::rename(partial.join(package), dir.join(package)).with_context(|| format!("cannot keep {package}"))
    });
    let _ = fs::remove_dir_all(&partial);
    outcome
}

/// Downloads a kernel, and unpacks all of its parts into one folder.
fn unpack_all(apt: &Apt, dir: &Path, package: &str) -> Result<()> {
    let depends = unpack(apt, dir, package, package)?;
    parts(&depends, release(package)).try_for_each(|part| unpack(apt, dir, part, package).map(drop))
}

/// Downloads a package, unpacks it into folder `into` of `dir`, and returns its field `Depends`.
fn unpack(apt: &Apt, dir: &Path, package: &str, into: &str) -> Result<String> {
    let mut fetch = apt.command("apt-get");
    // apt's own user could not write here.
    fetch.args(["--quiet", "-o", "APT::Sandbox::User=root", "download", package]).current_dir(dir);
    child::run(&mut fetch)?;
    let deb = fs::read_dir(dir)?.flatten().map(|entry| entry.path());
    let deb = deb.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let deb = deb.with_context(|| format!("apt-get left no package in {}", dir.display()))?;
    child::run(Command::new("dpkg").arg("-x").arg(&deb).arg(dir.join(into)))?;
    let depends = child::output(Command::new("dpkg-deb").arg("-f").arg(&deb).arg("Depends"))?;
    fs::remove_file(&deb).with_context(|| format!("cannot remove {}", deb.display()))?;
    Ok(String::from_utf8_lossy(&depends).into_owned())
}

/// Returns those of the packages in a field `Depends` that are parts of the kernel of this release.
fn parts<'a>(depends: &'a str, release: &str) -> impl Iterator<Item = &'a str> {
    let is_part = move |name: &&str| PARTS.iter().any(|part| name.strip_prefix(part) == Some(release));
    depends.split(',').filter_map(|one| one.split_whitespace().next()).filter(is_part)
}

/// Returns the newest of the kernel packages among `names` that belong to `series`, by the numbers in their names.
pub(super) fn newest(names: impl IntoIterator<Item = String>, series: &Series, flavour: Flavour) -> Option<String> {
    let is_wanted = |name: &String| {
        let version = name.strip_prefix(PREFIX).and_then(|release| release.strip_suffix(flavour.suffix()));
        version.is_some_and(|version| {
            version.starts_with(series.releases)
                && version.starts_with(|c: char| c.is_ascii_digit())
                // A dash and a letter begin another flavour: `-rt`, `-cloud`.
                && !version.split('-').skip(1).any(|part| part.starts_with(char::is_alphabetic))
        })
    };
    names.into_iter().filter(is_wanted).max_by_key(|name| numbers(name))
}

fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::series;

    fn newest_as(flavour: Flavour, names: &[&str], series: &str) -> Option<String> {
        newest(names.iter().map(|name| (*name).to_owned()), series::named(series).unwrap(), flavour)
    }

    fn newest_of(names: &[&str], series: &str) -> Option<String> {
        newest_as(Flavour::Cloud, names, series)
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
        assert_eq!(newest_as(Flavour::Server, &names, "6.1").as_deref(), Some("linux-image-6.1.0-8-amd64"));
    }

    #[test]
    fn the_newest_of_all_series_is_no_metapackage() {
        let names =
            ["linux-image-cloud-amd64", "linux-image-7.2.13+deb14-cloud-amd64", "linux-image-6.12.9-cloud-amd64"];
        assert_eq!(newest_of(&names, "newest").as_deref(), Some(names[1]));
        assert_eq!(newest_of(&names[..1], "newest"), None);
    }

    #[test]
    fn parts_of_a_kernel_are_of_its_release() {
        let depends = "linux-initramfs-tool, linux-base-7.2.13-cloud-amd64 (= 7.2.13-1), linux-binary-7.2.13-cloud-amd64 \
                       (= 7.2.13-1), linux-modules-7.2.13-cloud-amd64 (= 7.2.13-1), linux-modules-7.2.1-cloud-amd64";
        let found: Vec<_> = parts(depends, "7.2.13-cloud-amd64").collect();
        assert_eq!(found, ["linux-binary-7.2.13-cloud-amd64", "linux-modules-7.2.13-cloud-amd64"]);
        assert_eq!(parts("kmod, linux-base (>= 4.3~)", "6.1.0-57-cloud-amd64").count(), 0);
    }
}
