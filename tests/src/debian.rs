//! A clean Debian, booted in namespaces of its own on a host of a lab, for installing a package.
//!
//! It shares the host's network, and has everything else to itself: files, processes, control groups, BPF file system.
//! Its first process is systemd, or one that does nothing.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, bail, ensure};
use nix::fcntl::{Flock, FlockArg};

use crate::{
    Host, process,
    process::Process,
    wait::{SOON, wait_for, wait_some},
};

/// Script that boots it.
const SCRIPT: &str = include_str!("debian.sh");

/// Its packages beyond the essential ones.
const PACKAGES: &str = "systemd";

/// Time limit of making one, which downloads it.
const MAKING: &str = "900";

/// Its first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// As on a server.
    Systemd,
    /// A process that only waits, as in a container or a chroot.
    Nothing,
}

/// A running system. Its processes end when this is dropped, its files are removed with the lab.
#[derive(Debug)]
pub struct Debian {
    host: Host,
    root: PathBuf,
    /// Process id of its first process, as seen outside.
    init: u32,
    /// The process outside that waits for it, and ends it.
    _outside: Process,
}

impl Debian {
    /// Copies a clean system and boots it on `host`.
    ///
    /// # Errors
    /// If it cannot be made or does not boot.
    pub fn boot(host: &Host, init: Init) -> Result<Self> {
        let root = host.lab().directory().join(format!("{}-root", host.name()));
        process::run(&["cp", "-a", "--reflink=auto", &clean()?.to_string_lossy(), &root.to_string_lossy()])?;
        // No logins are needed.
        std::os::unix::fs::symlink("/dev/null", root.join("etc/systemd/system/console-getty.service"))?;

        let first: &[&str] = match init {
            Init::Systemd => &["/lib/systemd/systemd", "--system", "--log-target=console", "--show-status=no"],
            Init::Nothing => &["/bin/sleep", "infinity"],
        };
        let prefix = host.prefix();
        let (name, path) = (group(host), root.to_string_lossy());
        let mut words: Vec<&str> = prefix.iter().map(String::as_str).collect();
        words.extend(["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]);
        words.extend(["sh", "-c", SCRIPT, "sh", &path, &name]);
        words.extend(first);
        let outside = Process::start(&words, &host.lab().directory().join(format!("{}-init.log", host.name())))?;
        let pid = wait_some("the first process of a Debian", SOON, || child(outside.pid()))?;
        let debian = Self { host: host.clone(), root, init: pid, _outside: outside };
        debian.wait_booted(init)?;
        Ok(debian)
    }

    fn wait_booted(&self, init: Init) -> Result<()> {
        // The first process is the script, until it executes the process to start.
        let wanted = if init == Init::Systemd { "systemd" } else { "sleep" };
        let name = format!("/proc/{}/comm", self.init);
        let booted = wait_for("a Debian to boot", SOON, || {
            let begun = fs::read_to_string(&name).is_ok_and(|name| name.trim() == wanted);
            let up =
                || self.attempt("systemctl is-active multi-user.target").is_ok_and(|output| output.status.success());
            begun && (init == Init::Nothing || up())
        });
        booted.with_context(|| format!("it wrote:\n{}", self._outside.log()))
    }

    /// Runs `command`, a line for its shell, to the end.
    ///
    /// # Errors
    /// If it does not succeed; the error carries what it wrote.
    pub fn run(&self, command: &str) -> Result<String> {
        let output = self.attempt(command)?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            bail!("`{command}`: {}\n{err}{out}", output.status);
        }
        Ok(out.into_owned() + &err)
    }

    /// Runs `command` likewise, and accepts any result.
    ///
    /// # Errors
    /// If it could not be started.
    pub fn attempt(&self, command: &str) -> Result<Output> {
        let prefix = self.prefix();
        let mut words: Vec<&str> = prefix.iter().map(String::as_str).collect();
        words.extend(["/bin/sh", "-c", command]);
        process::attempt(&words)
    }

    /// Starts `command` in it; dropping the handle ends it.
    ///
    /// # Errors
    /// If it could not be started.
    pub fn start(&self, command: &[&str]) -> Result<Process> {
        let prefix = self.prefix();
        let words: Vec<&str> = prefix.iter().map(String::as_str).chain(command.iter().copied()).collect();
        Process::start(&words, &self.host.lab().directory().join(format!("{}-started.log", self.host.name())))
    }

    /// Copies a file into it.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn put(&self, from: &Path, to: &str) -> Result<()> {
        let to = self.root.join(to.trim_start_matches('/'));
        fs::copy(from, &to).with_context(|| format!("copying {} to {}", from.display(), to.display())).map(drop)
    }

