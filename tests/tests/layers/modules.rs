//! Module tree of a crate: what each module defines, imports and mentions.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::tokens::{self, Placed, Token, end_of_group, is, name};

/// Source files by their paths.
pub(crate) type Sources = BTreeMap<PathBuf, String>;

/// Number of a module in its [`Crate`].
pub(crate) type Id = usize;

/// Path in the source: its segments and its line.
#[derive(Clone, Debug)]
pub(crate) struct Mention {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// Module: a file, or a block in one.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) file: PathBuf,
    pub(crate) parent: Option<Id>,
    pub(crate) children: BTreeMap<String, Id>,
    /// Names of items that are defined here.
    pub(crate) items: BTreeSet<String>,
    /// Imports and re-exports by the names that they have here.
    pub(crate) uses: BTreeMap<String, Vec<String>>,
    /// Modules all of whose names are imported or re-exported.
    pub(crate) globs: Vec<Vec<String>>,
    /// Paths that this module uses. Re-exports are none.
    pub(crate) mentions: Vec<Mention>,
    /// All names in the code.
    pub(crate) names: BTreeMap<String, usize>,
}

impl Module {
    pub(crate) fn defines(&self, name: &str) -> bool {
        self.items.contains(name) || self.children.contains_key(name) || self.uses.contains_key(name)
    }
}

/// Module tree of a crate.
#[derive(Debug, Default)]
pub(crate) struct Crate(pub(crate) Vec<Module>);

impl Crate {
    /// Reads the tree of modules whose root is the file `root`.
    pub(crate) fn read(root: &Path, sources: &Sources) -> Self {
        let mut tree = Self::default();
        let folder = root.parent().unwrap_or(Path::new(""));
        tree.file(root, folder, None, sources);
        tree
    }

    /// Adds the module of a file. The files of its children are in `folder`.
    fn file(&mut self, file: &Path, folder: &Path, parent: Option<Id>, sources: &Sources) -> Id {
        let text = sources.get(file).unwrap_or_else(|| panic!("no source file {}", file.display()));
        let tokens = tokens::without_tests(&tokens::read(text));
        self.module(&tokens, file, folder, parent, sources)
    }

    fn module(&mut self, tokens: &[Placed], file: &Path, folder: &Path, parent: Option<Id>, sources: &Sources) -> Id {
        let id = self.0.len();
        self.0.push(Module { file: file.to_owned(), parent, ..Module::default() });
        let (mut at, mut depth, mut public) = (0, 0, false);
        // Path of a `#[path]` attribute, for the module that comes next.
        let mut elsewhere = None;
        while let Some((token, line)) = tokens.get(at) {
            let after_public = std::mem::take(&mut public);
            match token {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => depth -= 1,
                Token::Mark('#') if is(tokens, at + 1, '[') && name(tokens, at + 2) == Some("path") => {
                    if let Some((Token::Text(path), _)) = tokens.get(at + 4) {
                        elsewhere = Some(path.clone());
                    }
                }
                Token::Name(word) => match (word.as_str(), name(tokens, at + 1)) {
                    ("pub", _) => {
                        public = true;
                        if is(tokens, at + 1, '(') {
                            at = end_of_group(tokens, at + 1);
                            continue;
                        }
                    }
                    ("use", _) if !is(tokens, at + 1, '<') => {
                        at = self.import(id, tokens, at + 1, after_public);
                        continue;
                    }
                    ("mod", Some(child)) if is(tokens, at + 2, ';') => {
                        let found = match elsewhere.take() {
                            Some(path) => file.parent().unwrap_or(Path::new("")).join(path),
                            None => Some(folder.join(format!("{child}.rs")))
                                .filter(|path| sources.contains_key(path))
                                .unwrap_or_else(|| folder.join(child).join("mod.rs")),
                        };
                        let child_id = self.file(&found, &folder.join(child), Some(id), sources);
                        self.0[id].children.insert(child.to_owned(), child_id);
                        at += 2;
                    }
                    ("mod", Some(child)) if is(tokens, at + 2, '{') => {
                        let end = end_of_group(tokens, at + 2);
                        let inside = &tokens[at + 3..end - 1];
                        let child_id = self.module(inside, file, &folder.join(child), Some(id), sources);
                        self.0[id].children.insert(child.to_owned(), child_id);
                        at = end;
                        continue;
                    }
                    ("fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static", Some(item)) => {
                        if depth == 0 {
                            self.0[id].items.insert(item.to_owned());
                        }
                    }
                    ("macro_rules", _) => {
                        self.0[id].items.extend(name(tokens, at + 2).map(str::to_owned));
                    }
                    _ => {
                        self.0[id].names.entry(word.clone()).or_insert(*line);
                        let segments = path(tokens, at);
                        if segments.len() > 1 {
                            at += 3 * (segments.len() - 1);
                            self.0[id].mentions.push(Mention { segments, line: *line });
                        }
                    }
                },
                _ => {}
            }
            at += 1;
        }
        id
    }

    /// Adds what a `use` at `at` imports to a module. Returns the end of the statement.
    fn import(&mut self, id: Id, tokens: &[Placed], at: usize, public: bool) -> usize {
        let mut leaves = Vec::new();
        let end = use_tree(tokens, at, &[], &mut leaves);
        let module = &mut self.0[id];
        for (segments, alias, line) in leaves {
            match alias {
                None => module.globs.push(segments),
                Some(alias) => {
                    if !public {
                        module.mentions.push(Mention { segments: segments.clone(), line });
                    }
                    // A name may be imported twice, in two functions; the first one counts.
                    module.uses.entry(alias).or_insert(segments);
                }
            }
        }
        end
    }
}

/// Returns the segments of the path at `at`.
fn path(tokens: &[Placed], mut at: usize) -> Vec<String> {
    let mut segments = Vec::new();
    while let Some(segment) = name(tokens, at) {
        segments.push(segment.to_owned());
        if !(is(tokens, at + 1, ':') && is(tokens, at + 2, ':')) {
            break;
        }
        at += 3;
    }
    segments
}

/// Path, the name under which it is imported (nothing for `*`), and the line.
type Leaf = (Vec<String>, Option<String>, usize);

/// Reads a use tree with the path `prefix` in front of it. Returns its end, after the comma or semicolon.
fn use_tree(tokens: &[Placed], mut at: usize, prefix: &[String], leaves: &mut Vec<Leaf>) -> usize {
    let mut segments = prefix.to_vec();
    while let Some((token, line)) = tokens.get(at) {
        match token {
            Token::Name(word) if word == "as" => {
                let alias = name(tokens, at + 1).unwrap_or("_").to_owned();
                leaves.push((std::mem::take(&mut segments), Some(alias), *line));
                at += 1;
            }
            // `a::{self}` imports `a`.
            Token::Name(word) if word == "self" && !segments.is_empty() => {}
            Token::Name(word) => segments.push(word.clone()),
            Token::Mark('*') => leaves.push((std::mem::take(&mut segments), None, *line)),
            Token::Mark('{') => {
                let end = end_of_group(tokens, at);
                at += 1;
                while at < end - 1 {
                    at = use_tree(&tokens[..end - 1], at, &segments, leaves);
                }
                at = end - 1;
                segments.clear();
            }
            Token::Mark(',' | ';') => break,
            _ => {}
        }
        at += 1;
    }
    if let Some(last) = segments.last().cloned() {
        let line = tokens[at.min(tokens.len()) - 1].1;
        leaves.push((segments, Some(last), line));
    }
    at + 1
}
