//! What is wrong with a configuration file, and where.

use std::{
    fmt, io,
    ops::Range,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Problems that are kept; the rest is only counted.
pub(crate) const MAX_PROBLEMS: usize = 20;
/// Characters of a source line, or of a value, that are shown.
pub(crate) const MAX_SHOWN: usize = 100;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file does not open or does not read.
    #[error("cannot read configuration file {}: {source}; name the file with --config", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The path is that of a directory.
    #[error("cannot read configuration file {}: it is a directory; name a TOML file with --config", path.display())]
    Directory {
        /// The path.
        path: PathBuf,
    },
    /// The file is too large to be meant.
    #[error("cannot read configuration file {}: expected at most {} MiB, found more", path.display(), limit >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// The file's contents are refused.
    #[error(transparent)]
    Invalid(Problems),
}

/// All that is wrong with one file, in the order of the file, at most 20 of it. Prints a line for each; with the
/// alternate flag (`{:#}`) also the source line, with a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    pub list: Vec<Problem>,
    /// How many more there are.
    pub left_out: usize,
}

/// One thing that is wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The field as a path of keys, such as `switch "db-net": bindings[1].vlan`; empty where the text is not TOML.
    pub field: String,
    /// What was expected and what was found.
    pub what: String,
    /// The line's text.
    source: String,
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        for (i, problem) in self.list.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{file}:{}:{}: {problem}", problem.line, problem.column)?;
            if f.alternate() {
                write!(f, "\n{}", problem.excerpt())?;
            }
        }
        match self.left_out {
            0 => Ok(()),
            more => write!(f, "\n{file}: {more} more errors are not shown"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() { f.write_str(&self.what) } else { write!(f, "{}: {}", self.field, self.what) }
    }
}

impl Problem {
    fn new(text: &str, offset: usize, field: String, what: String) -> Self {
        let (line, column, source) = position(text.as_bytes(), offset);
        Self { line, column, field, what, source: String::from_utf8_lossy(source).into_owned() }
    }

    /// The source line, cut at a readable length, and a caret below the place.
    fn excerpt(&self) -> String {
        let skipped = self.column.saturating_sub(MAX_SHOWN / 2 + 1);
        let shown: String =
            self.source.chars().skip(skipped).take(MAX_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let caret = self.column - skipped;
        format!("{:>6} | {}\n       | {:>caret$}", self.line, shown.trim_end(), '^')
    }
}

/// Line and column, from 1, of the byte at `offset`, and the line's text. Columns count characters (in text that is not
/// UTF-8 as far as it can be told).
fn position(text: &[u8], offset: usize) -> (usize, usize, &[u8]) {
    let offset = offset.min(text.len());
    let (before, after) = text.split_at(offset);
    let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let end = after.iter().position(|&byte| byte == b'\n').map_or(text.len(), |newline| offset + newline);
    let column = 1 + String::from_utf8_lossy(&text[start..offset]).chars().count();
    (line, column, &text[start..end])
}

/// The refusal of a file that is not text.
pub(crate) fn not_utf8(file: &Path, bytes: &[u8], valid_up_to: usize) -> ConfigError {
    let (line, column, source) = position(bytes, valid_up_to);
    let byte = bytes.get(valid_up_to).copied().unwrap_or_default();
    let problem = Problem {
        line,
        column,
        field: String::new(),
        what: format!("expected UTF-8 text, found byte 0x{byte:02x}"),
        source: String::from_utf8_lossy(source).into_owned(),
    };
    ConfigError::Invalid(Problems { file: file.to_owned(), list: vec![problem], left_out: 0 })
}

/// Collects problems while a text is checked.
pub(crate) struct Report<'t> {
    text: &'t str,
    /// Offset in the text, field, what.
    found: Vec<(usize, String, String)>,
    left_out: usize,
}

impl<'t> Report<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new(), left_out: 0 }
    }

    /// Notes that the value at `at`, called `field`, is wrong.
    pub(crate) fn add(&mut self, at: Range<usize>, field: impl fmt::Display, what: impl fmt::Display) {
        if self.found.len() < MAX_PROBLEMS {
            self.found.push((at.start, field.to_string(), what.to_string()));
        } else {
            self.left_out += 1;
        }
    }

    /// The value, or a note of why there is none.
    pub(crate) fn check<T>(
        &mut self,
        at: Range<usize>,
        field: impl fmt::Display,
        result: Result<T, String>,
    ) -> Option<T> {
        result.map_err(|what| self.add(at, field, what)).ok()
    }

    /// What was read, if nothing was wrong with it.
    pub(crate) fn finish<T>(mut self, file: &Path, value: Option<T>) -> Result<T, ConfigError> {
        if let (true, Some(value)) = (self.found.is_empty(), value) {
            return Ok(value);
        }
        self.found.sort_by_key(|(offset, ..)| *offset);
        let list = self.found.into_iter().map(|(offset, field, what)| Problem::new(self.text, offset, field, what));
        Err(ConfigError::Invalid(Problems { file: file.to_owned(), list: list.collect(), left_out: self.left_out }))
    }
}

/// A text from the file, quoted, on one line, and cut at a readable length.
pub(crate) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(MAX_SHOWN) {
            None => write!(f, "{:?}", self.0),
            Some((cut, _)) => write!(f, "{:?}…", &self.0[..cut]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str, offsets: impl IntoIterator<Item = usize>) -> String {
        let mut report = Report::new(text);
        for offset in offsets {
            report.add(offset..offset, "field", format_args!("wrong at {offset}"));
        }
        report.finish(Path::new("f.toml"), Some(())).unwrap_err().to_string()
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        assert_eq!(problems("a\nüü=1", [6]), "f.toml:2:3: field: wrong at 6");
    }

    #[test]
    fn problems_come_in_the_order_of_the_file() {
        assert_eq!(problems("a\nb\n", [2, 0]), "f.toml:1:1: field: wrong at 0\nf.toml:2:1: field: wrong at 2");
    }

    #[test]
    fn twenty_problems_are_shown_and_the_rest_counted() {
        let text = problems("x", std::iter::repeat_n(0, 23));
        assert_eq!(text.lines().count(), 21);
        assert!(text.ends_with("f.toml: 3 more errors are not shown"), "{text}");
    }

    #[test]
    fn nothing_wrong_is_no_error() {
        assert!(Report::new("x").finish(Path::new("f.toml"), Some(())).is_ok());
    }

    #[test]
    fn the_excerpt_points_at_the_place() {
        let mut report = Report::new("one\nvni = 0 # no\n");
        report.add(10..11, "vni", "wrong");
        let error = report.finish(Path::new("f.toml"), Some(())).unwrap_err();
        assert_eq!(format!("{error:#}"), "f.toml:2:7: vni: wrong\n     2 | vni = 0 # no\n       |       ^");
    }

    #[test]
    fn the_excerpt_of_a_long_line_is_cut_around_the_place() {
        let text = format!("{}!{}", "a".repeat(500), "b".repeat(500));
        let mut report = Report::new(&text);
        report.add(500..501, "x", "wrong");
        let shown = format!("{:#}", report.finish(Path::new("f.toml"), Some(())).unwrap_err());
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[1].find('!'), lines[2].find('^'));
        assert_eq!(lines[1].len(), 9 + MAX_SHOWN);
    }

    #[test]
    fn quoted_text_stays_on_one_line() {
        assert_eq!(Quoted("a\nb").to_string(), r#""a\nb""#);
        assert_eq!(Quoted(&"ü".repeat(101)).to_string(), format!("\"{}\"…", "ü".repeat(100)));
    }
}
