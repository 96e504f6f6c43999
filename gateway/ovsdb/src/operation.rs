//! Operations of a transaction (RFC 7047, section 5.2), and their results.

use super::{Datum, Uuid};

/// Columns of a row and their new values.
pub type Row = Vec<(&'static str, Datum)>;

/// Operation of a transaction. The names of tables and columns are static: the program is written for a known schema.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Adds a row.
    Insert {
        /// Table to add to.
        table: &'static str,
        /// Columns of the row; those left out get their default.
        row: Row,
        /// Name of the row for [`Atom::NamedUuid`](super::Atom::NamedUuid) in this transaction: letters, digits, `_`.
        uuid_name: Option<String>,
    },
    /// Sets columns of the rows that match.
    Update {
        /// Table to change.
        table: &'static str,
        /// Conditions that select the rows: all of them must hold. Empty: every row.
        condition: Vec<Condition>,
        /// Columns to set.
        row: Row,
    },
    /// Changes parts of columns of the rows that match.
    Mutate {
        /// Table to change.
        table: &'static str,
        /// Conditions that select the rows: all of them must hold. Empty: every row.
        condition: Vec<Condition>,
        /// Mutations to apply.
        mutations: Vec<Mutation>,
    },
    /// Deletes the rows that match.
    Delete {
        /// Table to delete from.
        table: &'static str,
        /// Conditions that select the rows: all of them must hold. Empty: every row.
        condition: Vec<Condition>,
    },
    /// Continues only if the rows that match hold these values: the guard against another writer.
    Wait {
        /// Table to compare.
        table: &'static str,
        /// Conditions that select the rows: all of them must hold. Empty: every row.
        condition: Vec<Condition>,
        /// Columns to compare.
        columns: Vec<&'static str>,
        /// Rows to compare with.
        rows: Vec<Row>,
        /// True: wait until the rows are equal. False: wait until they differ.
        until_equal: bool,
        /// Timeout in milliseconds, after which the transaction is refused with [`TransactError::TimedOut`]. 0: no
        /// waiting.
        timeout_ms: u64,
    },
    /// Continues only if this client holds the lock of this name (RFC 7047, section 5.2.10).
    Assert(String),
    /// Adds a comment to the log of the database.
    Comment(String),
    /// Aborts the transaction, for a dry run.
    Abort,
}

/// Condition that selects rows: `column function value` (RFC 7047, section 5.1, `<condition>`).
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Name of the column; `_uuid` for the name of the row.
    pub column: &'static str,
    /// Comparison of the two.
    pub function: Function,
    /// Value to compare the column with.
    pub value: Datum,
}

impl Condition {
    /// Returns the condition that `column` holds exactly `value`.
    pub fn eq(column: &'static str, value: impl Into<Datum>) -> Self {
        Self { column, function: Function::Equal, value: value.into() }
    }

    /// Returns the condition that selects the row `uuid`.
    pub fn row(uuid: Uuid) -> Self {
        Self::eq("_uuid", uuid)
    }
}

/// Comparison of a column with a value (RFC 7047, section 5.1, `<function>`).
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

/// Change of a part of a column (RFC 7047, section 5.1, `<mutation>`).
#[derive(Clone, Debug, PartialEq)]
pub struct Mutation {
    /// Name of the column.
    pub column: &'static str,
    /// Kind of the change.
    pub mutator: Mutator,
    /// Operand of the change.
    pub value: Datum,
}

impl Mutation {
    /// Returns a mutation that inserts the elements or pairs of `value` into `column`. An existing key keeps its value.
    pub fn insert(column: &'static str, value: impl Into<Datum>) -> Self {
        Self { column, mutator: Mutator::Insert, value: value.into() }
    }

    /// Returns a mutation that deletes the elements or pairs of `value` from `column`. A set deleted from a map means
    /// its keys.
    pub fn delete(column: &'static str, value: impl Into<Datum>) -> Self {
        Self { column, mutator: Mutator::Delete, value: value.into() }
    }
}

/// Kind of a change of a part of a column (RFC 7047, section 5.1, `<mutator>`).
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
    /// Inserts elements or pairs.
    Insert,
    /// Deletes elements or pairs.
    Delete,
}

/// Result of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationResult {
    /// [`Operation::Insert`] inserted this row.
    Inserted(Uuid),
    /// [`Operation::Update`], [`Operation::Mutate`] or [`Operation::Delete`] matched this number of rows.
    Count(u64),
    /// Another operation was done.
    Done,
}

/// Error of a transaction: it did nothing, or its result is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactError {
    /// There is no connection, or it was lost before the reply came. In the second case the result of the transaction
    /// is unknown. It must not be sent again: a new transaction has to be made from the contents of the database then.
    #[error(
        "the connection to the database is down ({reason}): whether the transaction was done is seen when it is back"
    )]
    Down {
        /// Reason for which the connection was lost, or that there is none.
        reason: String,
    },
    /// The rows of an [`Operation::Wait`] were not as expected: another writer was faster.
    #[error(
        "the database refused the transaction, as the rows of its guard (operation {operation}) are not as expected: another program has changed them"
    )]
    TimedOut {
        /// Index of the guard among the operations.
        operation: usize,
    },
    /// The tables would violate the schema: a unique index, a reference to a row that does not exist, a value out of
    /// range.
    #[error("the database refused the transaction, which breaks its schema ({error}): {details}")]
    Constraint {
        /// Name of the error, as `constraint violation`.
        error: String,
        /// Details of the error.
        details: String,
        /// Index of the operation, if the error is of one operation and not of the transaction as a whole.
        operation: Option<usize>,
    },
    /// This client does not hold the lock of an [`Operation::Assert`], or no longer: another client holds it.
    #[error("the database refused the transaction: the lock that it asserts is not this client's")]
    NotOwner,
    /// The server refused the transaction for another reason.
    #[error("the database refused the transaction ({error}): {details}")]
    Refused {
        /// Name of the error, as `unknown database`.
        error: String,
        /// Details of the error.
        details: String,
        /// Index of the operation, if the error is of one operation and not of the transaction as a whole.
        operation: Option<usize>,
    },
    /// The reply of the server can't be parsed.
    #[error("the database answered the transaction with something that can't be read: {0}")]
    Unreadable(String),
}
