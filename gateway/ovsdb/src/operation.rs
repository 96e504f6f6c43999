//! What a transaction can do (RFC 7047, section 5.2), and how it can end.

use super::{Datum, Uuid};

/// Columns of a row and what they are to hold.
pub type Row = Vec<(&'static str, Datum)>;

/// One step of a transaction. Names of tables and columns are those of a schema that was known when the program was
/// written.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Adds a row.
    Insert {
        /// Table to add to.
        table: &'static str,
        /// Its columns; those left out get their default.
        row: Row,
        /// What [`Atom::NamedUuid`](super::Atom::NamedUuid) calls it in this transaction: letters, digits, `_`.
        uuid_name: Option<String>,
    },
    /// Sets columns of the rows that match.
    Update {
        /// Table to change.
        table: &'static str,
        /// Which rows: all of these hold. Empty: every row.
        condition: Vec<Condition>,
        /// Columns to set.
        row: Row,
    },
    /// Changes a part of columns of the rows that match.
    Mutate {
        /// Table to change.
        table: &'static str,
        /// Which rows: all of these hold. Empty: every row.
        condition: Vec<Condition>,
        /// What to change.
        mutations: Vec<Mutation>,
    },
    /// Deletes the rows that match.
    Delete {
        /// Table to delete from.
        table: &'static str,
        /// Which rows: all of these hold. Empty: every row.
        condition: Vec<Condition>,
    },
    /// Goes on only if the rows that match hold this: the guard against another writer.
    Wait {
        /// Table to look at.
        table: &'static str,
        /// Which rows: all of these hold. Empty: every row.
        condition: Vec<Condition>,
        /// Columns to compare.
        columns: Vec<&'static str>,
        /// Rows to compare with.
        rows: Vec<Row>,
        /// Wait until they are equal, or until they differ.
        until_equal: bool,
        /// How long to wait before the transaction is refused with [`TransactError::TimedOut`], in milliseconds. 0: now or
        /// never.
        timeout_ms: u64,
    },
    /// Goes on only if this client holds the lock of this name (RFC 7047, section 5.2.10).
    Assert(String),
    /// A remark for the log of the database.
    Comment(String),
    /// Refuses the transaction: to try one out.
    Abort,
}

/// Which rows an operation is about: `column function value` (RFC 7047, section 5.1, `<condition>`).
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Name of the column; `_uuid` for the name of the row.
    pub column: &'static str,
    /// How the two are compared.
    pub function: Function,
    /// What the column is compared with.
    pub value: Datum,
}

impl Condition {
    /// `column` holds exactly `value`.
    pub fn eq(column: &'static str, value: impl Into<Datum>) -> Self {
        Self { column, function: Function::Equal, value: value.into() }
    }

    /// It is the row `uuid`.
    pub fn row(uuid: Uuid) -> Self {
        Self::eq("_uuid", uuid)
    }
}

/// How a column is compared with a value (RFC 7047, section 5.1, `<function>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
    /// Everything in the value is in the column.
    Includes,
    /// Nothing in the value is in the column.
    Excludes,
}

/// A change to a part of a column (RFC 7047, section 5.1, `<mutation>`).
#[derive(Clone, Debug, PartialEq)]
pub struct Mutation {
    /// Name of the column.
    pub column: &'static str,
    /// What is done.
    pub mutator: Mutator,
    /// With what.
    pub value: Datum,
}

impl Mutation {
    /// Puts the elements or pairs of `value` into `column`. A key that is there keeps its value.
    pub fn insert(column: &'static str, value: impl Into<Datum>) -> Self {
        Self { column, mutator: Mutator::Insert, value: value.into() }
    }

    /// Takes the elements or pairs of `value` out of `column`; a set taken from a map means its keys.
    pub fn delete(column: &'static str, value: impl Into<Datum>) -> Self {
        Self { column, mutator: Mutator::Delete, value: value.into() }
    }
}

/// What is done to a part of a column (RFC 7047, section 5.1, `<mutator>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutator {
    /// `+=`
    Add,
    /// `-=`
    Subtract,
    /// `*=`
    Multiply,
    /// `/=`
    Divide,
    /// `%=`
    Modulo,
    /// Puts elements or pairs in.
    Insert,
    /// Takes elements or pairs out.
    Delete,
}

/// What became of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationResult {
    /// [`Operation::Insert`] made this row.
    Inserted(Uuid),
    /// [`Operation::Update`], [`Operation::Mutate`] or [`Operation::Delete`] found this many rows.
    Count(u64),
    /// Another one was done.
    Done,
}

/// A transaction did nothing, or it isn't known what it did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactError {
    /// There is no connection, or it was lost before the answer came. In the second case nobody knows whether the
    /// transaction was done: it must not be sent again, but made anew from what the database then holds.
    #[error(
        "the connection to the database is down ({reason}): whether the transaction was done is seen when it is back"
    )]
    Down {
        /// Why the connection was lost, or that there is none.
        reason: String,
    },
    /// The rows of an [`Operation::Wait`] were not as expected: another writer was quicker.
    #[error(
        "the database refused the transaction, as the rows of its guard (operation {operation}) are not as expected: another program has changed them"
    )]
    TimedOut {
        /// Index of the guard among the operations.
        operation: usize,
    },
    /// What the tables would hold breaks a rule of the schema: a unique index, a reference to a row that is not there, a
    /// value out of range.
    #[error("the database refused the transaction, which breaks its schema ({error}): {details}")]
    Constraint {
        /// What the server calls it, as `constraint violation`.
        error: String,
        /// What it says about it.
        details: String,
        /// Index of the operation, if it was one of them and not all together.
        operation: Option<usize>,
    },
    /// This client does not hold the lock of an [`Operation::Assert`], or no longer: another one has it.
    #[error("the database refused the transaction: the lock that it asserts is not this client's")]
    NotOwner,
    /// Refused for another reason.
    #[error("the database refused the transaction ({error}): {details}")]
    Refused {
        /// What the server calls it, as `unknown database`.
        error: String,
        /// What it says about it.
        details: String,
        /// Index of the operation, if it was one of them and not all together.
        operation: Option<usize>,
    },
    /// The server's answer can't be read.
    #[error("the database answered the transaction with something that can't be read: {0}")]
    Unreadable(String),
}
