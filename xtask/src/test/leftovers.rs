//! Checks that a run of tests leaves nothing behind: no process, network namespace, pin or temporary folder.
//!
//! Tests give everything that they make a name with the id of their process in it ([`PREFIX`]). What has the name of a process
//! that is gone, and was not there before the run, was left behind. What belongs to a process that runs is another run's.

use std::{collections::BTreeSet, fs, path::Path, thread, time::Duration};

use anyhow::{Result, bail};

use super::Tally;

/// The stage of `cargo xtask test`.
pub(crate) const STAGE: &str = "leftovers";

/// Beginning of all names that tests give. Some have letters between it and the process id.
const PREFIX: &str = "vg";

/// Folders in which tests make something.
const PLACES: [&str; 3] = ["/sys/fs/bpf", "/run/netns", "/tmp"];

/// Time that those who clean up behind an interrupted test have, in tenths of a second.
const PATIENCE: u32 = 100;

/// Everything with the name of a test process that is gone.
pub(crate) fn found() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for place in PLACES {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        found.extend(names.filter(|name| is_orphan(name)).map(|name| format!("{place}/{name}")));
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|c| c.is_ascii_digit())) {
        let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        if words.split(['/', ' ', '=']).any(is_orphan) {
            found.insert(format!("process {}: {words}", process.file_name().to_string_lossy()));
        }
    }
    found
}

/// True for the name of something that a process made which is gone.
fn is_orphan(name: &str) -> bool {
    owner(name).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

/// The process id in a name such as `vg4711-0` or `vgfuzz4711`.
fn owner(name: &str) -> Option<u32> {
    let rest = name.strip_prefix(PREFIX)?.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Fails if there is anything that was not there `before`.
pub(crate) fn check(before: &BTreeSet<String>, tally: &mut Tally) -> Result<()> {
    let mut left = BTreeSet::new();
    for _ in 0..PATIENCE {
        left = found().difference(before).cloned().collect();
        if left.is_empty() {
            println!("nothing was left behind");
            tally.passed += 1;
            return Ok(());
        }
        #[expect(clippy::disallowed_methods, reason = "nothing reports when the last of it has gone")]
        thread::sleep(Duration::from_millis(100));
    }
    tally.failed += 1;
    bail!("left behind by tests: {}", left.into_iter().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_which_process_they_are_of() {
        for (name, pid) in [
            ("vg4711-0", Some(4711)),
            ("vg4711-2-gw", Some(4711)),
            ("vgfuzz4711", Some(4711)),
            ("vg", None),
            ("vgdisplay", None),
            ("other4711", None),
        ] {
            assert_eq!(owner(name), pid, "{name}");
        }
    }

    #[test]
    fn only_what_is_of_a_process_that_is_gone_was_left() {
        let own = std::process::id();
        assert!(!is_orphan(&format!("vg{own}-0")));
        assert!(is_orphan("vg4294967295-0"));
    }

    #[test]
    fn what_was_there_before_is_not_of_this_run() {
        let mut tally = Tally::default();
        check(&found(), &mut tally).unwrap();
        assert_eq!(tally.passed, 1);
    }
}
