//! Parser of table updates.
//!
//! Rows are converted directly from the JSON text into their packed form, one after the other. So a message takes,
//! besides its text, little more memory than the replica will hold.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    Datum, RowError, Uuid,
    layout::{Layout, TableLayout},
    packed::Packed,
    schema::{ColumnType, WrongType},
};

/// Length limit of the value of a column, in bytes of its text: a set of some 80,000 rows.
const LONGEST_VALUE: usize = 4 << 20;

/// Format of the updates in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `old` and `new` (RFC 7047, section 4.1.6, `<table-updates>`).
    OldNew,
    /// `initial`, `insert`, `modify` and `delete` (`ovsdb-server(7)`, 4.1.14, `<table-updates2>`).
    Difference,
}

/// Update of one row.
#[derive(Debug, PartialEq)]
pub(crate) struct RowUpdate {
    /// Index of the table.
    pub table: usize,
    /// Name of the row.
    pub uuid: Uuid,
    /// Kind of the update.
    pub what: What,
}

/// Kind of an update of a row.
#[derive(Debug, PartialEq)]
pub(crate) enum What {
    /// The complete contents of the row.
    Whole(Packed),
    /// The changed columns, by index of the column.
    Difference(Vec<(usize, Datum)>),
    /// The row does not match the schema.
    Broken(RowError),
    /// The row was deleted.
    Deleted,
}

/// Parses the updates of all tables of a message.
pub(crate) fn read(json: &RawValue, layout: &Layout, format: Format) -> Result<Vec<RowUpdate>, serde_json::Error> {
    let mut updates = Vec::new();
    let tables = Tables { layout, format, updates: &mut updates };
    tables.deserialize(&mut serde_json::Deserializer::from_str(json.get()))?;
    Ok(updates)
}

/// Name that is copied only if something in it is escaped.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// `{ table: rows }`
struct Tables<'a> {
    layout: &'a Layout,
    format: Format,
    updates: &'a mut Vec<RowUpdate>,
}

/// `{ uuid: row }`
struct Rows<'a> {
    table: usize,
    layout: &'a TableLayout,
    format: Format,
    updates: &'a mut Vec<RowUpdate>,
}

/// `{ "new": columns }`, `{ "modify": columns }` ...
struct Row<'a> {
    layout: &'a TableLayout,
    format: Format,
}

/// `{ column: value }`
struct Cells<'a> {
    layout: &'a TableLayout,
    whole: bool,
}

macro_rules! visited_as_map {
    ($($seed:ident => $value:ty, $what:literal;)*) => {$(
        impl<'de> DeserializeSeed<'de> for $seed<'_> {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                deserializer.deserialize_map(self)
            }
        }

        impl<'de> Visitor<'de> for $seed<'_> {
            type Value = $value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($what)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                self.visit(map)
            }
        }
    )*};
}

visited_as_map! {
    Tables => (), "an object with tables";
    Rows => (), "an object with rows";
    Row => What, "an object with an update of a row";
    Cells => What, "an object with columns";
}

impl Tables<'_> {
    fn visit<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { layout, format, updates } = self;
        while let Some(Name(name)) = map.next_key()? {
            match layout.find(&name) {
                Some(table) => {
                    map.next_value_seed(Rows { table, layout: layout.table(table), format, updates: &mut *updates })?;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl Rows<'_> {
    fn visit<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { table, layout, format, updates } = self;
        while let Some(uuid) = map.next_key()? {
            let what = map.next_value_seed(Row { layout, format })?;
            updates.push(RowUpdate { table, uuid, what });
        }
        Ok(())
    }
}

impl Row<'_> {
    fn visit<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<What, A::Error> {
        let whole = Cells { layout: self.layout, whole: true };
        let mut what = None;
        while let Some(Name(key)) = map.next_key()? {
            what = Some(match (self.format, &*key) {
                (Format::OldNew, "new") | (Format::Difference, "initial" | "insert") => {
                    map.next_value_seed(Cells { ..whole })?
                }
                (Format::Difference, "modify") => map.next_value_seed(Cells { whole: false, ..whole })?,
                (Format::Difference, "delete") => {
                    map.next_value::<IgnoredAny>()?;
                    What::Deleted
                }
                // A row with `old` alone was deleted; its old contents are not needed.
                (Format::OldNew, "old") => {
                    map.next_value::<IgnoredAny>()?;
                    what.unwrap_or(What::Deleted)
                }
                (_, other) => return Err(A::Error::custom(format_args!("unknown update of a row: {other:?}"))),
            });
        }
        what.ok_or_else(|| A::Error::custom("an update of a row that says nothing"))
    }
}

impl Cells<'_> {
    fn visit<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<What, A::Error> {
        let mut cells = Vec::with_capacity(self.layout.columns.len());
        let mut broken = None;
        while let Some(Name(name)) = map.next_key()? {
            let json = map.next_value::<&RawValue>()?;
            let Some((at, kind)) = self.layout.find(&name) else { continue };
            match cell(json, kind, self.whole) {
                Ok(datum) => cells.push((at, datum)),
                Err(error) => {
                    let (expected, found) = (error.to_string(), shortened(json.get()));
                    broken = Some(RowError { column: name.into_owned(), expected, found });
                }
            }
        }
        Ok(match broken {
            Some(error) => What::Broken(error),
            None if self.whole => What::Whole(self.complete(cells)),
            None => What::Difference(cells),
        })
    }

    /// Returns the row with `cells`. Columns that were left out hold their default.
    fn complete(&self, cells: Vec<(usize, Datum)>) -> Packed {
        let mut columns = vec![None; self.layout.columns.len()];
        for (at, datum) in cells {
            columns[at] = Some(datum);
        }
        for (column, kind) in columns.iter_mut().zip(self.layout.types()) {
            if column.is_none() {
                *column = kind.map(ColumnType::default);
            }
        }
        Packed::new(&columns)
    }
}

