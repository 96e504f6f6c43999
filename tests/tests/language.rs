//! Holds the names to the words of the field: docs/GLOSSARY.md has them, and what is listed here is not to come back.
#![allow(clippy::unwrap_used, reason = "what a test does not expect fails it")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Identifiers that were replaced, in lower case, and what stands in their place.
const REPLACED: [(&str, &str); 38] = [
    ("express", "fast path"),
    ("ticket", "pending entry"),
    ("outdate", "invalidate"),
    ("unwatched", "NoopObserver"),
    ("look_on", "install_capture"),
    ("look_away", "remove_capture"),
    ("keeps_silent", "suppress_arp_nd"),
    ("peerkey", "RemoteVtepKey"),
    ("segmentplan", "SwitchPlan"),
    ("putsegment", "PutSwitch"),
    ("putpeer", "PutRemoteVtep"),
    ("tenure", "lease state"),
    ("holds", "peer leases"),
    ("contest", "address conflict"),
    ("hands", "worker"),
    ("departures", "TX timestamps"),
    ("voice", "log queue"),
    ("hindrance", "fault"),
    ("hindrances", "faults"),
    ("is_astray", "socket_is_stale"),
    ("mend", "restore_addresses"),
    ("site_of", "placement_of"),
    ("speak_plainly", "drop_authentication"),
    ("keep_quiet", "close_sender"),
    ("chronicle", "event log"),
    ("upkeep", "housekeeping"),
    ("siblings", "state sync"),
    ("headline", "status line"),
    ("heard_of", "learned"),
    ("census", "FDB scan"),
    ("censuses", "FDB scans"),
    ("sweeps", "ageing"),
    ("board", "session registry"),
    ("telling", "sender"),
    ("hearing", "receiver"),
    ("seats", "admission"),
    ("repeats", "duplicates"),
    ("nearest", "suggest"),
];

/// Words that are good names elsewhere: only these folders are without them.
const LOCAL: [(&str, &[&str]); 3] =
    [("holds", &["gateway/vrrp"]), ("contest", &["gateway/vrrp"]), ("nearest", &["gateway/base"])];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The identifiers of a source file, without those in comments and texts.
fn identifiers(source: &str) -> BTreeSet<String> {
    let (mut found, mut word) = (BTreeSet::new(), String::new());
    let (mut text, mut comment, mut escaped) = (false, false, false);
    let mut last = ' ';
    for c in source.chars() {
        if comment {
            comment = c != '\n';
        } else if text {
            text = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c == '/' && last == '/' {
            comment = true;
        } else if c == '"' && last != '\'' {
            text = true;
        } else if c.is_alphanumeric() || c == '_' {
            word.extend(c.to_lowercase());
        } else if !word.is_empty() {
            found.insert(std::mem::take(&mut word));
        }
        last = c;
    }
    found
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            if !path.ends_with("target") {
                files(&path, extension, found);
            }
        } else if path.extension().is_some_and(|of| of == extension) {
            found.push(path);
        }
    }
}

#[test]
fn no_name_is_of_the_private_language() {
    let mut sources = Vec::new();
    for folder in ["gateway", "gateway-common/src", "gateway-ebpf", "xtask/src"] {
        files(&root().join(folder), "rs", &mut sources);
    }
    assert!(sources.len() > 300, "{}", sources.len());
    let mut wrong = Vec::new();
    for path in sources {
        let short = path.strip_prefix(root()).unwrap().display().to_string();
        let mut names = identifiers(&fs::read_to_string(&path).unwrap());
        names.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        for (word, instead) in REPLACED {
            let local = LOCAL.iter().find(|(of, _)| *of == word);
            let applies = local.is_none_or(|(_, folders)| folders.iter().any(|folder| short.starts_with(folder)));
            if applies && names.contains(word) {
                wrong.push(format!("{short}: {word}, which is {instead}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_heading_is_of_the_private_language() {
    let mut pages = Vec::new();
    files(&root().join("docs"), "md", &mut pages);
    assert!(pages.len() > 20, "{}", pages.len());
    for path in pages {
        for heading in fs::read_to_string(&path).unwrap().lines().filter(|line| line.starts_with('#')) {
            let words: BTreeSet<_> = heading.split_whitespace().map(str::to_lowercase).collect();
            for (word, instead) in REPLACED.iter().filter(|(word, _)| !["holds", "hands"].contains(word)) {
                assert!(!words.contains(*word), "{}: {heading}: {word} is {instead}", path.display());
            }
        }
    }
}
