//! Schema of a database (RFC 7047, section 3.2).

use std::collections::HashMap;

use serde::Deserialize;

use super::{Atom, Datum, Uuid};

/// Schema of a database: the parts that are needed to read it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Schema {
    pub version: String,
    tables: HashMap<String, Table>,
}

#[derive(Clone, Debug, Deserialize)]
struct Table {
    columns: HashMap<String, Column>,
}

#[derive(Clone, Debug, Deserialize)]
struct Column {
    #[serde(rename = "type")]
    kind: ColumnType,
}

/// Type of an atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AtomType {
    Integer,
    Real,
    Boolean,
    String,
    Uuid,
}

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "TypeJson")]
pub(crate) struct ColumnType {
    /// Type of the elements, or of the keys of a map.
    key: AtomType,
    /// Type of the values of a map; `None` for a set.
    value: Option<AtomType>,
    /// True if the column may be empty.
    optional: bool,
    /// True if the column may have more than one element.
    pub many: bool,
}

/// Error: the value of a column is not of its type. Holds the expected type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongType(pub String);

#[derive(Deserialize)]
#[serde(untagged)]
enum TypeJson {
    Atom(AtomType),
    Full {
        key: BaseJson,
        value: Option<BaseJson>,
        #[serde(default = "one")]
        min: u64,
        #[serde(default)]
        max: MaxJson,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum BaseJson {
    Atom(AtomType),
    Full {
        #[serde(rename = "type")]
        kind: AtomType,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum MaxJson {
    Number(u64),
    /// "unlimited"
    Word(#[allow(dead_code, reason = "there is only one")] String),
}

impl Default for MaxJson {
    fn default() -> Self {
        Self::Number(1)
    }
}

fn one() -> u64 {
    1
}

impl From<TypeJson> for ColumnType {
    fn from(json: TypeJson) -> Self {
        let base = |json| match json {
            BaseJson::Atom(kind) | BaseJson::Full { kind } => kind,
        };
        match json {
            TypeJson::Atom(key) => Self { key, value: None, optional: false, many: false },
            TypeJson::Full { key, value, min, max } => Self {
                key: base(key),
                value: value.map(base),
                optional: min == 0,
                many: !matches!(max, MaxJson::Number(0 | 1)),
            },
        }
    }
}

impl Schema {
    /// Returns the columns of the table `name`, if the table exists.
    pub(crate) fn table(&self, name: &str) -> Option<impl Fn(&str) -> Option<ColumnType>> {
        let table = self.tables.get(name)?;
        Some(|column: &str| Some(table.columns.get(column)?.kind))
    }
}

impl ColumnType {
    /// Returns the default value. A server leaves out columns that hold it (`ovsdb-server(7)`, 4.1.14).
    pub(crate) fn default(self) -> Datum {
        match (self.optional, self.value) {
            (true, None) => Datum::EMPTY,
            (true, Some(_)) => Datum::Map(Vec::new()),
            (false, None) => self.key.default().into(),
            (false, Some(value)) => Datum::Map(vec![(self.key.default(), value.default())]),
        }
    }

    /// Returns `datum` as a complete value of this column.
    pub(crate) fn whole(self, datum: Datum) -> Result<Datum, WrongType> {
        let datum = self.part(datum)?;
        let fits = if self.many { true } else { datum.len() <= 1 } && (self.optional || !datum.is_empty());
        if fits { Ok(datum) } else { Err(self.wrong()) }
    }

    /// Returns `datum` as a difference for this column, which may have any number of elements.
    pub(crate) fn part(self, datum: Datum) -> Result<Datum, WrongType> {
        match (self.value, datum) {
            (None, Datum::Set(mut atoms)) => {
                if !atoms.iter_mut().all(|atom| self.key.takes(atom)) {
                    return Err(self.wrong());
                }
                Ok(Datum::Set(atoms))
            }
            (Some(value), Datum::Map(mut pairs)) => {
                if !pairs.iter_mut().all(|pair| self.key.takes(&mut pair.0) && value.takes(&mut pair.1)) {
                    return Err(self.wrong());
                }
                Ok(Datum::Map(pairs))
            }
            _ => Err(self.wrong()),
        }
    }

    fn wrong(self) -> WrongType {
        let name = |kind: AtomType| kind.name();
        let content = match self.value {
            Some(value) => format!("{} to {}", name(self.key), name(value)),
            None => name(self.key).to_owned(),
        };
        WrongType(match (self.value, self.many, self.optional) {
            (Some(_), ..) => format!("a map of {content}"),
            (None, true, _) => format!("a set of {content}"),
            (None, false, true) => format!("one {content} or none"),
            (None, false, false) => format!("one {content}"),
        })
    }
}

impl AtomType {
    fn default(self) -> Atom {
        match self {
            Self::Integer => Atom::Integer(0),
            Self::Real => Atom::Real(0.0),
            Self::Boolean => Atom::Boolean(false),
            Self::String => Atom::String("".into()),
            Self::Uuid => Atom::Uuid(Uuid::ZERO),
        }
    }

    /// Returns true if `atom` is of this type. Converts an integer into a floating-point number where the column holds
    /// those.
    fn takes(self, atom: &mut Atom) -> bool {
        if let (Self::Real, Atom::Integer(number)) = (self, &*atom) {
            *atom = Atom::Real(*number as f64);
        }
        matches!(
            (self, atom),
            (Self::Integer, Atom::Integer(_))
                | (Self::Real, Atom::Real(_))
                | (Self::Boolean, Atom::Boolean(_))
                | (Self::String, Atom::String(_))
                | (Self::Uuid, Atom::Uuid(_))
        )
    }

    fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Uuid => "uuid",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(json: &str) -> ColumnType {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn defaults_follow_the_type() {
        assert_eq!(kind(r#""string""#).default(), Datum::from(""));
        assert_eq!(kind(r#"{"key":"boolean"}"#).default(), Datum::from(false));
        assert_eq!(kind(r#"{"key":{"type":"integer","minInteger":0},"min":0,"max":1}"#).default(), Datum::EMPTY);
        assert_eq!(kind(r#"{"key":{"type":"uuid","refTable":"T"}}"#).default(), Datum::from(Uuid::ZERO));
        let map = r#"{"key":"string","value":"string","min":0,"max":"unlimited"}"#;
        assert_eq!(kind(map).default(), Datum::Map(vec![]));
    }

    #[test]
    fn only_more_than_one_element_makes_many() {
        assert!(!kind(r#"{"key":"string","min":0}"#).many);
        assert!(kind(r#"{"key":"string","min":0,"max":2}"#).many);
        assert!(kind(r#"{"key":"string","min":0,"max":"unlimited"}"#).many);
    }

    #[test]
    fn what_is_of_another_type_is_refused() {
        let optional = kind(r#"{"key":"integer","min":0}"#);
        let expected = |kind: ColumnType, datum: Datum| kind.whole(datum).err().map(|wrong| wrong.0);
        assert_eq!(expected(optional, Datum::from(1_i64)), None);
        assert_eq!(expected(optional, Datum::EMPTY), None);
        assert_eq!(expected(optional, Datum::from("1")).unwrap(), "one integer or none");
        assert_eq!(expected(optional, Datum::set([1_i64, 2])).unwrap(), "one integer or none");
        assert_eq!(expected(kind(r#""uuid""#), Datum::EMPTY).unwrap(), "one uuid");
        let map = kind(r#"{"key":"string","value":"real","max":"unlimited"}"#);
        assert_eq!(expected(map, Datum::set(["a"])).unwrap(), "a map of string to real");
    }

    #[test]
    fn a_whole_number_is_a_real_where_one_is_held() {
        assert_eq!(kind(r#""real""#).whole(Datum::from(1_i64)).ok().unwrap(), Datum::from(1.0));
    }

    #[test]
    fn tables_and_columns_are_found() {
        let json = r#"{"name":"d","version":"1.7.0","cksum":"1 2","tables":{"Port":{"isRoot":true,"columns":{
            "bindings":{"type":{"key":{"type":"integer","minInteger":0},"value":{"type":"uuid","refTable":"Port"},
            "min":0,"max":"unlimited"},"ephemeral":true}}}}}"#;
        let schema: Schema = serde_json::from_str(json).unwrap();
        let column = schema.table("Port").unwrap()("bindings");
        let many = ColumnType { key: AtomType::Integer, value: Some(AtomType::Uuid), optional: true, many: true };
        assert_eq!((schema.version.as_str(), column), ("1.7.0", Some(many)));
        assert!(schema.table("Port").unwrap()("name").is_none());
        assert!(schema.table("Switch").is_none());
    }
}