    /// Writes a file in it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.root.join(path.trim_start_matches('/'));
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    fn prefix(&self) -> Vec<String> {
        let init = self.init.to_string();
        let words = ["nsenter", "-t", &init, "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w", "env", "-i"];
        let environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"];
        words.into_iter().chain(environment).map(String::from).collect()
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        // The end of the first process ends all of its processes; then its control groups can be removed.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.init.cast_signed()), nix::sys::signal::SIGKILL);
        let gone = format!("/proc/{}/root/etc", self.init);
        let _ = wait_for("a Debian to go", SOON, || !Path::new(&gone).exists());
        let remove =
            format!("find /sys/fs/cgroup -depth -type d -path '*/{}*' -exec rmdir {{}} ';'", group(&self.host));
        let _ = process::attempt(&["sh", "-c", &remove]);
    }
}

/// Returns the name of its control group.
fn group(host: &Host) -> String {
    host.namespace().to_owned()
}

/// Returns the only child of a process.
fn child(pid: u32) -> Option<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?.split_whitespace().next()?.parse().ok()
}

/// Returns a clean system of this machine's release. It is made once and kept beside the output of cargo.
pub(crate) fn clean() -> Result<PathBuf> {
    let (mirror, release) = source()?;
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debian");
    fs::create_dir_all(&target).with_context(|| format!("making {}", target.display()))?;
    let (root, half) = (target.join(&release), target.join(format!("{release}.new")));
    let _alone =
        Flock::lock(File::create(target.join("lock"))?, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    if root.exists() {
        return Ok(root);
    }
    if half.exists() {
        fs::remove_dir_all(&half).with_context(|| format!("removing {}", half.display()))?;
    }
    let include = format!("--include={PACKAGES}");
    let output = Command::new("timeout")
        .args([MAKING, "debootstrap", "--variant=minbase", &include, &release])
        .arg(&half)
        .arg(&mirror)
        .output()
        .context("starting debootstrap; `cargo xtask setup` installs it")?;
    ensure!(output.status.success(), "debootstrap: {}\n{}", output.status, String::from_utf8_lossy(&output.stdout));
    for packages in fs::read_dir(half.join("var/cache/apt/archives"))?.flatten().map(|entry| entry.path()) {
        if packages.is_file() {
            fs::remove_file(packages)?;
        }
    }
    fs::rename(&half, &root).with_context(|| format!("renaming {}", half.display()))?;
    Ok(root)
}

/// Returns the source of this machine's own packages, and its release, as in apt's configuration.
fn source() -> Result<(String, String)> {
    let about = fs::read_to_string("/etc/os-release").context("reading /etc/os-release")?;
    let release = about.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).context("a release by name")?;
    let format = "$(CODENAME) $(COMPONENT) $(REPO_URI)";
    let output = process::run(&["apt-get", "indextargets", "--format", format, "Created-By: Packages"])?;
    let targets = String::from_utf8_lossy(&output.stdout).into_owned();
    let mirror = targets.lines().find_map(|line| line.strip_prefix(&format!("{release} main ")));
    let mirror = mirror.with_context(|| format!("apt has no source of {release}"))?;
    Ok((mirror.to_owned(), release.to_owned()))
}
