//! Texts that are not TOML, or not of the shape that [`super::raw`] gives.
//!
//! The parser says what is wrong in its own words and where, but not in which field. Here its words are put in the
//! operator's, and the field is found again from the place.

use super::{
    field_path::FieldPath,
    report::{MAX_SHOWN, Quoted, Report},
};
use crate::nearest;

/// Adds what the parser refused to the report.
pub(super) fn explain(error: &toml::de::Error, text: &str, report: &mut Report<'_>) {
    let at = error.span().unwrap_or(0..0);
    let message = error.message();
    let field = FieldPath::at(text, at.start);
    if let Some(key) = message.strip_prefix("missing field ").map(unquote) {
        return report.add(at, field.key(key), "required, but missing");
    }
    if let Some((key, valid)) = unknown_key(message) {
        // The place is that of the key, so the field ends with it.
        return report.add(at, field, format_args!("no such key; expected one of {}", list(key, valid)));
    }
    if let Some((found, expected)) = wrong_kind(message) {
        return report.add(at, field, format_args!("expected {expected}, found {found}"));
    }
    let key = (message == "duplicate key").then(|| text.get(at.clone())).flatten();
    if let Some(key) = key {
        return report.add(at, field, format_args!("expected each key once, found {} a second time", Quoted(key)));
    }
    // One line for each problem, whatever the parser's messages hold.
    let words: Vec<_> = message.split_whitespace().collect();
    report.add(at, field, words.join(" "));
}

/// The keys in an "unknown field" message of serde: the wrong one, and the right ones.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, expected) = rest.split_once("`, expected ")?;
    Some((key, expected.split('`').skip(1).step_by(2).collect()))
}

/// What was found and what was expected, from an "invalid type" message of serde.
fn wrong_kind(message: &str) -> Option<(&str, &str)> {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let expected = match expected {
        "i64" => "a whole number",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        other => other,
    };
    let found = match found {
        "map" => "a table",
        "sequence" => "an array",
        // A text that is found is quoted in full, which can be megabytes.
        other => other.char_indices().nth(MAX_SHOWN).map_or(other, |(cut, _)| &other[..cut]),
    };
    Some((found, expected))
}

fn list(wrong: &str, valid: Vec<&str>) -> String {
    nearest::by_likeness(wrong, valid).join(", ")
}

fn unquote(text: &str) -> &str {
    text.trim_matches('`')
}