/// Error: the value of a column does not fit. Its text is the expected contents.
#[derive(Debug, thiserror::Error)]
enum CellError {
    #[error("at most {LONGEST_VALUE} bytes")]
    TooLong,
    #[error(transparent)]
    NotAValue(#[from] serde_json::Error),
    #[error(transparent)]
    WrongType(#[from] WrongType),
}

/// Parses the value or the difference of a column.
fn cell(json: &RawValue, kind: ColumnType, whole: bool) -> Result<Datum, CellError> {
    // Before it is packed, a value of many small parts takes many times the memory of its text.
    if json.get().len() > LONGEST_VALUE {
        return Err(CellError::TooLong);
    }
    let datum = serde_json::from_str(json.get())?;
    Ok(if whole || !kind.many { kind.whole(datum)? } else { kind.part(datum)? })
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(100).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::layout::tests::layout;

    const UUID: &str = "00000000-0000-0000-0000-000000000001";

    fn try_read(json: &str, format: Format) -> Result<Vec<RowUpdate>, serde_json::Error> {
        read(serde_json::from_str(json).unwrap(), &layout(), format)
    }

    fn read_one(update: &str, format: Format) -> What {
        let json = format!(r#"{{"Port":{{"{UUID}":{update}}}}}"#);
        let mut updates = try_read(&json, format).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!((updates.len(), updates[0].table, updates[0].uuid.to_string().as_str()), (1, 1, UUID));
        updates.remove(0).what
    }

    fn row(name: &str, tag: Option<i64>) -> What {
        let none = Some(Datum::EMPTY);
        What::Whole(Packed::new(&[Some(name.into()), None, Some(tag.into()), none, Some(Datum::Map(vec![]))]))
    }

    #[test]
    fn columns_left_out_hold_their_default() {
        assert_eq!(read_one(r#"{"initial":{}}"#, Format::Difference), row("", None));
        assert_eq!(read_one(r#"{"insert":{"tag":5}}"#, Format::Difference), row("", Some(5)));
    }

    #[test]
    fn new_is_the_whole_row_whatever_it_was() {
        assert_eq!(read_one(r#"{"old":{"tag":4},"new":{"name":"a","tag":5}}"#, Format::OldNew), row("a", Some(5)));
        assert_eq!(read_one(r#"{"new":{"name":"a"},"old":{"name":"b"}}"#, Format::OldNew), row("a", None));
    }

    #[test]
    fn old_alone_is_a_deletion() {
        assert_eq!(read_one(r#"{"old":{"name":"a"}}"#, Format::OldNew), What::Deleted);
        assert_eq!(read_one(r#"{"delete":null}"#, Format::Difference), What::Deleted);
        assert_eq!(read_one(r#"{"delete":{}}"#, Format::Difference), What::Deleted);
    }

    #[test]
    fn a_difference_holds_what_is_sent_and_no_defaults() {
        let what = read_one(r#"{"modify":{"tag":["set",[]],"peers":["set",["a","b"]]}}"#, Format::Difference);
        assert_eq!(what, What::Difference(vec![(2, Datum::EMPTY), (3, Datum::set(["a", "b"]))]));
    }

    #[test]
    fn a_value_of_another_type_breaks_its_row_alone() {
        let what = read_one(r#"{"initial":{"tag":"five"}}"#, Format::Difference);
        let error = RowError { column: "tag".into(), expected: "one integer or none".into(), found: "\"five\"".into() };
        assert_eq!(what, What::Broken(error));
        assert!(matches!(read_one(r#"{"initial":{"name":null}}"#, Format::Difference), What::Broken(_)));
        assert!(matches!(read_one(r#"{"modify":{"tag":["set",[1,2]]}}"#, Format::Difference), What::Broken(_)));
    }

    #[test]
    fn a_value_that_is_far_too_long_breaks_its_row_alone() {
        let many = vec![r#""x""#; LONGEST_VALUE / 3].join(",");
        let update = format!(r#"{{"initial":{{"peers":["set",[{many}]]}}}}"#);
        let What::Broken(error) = read_one(&update, Format::Difference) else { panic!() };
        assert_eq!((error.column.as_str(), error.expected.as_str()), ("peers", "at most 4194304 bytes"));
        assert!(error.found.len() < 200);
    }

    #[test]
    fn other_tables_and_columns_are_passed_over() {
        let other = format!(r#"{{"Other":{{"{UUID}":{{"initial":{{"x":1}}}}}}}}"#);
        assert_eq!(try_read(&other, Format::Difference).unwrap(), []);
        assert_eq!(read_one(r#"{"initial":{"_version":["uuid","x"]}}"#, Format::Difference), row("", None));
    }

    #[test]
    fn what_is_no_update_is_refused() {
        for json in ["[]", "1", r#"{"Port":[]}"#, r#"{"Port":{"x":{"initial":{}}}}"#] {
            assert!(try_read(json, Format::Difference).is_err(), "{json}");
        }
        for update in ["{}", "1", r#"{"other":{}}"#, r#"{"new":{}}"#, r#"{"initial":[]}"#] {
            let json = format!(r#"{{"Port":{{"{UUID}":{update}}}}}"#);
            assert!(try_read(&json, Format::Difference).is_err(), "{json}");
        }
    }
}
