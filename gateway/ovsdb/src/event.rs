//! Events that the client reports, and the decoder of rows.

use std::sync::Arc;

use super::{Columns, Uuid};

/// Decodes a row of the database into a typed row.
pub trait Decoder: 'static {
    /// Typed row of any table.
    type Row: Clone + PartialEq;

    /// Decodes the row `uuid` of `table`.
    ///
    /// # Errors
    /// The contents of the row have no meaning. The row is then reported as [`Event::BadRow`] and skipped until it
    /// changes.
    fn decode(&mut self, table: &str, uuid: Uuid, columns: &Columns) -> Result<Self::Row, RowError>;
}

/// Error: a row does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column} should hold {expected}, and holds {found}")]
pub struct RowError {
    /// Name of the column.
    pub column: String,
    /// Expected contents.
    pub expected: String,
    /// Actual contents.
    pub found: String,
}

/// Insertion, modification or deletion of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<R> {
    /// Name of the table.
    pub table: Arc<str>,
    /// Name of the row.
    pub uuid: Uuid,
    /// Its contents now. `None`: the row was deleted, or [`Decoder::decode`] no longer accepts it.
    pub row: Option<R>,
}

/// Event that the client reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<R> {
    /// Connected. The complete contents follow as one [`Changes`](Event::Changes), even if it is empty.
    Up {
        /// The server, as in [`Remotes`](super::Remotes).
        remote: String,
        /// Version of the schema, as `1.7.0`.
        schema_version: String,
        /// Requested tables and columns that the schema lacks: `Table` or `Table.column`.
        missing: Vec<String>,
    },
    /// Changes of one transaction or several, never a part of one. After a reconnect: the difference between the
    /// contents reported before and those of the database now.
    Changes(Vec<Change<R>>),
    /// A row does not hold what it should. If it was reported before, a [`Change`] removes it.
    BadRow {
        /// Name of the table.
        table: Arc<str>,
        /// Name of the row.
        uuid: Uuid,
        /// Error in its contents.
        error: RowError,
    },
    /// The connection was lost, or an attempt to connect failed. The rows reported so far stay valid; the client keeps
    /// trying.
    Down {
        /// The server, as in [`Remotes`](super::Remotes).
        remote: String,
        /// Reason as text for an operator.
        reason: String,
        /// Reason as a value for a program.
        cause: Cause,
    },
    /// State of the lock that was requested with [`Client::lock`](super::Client::lock).
    Lock(Lock),
}

/// Cause of a missing connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// No connection can be made: it is refused, times out, or the name, address or socket does not exist.
    Unreachable,
    /// TLS: a certificate is not accepted, files can't be used, or only one side speaks it.
    Tls,
    /// The server does not have the database, is not the leader of its cluster, or is disconnected from it.
    WrongServer,
    /// The schema of the server can't be read.
    Schema,
    /// A message of the server is not understood.
    Protocol,
    /// The server does not answer, or does not read.
    Silent,
    /// The server closed the connection.
    Closed,
}

/// State of a lock (RFC 7047, section 4.1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// This client holds the lock.
    Held,
    /// Another client holds the lock, and this one waits for it.
    Waiting,
    /// Another client stole the lock from this one, which waits for it again.
    Stolen,
    /// The server has no usable locks.
    Unsupported,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 7] =
        [Self::Unreachable, Self::Tls, Self::WrongServer, Self::Schema, Self::Protocol, Self::Silent, Self::Closed];

    /// Returns the name of the cause.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::WrongServer => "wrong_server",
            Self::Schema => "schema",
            Self::Protocol => "protocol",
            Self::Silent => "silent",
            Self::Closed => "closed",
        }
    }
}
