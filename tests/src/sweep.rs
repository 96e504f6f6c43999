//! Removes labs by their name alone, so that it works for a lab whose process is long gone.
//!
//! A lab called `vg<pid>-<n>` owns the namespaces `vg<pid>-<n>-*`, the processes in them, the directories
//! `vg<pid>-<n>*` of the BPF file system, and one of that name among the temporary files.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{process, wait::wait_for};

/// Prefix of the names of labs.
pub const PREFIX: &str = "vg";
/// The BPF file system.
pub const BPFFS: &str = "/sys/fs/bpf";
const NAMESPACES: &str = "/run/netns";

/// Name of a file in a lab's directory that keeps the lab until it is removed by name.
pub const KEPT: &str = "kept";

/// Removes all labs of processes that no longer run, except those that are to be kept.
///
/// # Errors
/// If something cannot be removed.
pub fn sweep() -> Result<()> {
    for id in labs() {
        if !is_kept(&id) && owner(&id).is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            remove(&id)?;
        }
    }
    Ok(())
}

/// Removes the lab `id`: ends the processes in its namespaces, deletes those, its pins and its files.
///
/// # Errors
/// If something cannot be removed, after trying all.
pub fn remove(id: &str) -> Result<()> {
    if owner(id).is_none() {
        bail!("{id} is not the name of a lab, like {PREFIX}1234-0");
    }
    let namespaces: Vec<String> =
        entries(NAMESPACES).into_iter().filter(|name| lab_of(name).as_deref() == Some(id)).collect();
    let mut troubles = Vec::new();
    if let Err(trouble) = end_processes(&namespaces) {
        troubles.push(trouble.to_string());
    }
    // Pins first: removing a device with attached programs waits for them.
    let pins = entries(BPFFS).into_iter().filter(|name| lab_of(name).as_deref() == Some(id));
    for pin in pins.map(|name| Path::new(BPFFS).join(name)).chain([directory(id)]) {
        if let Err(trouble) = fs::remove_dir_all(&pin)
            && trouble.kind() != std::io::ErrorKind::NotFound
        {
            troubles.push(format!("removing {}: {trouble}", pin.display()));
        }
    }
    for namespace in namespaces {
        if let Err(trouble) = process::run(&["ip", "netns", "del", &namespace]) {
            troubles.push(trouble.to_string());
        }
    }
    if troubles.is_empty() { Ok(()) } else { bail!("taking {id} down: {}", troubles.join("; ")) }
}

/// Returns true if the lab `id` is to be kept until it is removed by name.
pub fn is_kept(id: &str) -> bool {
    directory(id).join(KEPT).exists()
}

/// Returns the directory of temporary files of the lab `id`.
pub fn directory(id: &str) -> PathBuf {
    std::env::temp_dir().join(id)
}

/// Returns the names of the labs that have left anything.
fn labs() -> BTreeSet<String> {
    let temporary = std::env::temp_dir();
    [NAMESPACES, BPFFS, &temporary.to_string_lossy()]
        .into_iter()
        .flat_map(entries)
        .filter_map(|name| lab_of(&name))
        .collect()
}

/// Returns the lab of a name: `vg12-3-host` belongs to the lab `vg12-3`.
fn lab_of(name: &str) -> Option<String> {
    let mut parts = name.split('-');
    let id = format!("{}-{}", parts.next()?, parts.next()?);
    owner(&id).map(|_| id)
}

/// Returns the process that made the lab `id`.
fn owner(id: &str) -> Option<u32> {
    let (pid, number) = id.strip_prefix(PREFIX)?.split_once('-')?;
    number.parse::<u32>().ok()?;
    pid.parse().ok()
}

fn entries(directory: &str) -> Vec<String> {
    // A missing directory has nothing to remove.
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn end_processes(namespaces: &[String]) -> Result<()> {
    let inodes: Vec<u64> = namespaces
        .iter()
        .filter_map(|name| fs::metadata(Path::new(NAMESPACES).join(name)).ok())
        .map(|namespace| namespace.ino())
        .collect();
    let members = || -> Vec<u32> {
        entries("/proc")
            .iter()
            .filter_map(|name| name.parse().ok())
            .filter(|pid| *pid != std::process::id())
            .filter(|pid| {
                // An ended process that nobody has waited for yet no longer has a namespace.
                fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|namespace| inodes.contains(&namespace.ino()))
            })
            .collect()
    };
    // Repeatedly: a process that was just starting may enter its namespace only now.
    wait_for("the end of the processes of a lab", Duration::from_secs(10), || {
        let members = members();
        for pid in &members {
            // Fails if it ended meanwhile.
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
        members.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_belongs_to_the_lab_in_its_name() {
        assert_eq!(lab_of("vg12-3-gw").as_deref(), Some("vg12-3"));
        assert_eq!(lab_of("vg12-3").as_deref(), Some("vg12-3"));
    }

    #[test]
    fn other_names_belong_to_no_lab() {
        for name in ["vg", "vg12", "vgx-3-gw", "so-hv1", "vg12-x", "vtep-gateway"] {
            assert_eq!(lab_of(name), None, "{name}");
        }
    }
}
