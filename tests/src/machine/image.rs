//! Root file system of the servers: the clean Debian that packages are tested on, with a server's network tools.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use nix::fcntl::{Flock, FlockArg};

use crate::debian;

/// Packages beyond those of the clean Debian.
const PACKAGES: [&str; 7] = ["udev", "kmod", "iproute2", "ethtool", "bpftool", "openvswitch-switch", "passwd"];

/// Script that makes the root file system.
const SCRIPT: &str = include_str!("root.sh");

/// Files of the lab: path, contents and mode.
const FILES: [(&str, &str, u32); 3] = [
    ("usr/local/sbin/lab-control", include_str!("control.sh"), 0o755),
    ("etc/systemd/system/lab-control.service", include_str!("lab-control.service"), 0o644),
    ("etc/systemd/system/lab-network.service", include_str!("lab-network.service"), 0o644),
];

/// Size of the file system, in MiB. The file is sparse.
const SIZE: u64 = 2048;

/// Returns the image of the root file system in the folder `files`. It is made if there is none of this recipe; progress
/// is printed.
///
/// # Errors
/// If a package cannot be had, or the disk is full; the output of the program is on standard error then.
pub fn root(files: &Path) -> Result<PathBuf> {
    let image = files.join(format!("root-{:016x}.img", recipe()));
    let _alone =
        Flock::lock(File::create(files.join("root.lock"))?, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    if image.exists() {
        return Ok(image);
    }
    println!("making the root file system of the servers: a clean Debian first");
    let clean = debian::clean()?;
    let (tree, partial) = (files.join("root.new"), files.join("root.img.new"));
    remove(&tree)?;
    run(Command::new("cp").args(["-a", "--reflink=auto"]).arg(&clean).arg(&tree))?;
    for (path, text, mode) in FILES {
        let path = tree.join(path);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    // Downloads are kept beside the image: another recipe needs most of them again.
    let (kept, archives) = (files.join("archives"), tree.join("var/cache/apt/archives"));
    move_packages(&kept, &archives)?;
    println!("installing {}", PACKAGES.join(", "));
    let mut install = Command::new("unshare");
    install.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SCRIPT, "sh"]).arg(&tree).args(PACKAGES);
    let installed = run(&mut install).context("installing packages; is there a network and a mirror of Debian?");
    move_packages(&archives, &kept)?;
    installed?;

    println!("writing the disk");
    remove(&partial)?;
    File::create(&partial)?.set_len(SIZE << 20)?;
    run(Command::new("mkfs.ext4").args(["-q", "-F", "-d"]).arg(&tree).arg(&partial))?;
    remove(&tree)?;
    for old in fs::read_dir(files)?.flatten() {
        if old.file_name().to_string_lossy().starts_with("root-") {
            remove(&old.path())?;
        }
    }
    fs::rename(&partial, &image).with_context(|| format!("renaming {}", partial.display()))?;
    Ok(image)
}

/// Identifies what an image is made from.
fn recipe() -> u64 {
    let mut hasher = DefaultHasher::new();
    (SCRIPT, FILES, PACKAGES, SIZE).hash(&mut hasher);
    hasher.finish()
}

/// Moves the package files in one folder to another, as far as there are any.
fn move_packages(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    for path in fs::read_dir(from).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|end| end == "deb")) {
            fs::rename(&path, to.join(name)).with_context(|| format!("moving {}", path.display()))?;
        }
    }
    Ok(())
}

/// Removes a file or a folder, if it is there.
fn remove(path: &Path) -> Result<()> {
    let outcome = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match outcome {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Runs a command, its output going to standard error.
fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.stdin(Stdio::null()).stdout(std::io::stderr()).status();
    let status = status.with_context(|| format!("starting {program}; `cargo xtask setup` installs it"))?;
    ensure!(status.success(), "{program} failed: {status}");
    Ok(())
}
