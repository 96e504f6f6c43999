//! Import circles: files of a crate each of which imports the next, and the last the first.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::{Path, PathBuf},
};

use super::{
    imports::Import,
    modules::{Crate, Sources},
};

/// Files that may import each other in a circle. Two that do are one thing in two files; more can't be read one by one.
const MOST: usize = 2;

/// Returns the circles among `imports` that have more than [`MOST`] files: the strongly connected components.
fn circles(imports: &[Import]) -> Vec<BTreeSet<&Path>> {
    let mut next = BTreeMap::<&Path, Vec<&Path>>::new();
    for import in imports {
        next.entry(&import.from).or_default().push(&import.to);
    }
    let reached = |from| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
        while let Some(file) = left.pop() {
            left.extend(next.get(file).into_iter().flatten().filter(|file| seen.insert(**file)));
        }
        seen
    };
    let reached: BTreeMap<_, _> = next.keys().map(|file| (*file, reached(*file))).collect();
    let (mut found, mut done) = (Vec::new(), BTreeSet::new());
    for (file, others) in &reached {
        let back = |other: &&Path| reached.get(other).is_some_and(|of| of.contains(file));
        let circle: BTreeSet<_> = others.iter().copied().filter(back).collect();
        if circle.contains(file) && done.insert(*file) {
            done.extend(&circle);
            found.push(circle);
        }
    }
    found.retain(|circle| circle.len() > MOST);
    found
}

/// Describes the circles of a crate: their files, and the imports between them. Empty if there is none.
pub(crate) fn describe(name: &str, imports: &[Import]) -> String {
    let mut text = String::new();
    for circle in circles(imports) {
        let files: Vec<_> = circle.iter().map(|file| file.display().to_string()).collect();
        let _ = writeln!(text, "{name}: {} files import each other in a circle: {}", files.len(), files.join(", "));
        let inside = |file: &PathBuf| circle.contains(file.as_path());
        for import in imports.iter().filter(|import| inside(&import.from) && inside(&import.to)) {
            let Import { from, to, path, line } = import;
            let _ = writeln!(text, "    {}:{line} imports {} by {path}", from.display(), to.display());
        }
    }
    text
}

/// Returns the imports between the files of a crate.
pub(crate) fn imports(root: &Path, sources: &Sources) -> Vec<Import> {
    Crate::read(root, sources).imports()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Describes the circles of a crate made of these files.
    fn described(files: &[(&str, &str)]) -> String {
        let sources = files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        describe("made-up", &imports(Path::new("lib.rs"), &sources))
    }

    #[test]
    fn a_circle_of_three_is_found_and_named() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; use c::C;"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "pub struct B;\nfn f() { super::c::g() }"),
            ("c.rs", "#[cfg(test)] use super::*;\nuse super::a; pub struct C;"),
        ];
        let expected = "made-up: 3 files import each other in a circle: a.rs, b.rs, c.rs\n    \
                        a.rs:1 imports b.rs by crate::b::B\n    \
                        b.rs:2 imports c.rs by super::c::g\n    \
                        c.rs:2 imports a.rs by super::a\n";
        assert_eq!(described(&files), expected);
    }

    #[test]
    fn a_circle_of_two_is_none() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "use crate::a::A; use crate::c::C; pub struct B;"),
            ("c.rs", "pub struct C;"),
        ];
        assert_eq!(described(&files), "");
    }

    #[test]
    fn a_circle_through_a_re_export_is_found() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a/mod.rs", "mod one; mod two; pub use one::One;"),
            ("a/one.rs", "use super::two::Two; pub struct One;"),
            ("a/two.rs", "use crate::b::B; pub struct Two;"),
            ("b.rs", "use crate::a::One; pub struct B;"),
        ];
        assert!(described(&files).contains("3 files import each other in a circle: a/one.rs, a/two.rs, b.rs"));
    }

    #[test]
    fn a_circle_that_only_tests_close_is_none() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "use crate::c::C; pub struct B;"),
            ("c.rs", "pub struct C; #[cfg(test)] mod tests { use crate::a::A; }"),
        ];
        assert_eq!(described(&files), "");
    }
}
