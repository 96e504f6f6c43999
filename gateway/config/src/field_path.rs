//! Conversion of a position in the text to the name of the field there.

use std::fmt;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::report::Quoted;

/// Path of keys to a value, written as `gateway.ttl` or `switch "db-net": bindings[1].vlan`.
#[derive(Clone, Default)]
pub(super) struct FieldPath {
    text: String,
    /// Number of keys and elements in the path.
    depth: usize,
    /// Separator before the next key.
    separator: &'static str,
}

impl FieldPath {
    /// Returns the path of the field at `offset` of `text`; empty if the text is not TOML, or has no field there.
    pub(super) fn at(text: &str, offset: usize) -> Self {
        let Ok(document) = DeTable::parse(text) else { return Self::default() };
        Self::default().descend(document.get_ref(), offset)
    }

    /// Returns the path of `key` in the table at this path.
    pub(super) fn key(&self, key: &str) -> Self {
        let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let text = match bare {
            true => format!("{}{}{key}", self.text, self.separator),
            false => format!("{}{}{}", self.text, self.separator, Quoted(key)),
        };
        Self { text, depth: self.depth + 1, separator: "." }
    }

    /// Returns the path of element `i` of the array at this path. An element of a top-level array is called by its
    /// name.
    fn element(&self, i: usize, element: &DeValue<'_>) -> Self {
        let depth = self.depth + 1;
        let top = self.depth == 1;
        let name = element.as_table().and_then(|table| table.get("name")).and_then(|name| name.get_ref().as_str());
        let text = match name {
            Some(name) if top => format!("{} {}", self.text, Quoted(name)),
            _ => format!("{}[{i}]", self.text),
        };
        Self { text, depth, separator: if top { ": " } else { "." } }
    }

    /// Extends the path to the innermost value or key of `table` that contains `offset`.
    fn descend(self, table: &DeTable<'_>, offset: usize) -> Self {
        for (key, value) in table.iter() {
            let path = self.key(key.get_ref());
            if key.span().contains(&offset) {
                return path;
            }
            if holds(value, offset) {
                return path.enter(value.get_ref(), offset);
            }
        }
        self
    }

    fn enter(self, value: &DeValue<'_>, offset: usize) -> Self {
        match value {
            DeValue::Table(table) => self.descend(table, offset),
            DeValue::Array(elements) => match elements.iter().enumerate().find(|(_, element)| holds(element, offset)) {
                Some((i, element)) => self.element(i, element.get_ref()).enter(element.get_ref(), offset),
                None => self,
            },
            _ => self,
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Returns true if `offset` is in the value or in its contents; the span of a `[table]` covers only its header.
fn holds(value: &Spanned<DeValue<'_>>, offset: usize) -> bool {
    value.span().contains(&offset)
        || match value.get_ref() {
            DeValue::Table(table) => {
                table.iter().any(|(key, value)| key.span().contains(&offset) || holds(value, offset))
            }
            DeValue::Array(elements) => elements.iter().any(|element| holds(element, offset)),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the path of the position marked with `^`.
    fn path(text: &str) -> String {
        let offset = text.find('^').unwrap();
        FieldPath::at(&text.replace('^', ""), offset).to_string()
    }

    #[test]
    fn keys_are_joined_by_dots() {
        assert_eq!(path("[gateway]\nttl = ^5"), "gateway.ttl");
    }

    #[test]
    fn elements_of_top_level_arrays_go_by_name() {
        assert_eq!(
            path("[[switch]]\nname='a'\n[[switch]]\nname = 'b'\nbindings = [{}, {vlan = ^1}]"),
            r#"switch "b": bindings[1].vlan"#
        );
    }

    #[test]
    fn elements_without_a_name_go_by_number() {
        assert_eq!(path("[[switch]]\nvni = ^1"), "switch[0]: vni");
    }

    #[test]
    fn odd_keys_are_quoted() {
        assert_eq!(path("[gateway]\n\"a\\nb\" = ^1"), r#"gateway."a\nb""#);
    }

    #[test]
    fn places_between_fields_have_no_path() {
        assert_eq!(path("ttl = 5\n^\n[gateway]"), "");
    }
}
