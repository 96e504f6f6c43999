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
        /// Why, for a program to tell apart.
        cause: Cause,
    },
    /// How it stands with the lock that was asked for by [`Client::lock`](super::Client::lock).
    Lock(Lock),
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A connection can't be made: it is refused, times out, or there is no such name, address or socket.
    Unreachable,
    /// TLS: a certificate is not accepted, files can't be used, or only one side speaks it.
    Tls,
    /// The server does not have the database, or does not lead its cluster, or is apart from it.
    WrongServer,
    /// Its schema can't be read.
    Schema,
    /// What it says is not understood.
    Protocol,
    /// It does not answer, or does not read.
    Silent,
    /// It ended the connection.
    Closed,
}

/// How it stands with a lock (RFC 7047, section 4.1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// This client has it.
    Held,
    /// Another client has it, and this one waits for it.
    Waiting,
    /// Another client took it from this one, which waits for it again.
    Stolen,
    /// The server has no locks that would mean anything.
    Unsupported,
}

impl Cause {
    /// All there are.
    pub const ALL: [Self; 7] =
        [Self::Unreachable, Self::Tls, Self::WrongServer, Self::Schema, Self::Protocol, Self::Silent, Self::Closed];

    /// The word for it.
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
