//! Errors of texts that are not TOML, or not of the shape of [`super::raw`].
//!
//! The parser reports an error in its own terms and with its position, but without the field. This module rewrites the
//! message for the operator, and finds the field from the position.

use std::ops::Range;

use gateway_base::suggest as nearest;
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};

use super::{
    field_path::FieldPath,
    raw::RawConfig,
    report::{MAX_PROBLEMS, MAX_SHOWN, Quoted, Report},
};

/// Parses the text into its shape. Unknown keys are reported; then they are treated as the keys that were probably
/// meant, or left out, so that further errors are found as well. Returns None if the text is not TOML, or something in
/// it is missing or of the wrong type.
pub(super) fn read(text: &str, report: &mut Report<'_>) -> Option<RawConfig> {
    let mut table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            explain(&error, text, report);
            return None;
        }
    };
    for _ in 0..=MAX_PROBLEMS {
        let error = match RawConfig::deserialize(Deserializer::from(table.clone())) {
            Ok(raw) => return Some(raw),
            Err(error) => error,
        };
        explain(&error, text, report);
        let ((wrong, valid), at) = unknown_key(error.message()).zip(error.span())?;
        if !put_right(table.get_mut(), &at, nearest::meant(wrong, valid)) {
            return None;
        }
    }
    None
}

/// Renames the key at this position to `meant`. Removes it if `meant` is None or already present. Returns false if
/// there is no key at this position.
fn put_right(table: &mut DeTable<'_>, at: &Range<usize>, meant: Option<&str>) -> bool {
    let Some(wrong) = table.keys().find(|key| key.span() == *at).cloned() else {
        return table.iter_mut().any(|(_, value)| put_right_within(value.get_mut(), at, meant));
    };
    let value = table.remove(&wrong);
    let is_there = |name: &str| table.keys().any(|key| key.get_ref() == name);
    if let (Some(value), Some(name)) = (value, meant.filter(|name| !is_there(name))) {
        table.insert(Spanned::new(wrong.span(), name.to_owned().into()), value);
    }
    true
}

fn put_right_within(value: &mut DeValue<'_>, at: &Range<usize>, meant: Option<&str>) -> bool {
    match value {
        DeValue::Table(table) => put_right(table, at, meant),
        DeValue::Array(array) => array.iter_mut().any(|value| put_right_within(value.get_mut(), at, meant)),
        _ => false,
    }
}

/// Adds a parser error to the report.
fn explain(error: &toml::de::Error, text: &str, report: &mut Report<'_>) {
    let at = error.span().unwrap_or(0..0);
    let message = error.message();
    let field = FieldPath::at(text, at.start);
    if let Some(key) = message.strip_prefix("missing field ").map(unquote) {
        return report.add(at, field.key(key), "required, but missing");
    }
    if let Some((key, valid)) = unknown_key(message) {
        // The position is that of the key, so the field path ends with the key.
        return report.add(
            at,
            field,
            format_args!("no such key{}; expected one of {}", meant(key, &valid), valid.join(", ")),
        );
    }
    if let Some((found, expected)) = wrong_kind(message) {
        return report.add(at, field, format_args!("expected {expected}, found {found}"));
    }
    let key = (message == "duplicate key").then(|| text.get(at.clone())).flatten();
    if let Some(key) = key {
        return report.add(at, field, format_args!("expected each key once, found {} a second time", Quoted(key)));
    }
    // One line for each problem, whatever the parser's message contains.
    let words: Vec<_> = message.split_whitespace().collect();
    report.add(at, field, words.join(" "));
}

/// Extracts from an "unknown field" message of serde the unknown key and the valid ones.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, expected) = rest.split_once("`, expected ")?;
    Some((key, expected.split('`').skip(1).step_by(2).collect()))
}

/// Extracts from an "invalid type" message of serde the found and the expected type.
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
        // The message quotes a found text in full, which can be megabytes.
        other => other.char_indices().nth(MAX_SHOWN).map_or(other, |(cut, _)| &other[..cut]),
    };
    Some((found, expected))
}

/// Suggests the key that was probably meant, as a question.
fn meant(wrong: &str, valid: &[&str]) -> String {
    nearest::meant(wrong, valid.iter().copied()).map(|key| format!(", is `{key}` meant?")).unwrap_or_default()
}

fn unquote(text: &str) -> &str {
    text.trim_matches('`')
}
