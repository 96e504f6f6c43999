//! Debian's archive, read by apt: with the machine's own sources, or with sources of ours for suites that it has not.
//!
//! A kernel of another Debian release must not become a package that the machine would install. So apt is given a
//! configuration with folders of its own for sources, lists and archives. The machine's stay as they are. Suites are
//! verified with the keys of `debian-archive-keyring`, which has those of earlier and later releases.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::child;

/// A suite of Debian's archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    /// The archive: `debian`, or `debian-security`.
    pub(super) archive: &'static str,
    /// Its name: `sid`.
    pub(super) name: &'static str,
}

const MIRROR: &str = "http://deb.debian.org";
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// apt, with certain sources.
#[derive(Debug)]
pub(super) enum Apt {
    /// The machine's own.
    OfMachine,
    /// Those of ours, named by this configuration file.
    Ours(PathBuf),
}

impl Apt {
    /// Sets up sources of `suites` below `dir`; the machine's own if there are none.
    pub(super) fn new(dir: &Path, suites: &[Suite]) -> Result<Self> {
        if suites.is_empty() {
            return Ok(Self::OfMachine);
        }
        ensure!(Path::new(KEYS).is_file(), "no {KEYS}: install debian-archive-keyring");
        for folder in ["sources", "state/lists/partial", "cache/archives/partial"] {
            let folder = dir.join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let sources = suites.iter().map(|&suite| source(suite)).collect::<Vec<_>>().join("\n");
        write(&dir.join("sources/kernels.sources"), &sources)?;
        let path = dir.join("apt.conf");
        write(&path, &configuration(dir))?;
        Ok(Self::Ours(path))
    }

    /// Updates our lists. They are only read to download something, so old ones may name packages that are gone.
    pub(super) fn refresh(&self) -> Result<()> {
        match self {
            Self::OfMachine => Ok(()),
            Self::Ours(_) => self.update(),
        }
    }

    /// Updates the lists of packages.
    pub(super) fn update(&self) -> Result<()> {
        child::run(self.command("apt-get").args(["--quiet", "update"]))
    }

    /// Returns a program of apt (`apt-get`, `apt-cache`), to be given its arguments.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        if let Self::Ours(configuration) = self {
            command.arg("-c").arg(configuration);
        }
        command
    }
}

/// Formats a source of apt (sources.list(5)).
fn source(suite: Suite) -> String {
    let Suite { archive, name } = suite;
    format!(
        "Types: deb\nURIs: {MIRROR}/{archive}\nSuites: {name}\nComponents: main\nArchitectures: amd64\nSigned-By: {KEYS}\n"
    )
}

/// Formats a configuration of apt (apt.conf(5)), which is read after the machine's and leaves in force how that reaches
/// the network.
fn configuration(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        r#"APT::Sandbox::User "root";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{dir}/sources";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "{dir}/state";
Dir::State::lists "{dir}/state/lists";
Dir::State::status "/dev/null";
Dir::Cache "{dir}/cache";
Dir::Cache::Archives "{dir}/cache/archives";
Dir::Cache::PkgCache "pkgcache.bin";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"#
    )
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    /// Returns apt's effective settings whose names begin so.
    fn settings(apt: &Apt, start: &str) -> Vec<String> {
        let shown = child::output(apt.command("apt-config").arg("dump")).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        shown.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
    }

    #[test]
    fn sources_of_ours_are_in_folders_of_ours() {
        let dir = env::temp_dir().join(format!("vtep-gateway-apt-{}", process::id()));
        let apt = Apt::new(&dir, &[Suite { archive: "debian", name: "sid" }]).unwrap();
        let of_machine = settings(&Apt::OfMachine, "Dir::");
        for (setting, of_ours) in [
            ("Dir::Etc::sourcelist ", "/dev/null".to_owned()),
            ("Dir::Etc::sourceparts ", format!("{}/sources", dir.display())),
            ("Dir::State::lists ", format!("{}/state/lists", dir.display())),
            ("Dir::State::status ", "/dev/null".to_owned()),
            ("Dir::Cache::archives ", format!("{}/cache/archives", dir.display())),
        ] {
            let line = format!("{setting}\"{of_ours}\";");
            assert_eq!(settings(&apt, setting), std::slice::from_ref(&line));
            assert!(!of_machine.contains(&line), "{line}");
        }
        for hook in ["APT::Update::Post-Invoke::", "APT::Update::Post-Invoke-Success::"] {
            assert_eq!(settings(&apt, hook), [""; 0]);
        }
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn every_suite_is_verified_with_the_keys_of_debian() {
        let text = source(Suite { archive: "debian-security", name: "bullseye-security" });
        assert!(text.contains("URIs: http://deb.debian.org/debian-security\nSuites: bullseye-security\n"), "{text}");
        assert!(text.ends_with("Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"), "{text}");
    }
}
