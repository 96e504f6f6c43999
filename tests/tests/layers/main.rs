//! Holds the crates under `gateway/` to their order: each imports only what is below it. Within a crate, files do not
//! import each other in circles.
#![allow(clippy::unwrap_used, reason = "what a test does not expect fails it")]

mod circles;
mod imports;
mod modules;
mod tokens;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use modules::Sources;

/// The crates from the bottom up, and what each may use. docs/ARCHITECTURE.md shows the same order.
const LAYERS: [(&str, &[&str]); 11] = [
    ("base", &[]),
    ("vrrp", &["base"]),
    ("ovsdb", &["base"]),
    ("netdev", &["base", "vrrp"]),
    ("api", &["base", "vrrp"]),
    ("config", &["base", "vrrp", "ovsdb"]),
    ("datapath", &["base", "vrrp", "config", "netdev", "api"]),
    ("sources", &["base", "vrrp", "ovsdb", "netdev", "api", "config"]),
    ("ha", &["base", "vrrp", "netdev", "api", "config", "datapath"]),
    ("agent", &["base", "vrrp", "ovsdb", "netdev", "api", "config", "datapath", "sources", "ha"]),
    ("cli", &["base", "vrrp", "ovsdb", "netdev", "api", "config", "datapath", "sources", "ha"]),
];

/// Crates in which nothing is `unsafe`.
const SAFE: [&str; 4] = ["vrrp", "ovsdb", "config", "sources"];

fn gateway() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway")
}

/// The gateway's crates in `[dependencies]` of a manifest; those for tests are free to choose.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("\n[").find_map(|section| section.strip_prefix("dependencies]")).unwrap();
    let names = section.lines().filter_map(|line| line.strip_prefix("gateway-")?.split(['.', ' ']).next());
    names.filter(|name| *name != "common").map(str::to_owned).collect()
}

#[test]
fn each_crate_imports_only_what_is_below_it() {
    let mut found = BTreeSet::new();
    for (name, below) in LAYERS {
        let manifest = fs::read_to_string(gateway().join(name).join("Cargo.toml")).unwrap();
        for used in dependencies(&manifest) {
            assert!(below.contains(&used.as_str()), "gateway-{name} must not import gateway-{used}");
        }
        found.insert(name.to_owned());
    }
    let folders = fs::read_dir(gateway()).unwrap().map(|entry| entry.unwrap().path());
    let crates = folders.filter(|path| path.join("src/lib.rs").exists() && path.join("Cargo.toml").exists());
    let crates: BTreeSet<_> = crates.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(crates, found, "the crates under gateway/ and LAYERS");
}

#[test]
fn no_dependency_is_unused() {
    let mut unused = Vec::new();
    for (name, _) in LAYERS {
        let folder = gateway().join(name);
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let section = manifest.split("\n[").find_map(|section| section.strip_prefix("dependencies]")).unwrap();
        let names = section.lines().filter_map(|line| line.split(['.', ' ']).next()).filter(|name| !name.is_empty());
        let mut sources = String::new();
        each_source(&folder.join("src"), &mut |_, text| sources.push_str(text));
        for dependency in names.filter(|name| !name.starts_with('#')) {
            let path = format!("{}::", dependency.replace('-', "_"));
            if !sources.contains(&path) && !sources.contains(&format!("use {} as", dependency.replace('-', "_"))) {
                unused.push(format!("gateway-{name}: {dependency}"));
            }
        }
    }
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn only_the_command_embeds_the_programs() {
    for (name, _) in LAYERS {
        each_source(&gateway().join(name).join("src"), &mut |path, text| {
            assert!(!text.contains("include_bytes"), "{} embeds something", path.display());
        });
    }
}

#[test]
fn crates_without_unsafe_code_forbid_it() {
    for name in SAFE {
        let text = fs::read_to_string(gateway().join(name).join("src/lib.rs")).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "gateway-{name}");
    }
}

/// Files in which crates begin, under the top of the repository.
fn roots() -> Vec<PathBuf> {
    let top = gateway().join("..");
    let crates = LAYERS.map(|(name, _)| format!("gateway/{name}/src/lib.rs"));
    let others = ["gateway/src/lib.rs", "gateway/src/main.rs", "gateway-common/src/lib.rs", "gateway-ebpf/src/main.rs"];
    crates.into_iter().chain(others.map(str::to_owned)).map(|root| top.join(root)).collect()
}

#[test]
fn at_most_two_files_of_a_crate_import_each_other_in_a_circle() {
    let (mut circles, mut found) = (String::new(), 0);
    for root in roots() {
        let folder = root.parent().unwrap();
        let mut sources = Sources::new();
        each_source(folder, &mut |path, text| {
            sources.insert(path.strip_prefix(folder).unwrap().to_owned(), text.to_owned());
        });
        let imports = circles::imports(Path::new(root.file_name().unwrap()), &sources);
        found += imports.len();
        let name = folder.parent().unwrap().file_name().unwrap().to_str().unwrap();
        circles += &circles::describe(name, &imports);
    }
    assert!(circles.is_empty(), "{circles}");
    assert!(found > 1000, "{found} imports are fewer than the crates have");
}

fn each_source(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            each_source(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            look(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}
