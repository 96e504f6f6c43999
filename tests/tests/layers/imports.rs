//! Imports between the files of a crate. A path leads to the file that defines its name, through re-exports.

use std::{collections::BTreeMap, path::PathBuf};

use super::modules::{Crate, Id, Mention};

/// Import of one file by another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    pub(crate) from: PathBuf,
    pub(crate) to: PathBuf,
    /// Path, as the source has it.
    pub(crate) path: String,
    pub(crate) line: usize,
}

/// Place that a path leads to.
#[derive(Clone, Copy, Debug)]
enum Place {
    Module(Id),
    /// Item of a module.
    Item(Id),
}

impl Crate {
    /// Returns all imports between files of the crate.
    pub(crate) fn imports(&self) -> Vec<Import> {
        let mut found = BTreeMap::new();
        for (id, module) in self.0.iter().enumerate() {
            let mut import = |to: Id, path: String, line| {
                let to = &self.0[to].file;
                if *to != module.file {
                    found.entry((module.file.clone(), to.clone())).or_insert((path, line));
                }
            };
            for Mention { segments, line } in &module.mentions {
                if let Some(Place::Module(to) | Place::Item(to)) = self.resolve(id, segments, &mut Vec::new()) {
                    import(to, segments.join("::"), *line);
                }
            }
            for glob in &module.globs {
                let Some(Place::Module(of)) = self.resolve(id, glob, &mut Vec::new()) else { continue };
                // Only the names that the code mentions count.
                for (used, line) in module.names.iter().filter(|(used, _)| !module.defines(used)) {
                    if let Some(Place::Module(to) | Place::Item(to)) =
                        self.member(of, used, &mut vec![(id, used.clone())])
                    {
                        import(to, format!("{}::*, for {used}", glob.join("::")), *line);
                    }
                }
            }
        }
        found.into_iter().map(|((from, to), (path, line))| Import { from, to, path, line }).collect()
    }

    /// Returns the place that a path in a module leads to, or nothing if it leads out of the crate. `through` has the
    /// names that are being resolved.
    fn resolve(&self, from: Id, path: &[String], through: &mut Vec<(Id, String)>) -> Option<Place> {
        let mut place = None;
        for (number, segment) in path.iter().enumerate() {
            let module = match place {
                Some(Place::Item(of)) => return Some(Place::Item(of)),
                Some(Place::Module(id)) => id,
                None => from,
            };
            place = match segment.as_str() {
                "crate" => Some(Place::Module(0)),
                "self" => Some(Place::Module(module)),
                "super" => Some(Place::Module(self.0[module].parent?)),
                // A name that nothing defines in sight is made by a macro of that module.
                _ => self.member(module, segment, through).or((number > 0).then_some(Place::Item(module))),
            };
            place?;
        }
        place
    }

    /// Returns the place of a name in a module.
    fn member(&self, id: Id, name: &str, through: &mut Vec<(Id, String)>) -> Option<Place> {
        let module = &self.0[id];
        if let Some(child) = module.children.get(name) {
            return Some(Place::Module(*child));
        }
        if module.items.contains(name) {
            return Some(Place::Item(id));
        }
        if through.contains(&(id, name.to_owned())) {
            return None;
        }
        through.push((id, name.to_owned()));
        if let Some(path) = module.uses.get(name) {
            return self.resolve(id, path, through);
        }
        module.globs.iter().find_map(|glob| match self.resolve(id, glob, through)? {
            Place::Module(of) => self.member(of, name, through),
            Place::Item(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Returns the imports of a crate made of these files, as "from to".
    fn imports(files: &[(&str, &str)]) -> Vec<String> {
        let sources = files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        let found = Crate::read(Path::new("lib.rs"), &sources).imports();
        let mut found: Vec<_> =
            found.iter().map(|import| format!("{} {}", import.from.display(), import.to.display())).collect();
        found.sort();
        found
    }

    #[test]
    fn a_path_leads_to_the_file_of_its_module() {
        let files = [
            ("lib.rs", "use {b::{inner::{self, C}}, std::fmt}; mod a; mod b;"),
            ("a.rs", "mod deep; use crate::b::{self, inner::{C, D as E}};"),
            ("a/deep.rs", "fn f() { super::super::b::inner::g::<u8>() }"),
            ("b/mod.rs", "pub mod inner;"),
            ("b/inner.rs", "pub struct C; pub struct D; pub fn g<T>() {}"),
        ];
        assert_eq!(imports(&files), ["a.rs b/inner.rs", "a.rs b/mod.rs", "a/deep.rs b/inner.rs", "lib.rs b/inner.rs"]);
    }

    #[test]
    fn a_re_export_is_no_import_and_leads_to_the_definition() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use b::B;"),
            ("a.rs", "use crate::B; use crate::b::Other;"),
            ("b/mod.rs", "mod inner; mod other; pub(crate) use inner::B; pub(in crate::a) use self::other::*;"),
            ("b/inner.rs", "pub struct B;"),
            ("b/other.rs", "pub struct Other;"),
        ];
        assert_eq!(imports(&files), ["a.rs b/inner.rs", "a.rs b/other.rs"]);
    }

    #[test]
    fn names_in_scope_lead_to_their_modules() {
        let files = [
            ("lib.rs", "mod a; mod b; use std::fmt; fn f() { a::f() }"),
            ("a.rs", "use crate::b; pub fn f() -> fmt::Result { b::inner::g() }"),
            ("b.rs", "pub mod inner;"),
            ("b/inner.rs", "pub fn g() {}"),
        ];
        assert_eq!(imports(&files), ["a.rs b.rs", "a.rs b/inner.rs", "lib.rs a.rs"]);
    }

    #[test]
    fn a_glob_imports_the_names_that_the_code_mentions() {
        let files = [
            ("lib.rs", "mod a; mod b; use b::B; struct Here;"),
            (
                "a.rs",
                "use std::path::Path;

    use super::*; struct A(B);",
            ),
            ("b.rs", "pub struct B; made! { pub struct Unseen; }"),
        ];
        assert_eq!(imports(&files), ["a.rs b.rs", "lib.rs b.rs"]);
    }

    #[test]
    fn declarations_visibilities_and_tests_are_no_imports() {
        let files = [
            ("lib.rs", "mod a; #[cfg(test)] mod tests;"),
            ("a.rs", "pub(in crate::a) mod b { #[cfg(test)] use crate::f; } #[cfg(test)] mod t { use crate::f; }"),
        ];
        assert_eq!(imports(&files), [""; 0]);
    }

    #[test]
    fn an_item_that_a_macro_makes_is_in_the_file_of_its_module() {
        let files = [("lib.rs", "mod a; use a::Made;"), ("a.rs", "make! { Made }")];
        assert_eq!(imports(&files), ["lib.rs a.rs"]);
    }
}
