//! Errors of a configuration file, with their positions.

use std::{
    fmt, io,
    ops::Range,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Most problems kept; the rest is only counted.
pub(crate) const MAX_PROBLEMS: usize = 20;
/// Most characters shown of a source line or of a value.
pub(crate) const MAX_SHOWN: usize = 100;

/// Reasons for which the configuration could not be loaded.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be opened or read.
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
    /// The file is too large.
    #[error("cannot read configuration file {}: expected at most {} MiB, found more", path.display(), limit >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Largest size accepted, in bytes.
        limit: u64,
    },
    /// The contents of the file are invalid.
    #[error(transparent)]
    Invalid(Problems),
}

/// Errors of one file, in the order of the file, 20 at most. Prints a line for each; with the alternate flag (`{:#}`)
/// also the source line, with a caret below the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file.
    pub file: PathBuf,
    /// The errors.
    pub list: Vec<Problem>,
    /// Number of further errors that are not in the list.
    pub left_out: usize,
}

/// Error in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The field as a path of keys, such as `switch "db-net": bindings[1].vlan`; empty where the text is not TOML.
    pub field: String,
    /// The expected and the actual value.
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

    /// Returns the source line, cut to a readable length, with a caret below the position.
    fn excerpt(&self) -> String {
        let skipped = self.column.saturating_sub(MAX_SHOWN / 2 + 1);
        let shown: String =
            self.source.chars().skip(skipped).take(MAX_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let caret = self.column - skipped;
        format!("{:>6} | {}\n       | {:>caret$}", self.line, shown.trim_end(), '^')
    }
}

/// Returns the line and column, from 1, of the byte at `offset`, and the text of the line. Columns count characters; in
/// text that is not UTF-8, as far as it can be decoded.
fn position(text: &[u8], offset: usize) -> (usize, usize, &[u8]) {
    let offset = offset.min(text.len());
    let (before, after) = text.split_at(offset);
    let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let end = after.iter().position(|&byte| byte == b'\n').map_or(text.len(), |newline| offset + newline);
    let column = 1 + String::from_utf8_lossy(&text[start..offset]).chars().count();
    (line, column, &text[start..end])
}

/// Returns the error for a file that is not UTF-8 text.
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

/// Collects the errors of a text while it is checked.
pub(crate) struct Report<'t> {
    text: &'t str,
    /// Offset in the text, field, error.
    found: Vec<(usize, String, String)>,
    left_out: usize,
}

impl<'t> Report<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new(), left_out: 0 }
    }

    /// Adds an error: the value at `at`, called `field`, is invalid.
    pub(crate) fn add(&mut self, at: Range<usize>, field: impl fmt::Display, what: impl fmt::Display) {
        if self.found.len() < MAX_PROBLEMS {
            self.found.push((at.start, field.to_string(), what.to_string()));
        } else {
            self.left_out += 1;
        }
    }

    /// Returns the value of a result, or adds its error and returns None.
    pub(crate) fn check<T>(
        &mut self,
        at: Range<usize>,
        field: impl fmt::Display,
        result: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        result.map_err(|what| self.add(at, field, what)).ok()
    }

    /// Returns the value if there were no errors.
    pub(crate) fn finish<T>(mut self, file: &Path, value: Option<T>) -> Result<T, ConfigError> {
        if let (true, Some(value)) = (self.found.is_empty(), value) {
            return Ok(value);
        }
        self.found.sort_by_key(|(offset, ..)| *offset);
        let list = self.found.into_iter().map(|(offset, field, what)| Problem::new(self.text, offset, field, what));
        Err(ConfigError::Invalid(Problems { file: file.to_owned(), list: list.collect(), left_out: self.left_out }))
    }
}

/// Text from the file for display: quoted, on one line, and cut to a readable length.
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
