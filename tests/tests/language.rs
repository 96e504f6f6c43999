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
    ("speak_plainly", "close_macvlan"),
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

/// Words that are no part of a name, and the words of the field in their place.
const WORDS: [(&str, &str); 8] = [
    ("told", "reported"),
    ("tell", "report"),
    ("tells", "reports"),
    ("says", "reports"),
    ("heard", "received"),
    ("somebody", "a client"),
    ("whoever", "a client"),
    ("anew", "again"),
];

/// Names that have such a word, each with its reason.
const EXCEPTIONS: [(&str, &str); 3] = [
    ("heard_seconds_ago", "a key of JSON"),
    ("stations_heard", "a key of JSON"),
    ("VrrpHeard", "a check of the doctor, whose name never changes"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns the identifiers of a source file, without those in comments and texts.
fn identifiers(source: &str) -> BTreeSet<String> {
    let (mut found, mut word) = (BTreeSet::new(), String::new());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(text) = rest.strip_prefix('"') {
            1 + end_of_text(text)
        } else if let Some(hashes) = raw_text(rest).filter(|_| word.is_empty()) {
            let end = format!("\"{}", "#".repeat(hashes));
            let begin = hashes + 2;
            rest[begin..].find(&end).map_or(rest.len(), |at| begin + at + end.len())
        } else if rest.starts_with("'\"'") {
            3
        } else {
            if c.is_alphanumeric() || c == '_' {
                word.push(c);
            }
            c.len_utf8()
        };
        if !(c.is_alphanumeric() || c == '_') || skipped > c.len_utf8() {
            found.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
        }
        rest = &rest[skipped..];
    }
    found
}

/// Returns the length of a text up to its closing quotation mark, with that.
fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == '"' && !escaped {
            return at + 1;
        }
        escaped = !escaped && c == '\\';
    }
    text.len()
}

/// Returns the number of `#` before the quotation mark if `source` begins with a raw text.
fn raw_text(source: &str) -> Option<usize> {
    let rest = source.strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

/// Returns the words of a name, in lower case: `HeardBy` and `heard_by` are both of `heard` and `by`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && !before.is_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c != '_') {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words
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

/// Returns the path of each source file in these folders, with its names: that of the file and its identifiers.
fn sources(folders: &[&str]) -> Vec<(String, BTreeSet<String>)> {
    let mut paths = Vec::new();
    folders.iter().for_each(|folder| files(&root().join(folder), "rs", &mut paths));
    assert!(paths.len() > 300, "{}", paths.len());
    let named = paths.into_iter().map(|path| {
        let mut names = identifiers(&fs::read_to_string(&path).unwrap());
        names.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        (path.strip_prefix(root()).unwrap().display().to_string(), names)
    });
    named.collect()
}

#[test]
fn no_name_is_of_the_private_language() {
    let mut wrong = Vec::new();
    for (short, names) in sources(&["gateway", "gateway-common/src", "gateway-ebpf", "xtask/src"]) {
        let names: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
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
fn no_name_has_a_word_of_the_private_language() {
    let mut wrong = Vec::new();
    let all = sources(&["gateway", "gateway-common/src", "gateway-ebpf", "xtask/src", "tests"]);
    for (short, names) in &all {
        for name in names.iter().filter(|name| EXCEPTIONS.iter().all(|(exception, _)| name != exception)) {
            let of = words(name);
            let found = WORDS.iter().find(|(word, _)| of.iter().any(|one| one == word));
            wrong.extend(found.map(|(word, instead)| format!("{short}: {name}: {word} is {instead}")));
        }
    }
    assert!(wrong.is_empty(), "{} names:\n{}", wrong.len(), wrong.join("\n"));
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
