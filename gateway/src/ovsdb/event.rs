//! What the client tells, and who reads the rows.

use std::sync::Arc;

use super::{Columns, Uuid};

/// Makes a typed row of what the database holds.
pub trait Decoder: 'static {
    /// The typed row, of whatever table.
    type Row: Clone + PartialEq;

    /// Reads the row `uuid` of `table`.
    ///
    /// # Errors
    /// What the row holds has no meaning. It is then told as [`Event::BadRow`] and passed over until it changes.
    fn decode(&mut self, table: &str, uuid: Uuid, columns: &Columns) -> Result<Self::Row, RowError>;
}

/// A row does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column} should hold {expected}, and holds {found}")]
pub struct RowError {
    /// Name of the column.
    pub column: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// A row came, changed, or went.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<R> {
    /// Name of the table.
    pub table: Arc<str>,
    /// Name of the row.
    pub uuid: Uuid,
    /// What it holds now. `None`: it was deleted, or [`Decoder::decode`] no longer reads it.
    pub row: Option<R>,
}

/// What the client tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<R> {
    /// Connected. A complete picture follows as one [`Changes`](Event::Changes), be it an empty one.
    Up {
        /// The server, as in [`Remotes`](super::Remotes).
        remote: String,
        /// Version of the schema, as `1.7.0`.
        schema_version: String,
        /// What was asked for and the schema does not have: `Table` or `Table.column`.
        missing: Vec<String>,
    },
    /// One transaction or several, never a part of one. After a reconnect: the difference between what was told before and
    /// what is there now.
    Changes(Vec<Change<R>>),
    /// A row does not hold what it should. If it was told before, a [`Change`] takes it away.
    BadRow {
        /// Name of the table.
        table: Arc<str>,
        /// Name of the row.
        uuid: Uuid,
        /// What is wrong with it.
        error: RowError,
    },
    /// The connection was lost, or an attempt to connect failed. What was told stays as it is; the client keeps trying.
    Down {
        /// The server, as in [`Remotes`](super::Remotes).
        remote: String,
        /// Why, for a person to read.
        reason: String,
    },
}
