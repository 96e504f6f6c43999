//! Layout of the copy: the requested columns, with their types from the schema.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    TableSelect,
    schema::{ColumnType, Schema},
};

/// Requested tables. Tables and columns have the order of the [`TableSelect`]s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    tables: Vec<TableLayout>,
}

/// Requested table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableLayout {
    pub name: Arc<str>,
    pub columns: Arc<[Box<str>]>,
    /// Type of each column; `None` for those the schema lacks.
    types: Vec<Option<ColumnType>>,
    /// True if the schema has the table.
    known: bool,
}

impl Layout {
    /// Returns the layout of a database of which nothing is known yet.
    pub(crate) fn unknown(selects: &[TableSelect]) -> Self {
        let table = |select: &TableSelect| TableLayout {
            name: select.name.as_str().into(),
            columns: select.columns.iter().map(|column| column.as_str().into()).collect(),
            types: vec![None; select.columns.len()],
            known: false,
        };
        Self { tables: selects.iter().map(table).collect() }
    }

    /// Returns the same tables with the types of `schema`.
    pub(crate) fn with(&self, schema: &Schema) -> Self {
        let table = |table: &TableLayout| {
            let columns = schema.table(&table.name);
            let kind = |column: &str| columns.as_ref().and_then(|columns| columns(column));
            let types = table.columns.iter().map(|column| kind(column)).collect();
            TableLayout { types, known: columns.is_some(), ..table.clone() }
        };
        Self { tables: self.tables.iter().map(table).collect() }
    }

    /// Returns the tables and columns that the schema lacks: `Table` or `Table.column`.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for table in &self.tables {
            if !table.known {
                missing.push(table.name.to_string());
                continue;
            }
            let columns = table.columns.iter().zip(&table.types).filter(|(_, kind)| kind.is_none());
            missing.extend(columns.map(|(column, _)| format!("{}.{column}", table.name)));
        }
        missing
    }

    /// Returns the parameters of a monitor (RFC 7047, section 4.1.5, `<monitor-requests>`).
    pub(crate) fn requests(&self) -> Value {
        let mut requests = Map::new();
        for table in self.tables.iter().filter(|table| table.known) {
            let columns = table.columns.iter().zip(&table.types).filter(|(_, kind)| kind.is_some());
            let columns: Vec<&str> = columns.map(|(column, _)| &**column).collect();
            requests.insert(table.name.to_string(), json!([{ "columns": columns }]));
        }
        Value::Object(requests)
    }

    /// Returns the number of requested tables.
    pub(crate) fn len(&self) -> usize {
        self.tables.len()
    }

    /// Returns the table with this index.
    pub(crate) fn table(&self, at: usize) -> &TableLayout {
        &self.tables[at]
    }

    /// Returns the index of a table.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.tables.iter().position(|table| table.known && *table.name == *name)
    }
}

impl TableLayout {
    /// Returns the index and the type of a column.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, ColumnType)> {
        let at = self.columns.iter().position(|column| **column == *name)?;
        Some((at, self.types[at]?))
    }

    /// Returns the type of the column with this index; `None` if the schema lacks it.
    pub(crate) fn kind(&self, at: usize) -> Option<ColumnType> {
        self.types[at]
    }

    /// Returns the types of the columns.
    pub(crate) fn types(&self) -> &[Option<ColumnType>] {
        &self.types
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Datum;

    pub(crate) const SCHEMA: &str = r#"{"name":"d","version":"1.0.0","tables":{
        "Port":{"columns":{
            "name":{"type":"string"},
            "tag":{"type":{"key":"integer","min":0,"max":1}},
            "peers":{"type":{"key":"string","min":0,"max":"unlimited"}},
            "ids":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}},
        "Other":{"columns":{"x":{"type":"integer"}}}}}"#;

    pub(crate) fn layout() -> Layout {
        let selects =
            [TableSelect::new("Gone", &["a"]), TableSelect::new("Port", &["name", "gone", "tag", "peers", "ids"])];
        Layout::unknown(&selects).with(&serde_json::from_str(SCHEMA).unwrap())
    }

    #[test]
    fn what_the_schema_lacks_is_named() {
        assert_eq!(layout().missing(), ["Gone", "Port.gone"]);
    }

    #[test]
    fn what_the_schema_lacks_is_not_asked_for() {
        assert_eq!(layout().requests(), json!({"Port": [{"columns": ["name", "tag", "peers", "ids"]}]}));
    }

    #[test]
    fn columns_keep_the_place_they_were_asked_for_at() {
        let layout = layout();
        let port = layout.table(layout.find("Port").unwrap());
        assert_eq!(port.find("tag").map(|(at, kind)| (at, kind.default())), Some((2, Datum::EMPTY)));
        assert_eq!((port.find("gone"), layout.find("Gone"), layout.find("Other")), (None, None, None));
    }
}
