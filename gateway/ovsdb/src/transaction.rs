//! Transactions as JSON, and the replies of the server (RFC 7047, sections 4.1.3 and 5.2).

use serde::{
    Deserialize, Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::value::RawValue;

use super::{
    Atom, Condition, Datum, Function, Mutation, Mutator, Operation, OperationResult, Row, TransactError,
    message::{self, RpcError},
};

/// Limit in bytes of the reply to a transaction, besides [`LONGEST_RESULT`] for each operation.
const LONGEST: usize = 64 << 10;
/// Limit in bytes of the result of an operation.
const LONGEST_RESULT: usize = 256;

/// Parameters of `transact`.
pub(crate) struct Params<'a> {
    pub database: &'a str,
    pub operations: &'a [Operation],
}

/// Form of the result of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Uuid,
    Count,
    Nothing,
}

/// Returns the form of the results of `operations`.
pub(crate) fn expected(operations: &[Operation]) -> Box<[Expected]> {
    let one = |operation: &Operation| match operation {
        Operation::Insert { .. } => Expected::Uuid,
        Operation::Update { .. } | Operation::Mutate { .. } | Operation::Delete { .. } => Expected::Count,
        Operation::Wait { .. } | Operation::Assert(_) | Operation::Comment(_) | Operation::Abort => Expected::Nothing,
    };
    operations.iter().map(one).collect()
}

/// Parses the reply to a transaction.
///
/// The reply has a result for each operation that was done, an error for the one that failed, and null for those after
/// it. A transaction that fails as a whole has results for all operations, and an error after the last one.
pub(crate) fn outcome(
    reply: Result<&RawValue, RpcError>,
    expected: &[Expected],
) -> Result<Vec<OperationResult>, TransactError> {
    #[derive(Deserialize)]
    struct One {
        error: Option<String>,
        #[serde(default)]
        details: String,
        count: Option<u64>,
        uuid: Option<Atom>,
    }
    let reply = reply.map_err(|RpcError { error, details }| refusal(error, details, None))?;
    let unreadable = |what: String| TransactError::Unreadable(what);
    // No operation has a result of that size, and parsing it would take many times as much memory.
    if reply.get().len() > LONGEST + expected.len() * LONGEST_RESULT {
        return Err(unreadable(format!("{} bytes for {} operations", reply.get().len(), expected.len())));
    }
    let results: Vec<Option<One>> = serde_json::from_str(reply.get()).map_err(|error| unreadable(error.to_string()))?;
    let mut read = Vec::with_capacity(expected.len());
    for (at, result) in results.into_iter().enumerate() {
        let result = result.unwrap_or(One { error: None, details: String::new(), count: None, uuid: None });
        if let Some(error) = result.error {
            return Err(refusal(error, result.details, Some(at).filter(|&at| at < expected.len())));
        }
        read.push(match (expected.get(at), result.uuid.and_then(|uuid| uuid.as_uuid()), result.count) {
            (Some(Expected::Uuid), Some(uuid), _) => OperationResult::Inserted(uuid),
            (Some(Expected::Count), _, Some(count)) => OperationResult::Count(count),
            (Some(Expected::Nothing), ..) => OperationResult::Done,
            _ => return Err(unreadable(format!("the result of operation {at} is not that of its kind"))),
        });
    }
    if read.len() < expected.len() {
        return Err(unreadable(format!("it has {} results for {} operations", read.len(), expected.len())));
    }
    Ok(read)
}

fn refusal(error: String, details: String, operation: Option<usize>) -> TransactError {
    let (error, details) = (message::short(error), message::short(details));
    match (error.as_str(), operation) {
        ("timed out", Some(operation)) => TransactError::TimedOut { operation },
        ("not owner", Some(_)) => TransactError::NotOwner,
        ("constraint violation" | "referential integrity violation", _) => {
            TransactError::Constraint { error, details, operation }
        }
        _ => TransactError::Refused { error, details, operation },
    }
}

impl Serialize for Params<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut params = serializer.serialize_seq(Some(self.operations.len() + 1))?;
        params.serialize_element(self.database)?;
        self.operations.iter().try_for_each(|operation| params.serialize_element(operation))?;
        params.end()
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Insert { table, row, uuid_name } => {
                map.serialize_entry("op", "insert")?;
                map.serialize_entry("table", table)?;
                map.serialize_entry("row", &Columns(row))?;
                if let Some(name) = uuid_name {
                    map.serialize_entry("uuid-name", name)?;
                }
            }
            Self::Update { table, condition, row } => {
                map.serialize_entry("op", "update")?;
                map.serialize_entry("table", table)?;
                map.serialize_entry("where", condition)?;
                map.serialize_entry("row", &Columns(row))?;
            }
            Self::Mutate { table, condition, mutations } => {
                map.serialize_entry("op", "mutate")?;
                map.serialize_entry("table", table)?;
                map.serialize_entry("where", condition)?;
                map.serialize_entry("mutations", mutations)?;
            }
            Self::Delete { table, condition } => {
                map.serialize_entry("op", "delete")?;
                map.serialize_entry("table", table)?;
                map.serialize_entry("where", condition)?;
            }
            Self::Wait { table, condition, columns, rows, until_equal, timeout_ms } => {
                map.serialize_entry("op", "wait")?;
                map.serialize_entry("table", table)?;
                map.serialize_entry("where", condition)?;
                map.serialize_entry("columns", columns)?;
                map.serialize_entry("rows", &rows.iter().map(Columns).collect::<Vec<_>>())?;
                map.serialize_entry("until", if *until_equal { "==" } else { "!=" })?;
                map.serialize_entry("timeout", timeout_ms)?;
            }
            Self::Assert(lock) => {
                map.serialize_entry("op", "assert")?;
                map.serialize_entry("lock", lock)?;
            }
            Self::Comment(text) => {
                map.serialize_entry("op", "comment")?;
                map.serialize_entry("comment", text)?;
            }
            Self::Abort => map.serialize_entry("op", "abort")?,
        }
        map.end()
    }
}

struct Columns<'a>(&'a Row);

impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, datum): &(_, Datum)| (name, datum)))
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let function = match self.function {
            Function::Less => "<",
            Function::LessOrEqual => "<=",
            Function::Equal => "==",
            Function::NotEqual => "!=",
            Function::GreaterOrEqual => ">=",
            Function::Greater => ">",
            Function::Includes => "includes",
            Function::Excludes => "excludes",
        };
        (self.column, function, &self.value).serialize(serializer)
    }
}

impl Serialize for Mutation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mutator = match self.mutator {
            Mutator::Add => "+=",
            Mutator::Subtract => "-=",
            Mutator::Multiply => "*=",
            Mutator::Divide => "/=",
            Mutator::Modulo => "%=",
            Mutator::Insert => "insert",
            Mutator::Delete => "delete",
        };
        (self.column, mutator, &self.value).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "00000000-0000-0000-0000-000000000001";
    const INSERT_AND_WAIT: [Expected; 2] = [Expected::Uuid, Expected::Nothing];

    fn written(operation: Operation) -> String {
        serde_json::to_string(&Params { database: "d", operations: &[operation] }).unwrap()
    }

    fn read(json: &str, expected: &[Expected]) -> Result<Vec<OperationResult>, TransactError> {
        outcome(Ok(serde_json::from_str(json).unwrap()), expected)
    }

    #[test]
    fn an_insert_is_written() {
        let row = vec![("name", "a".into()), ("port", Atom::named("p").into())];
        assert_eq!(
            written(Operation::Insert { table: "T", row, uuid_name: Some("t".into()) }),
            r#"["d",{"op":"insert","table":"T","row":{"name":"a","port":["named-uuid","p"]},"uuid-name":"t"}]"#
        );
    }

    #[test]
    fn a_guard_is_written() {
        let condition = vec![Condition::row(UUID.parse().unwrap())];
        let (columns, rows) = (vec!["name"], vec![vec![("name", "a".into())]]);
        assert_eq!(
            written(Operation::Wait { table: "T", condition, columns, rows, until_equal: true, timeout_ms: 0 }),
            format!(r#"["d",{{"op":"wait","table":"T","where":[["_uuid","==",["uuid","{UUID}"]]],"columns":["name"],"#)
                + r#""rows":[{"name":"a"}],"until":"==","timeout":0}]"#
        );
    }

    #[test]
    fn the_assertion_of_a_lock_is_written_and_its_failure_recognised() {
        assert_eq!(written(Operation::Assert("gw1".to_owned())), r#"["d",{"op":"assert","lock":"gw1"}]"#);
        let json = r#"[{"error":"not owner","details":"Asserted lock gw1 not held."},null]"#;
        assert_eq!(read(json, &[Expected::Nothing; 2]).unwrap_err(), TransactError::NotOwner);
    }

    #[test]
    fn an_answer_that_is_far_too_long_is_not_read() {
        let json = format!("[{}null]", "null,".repeat(100_000));
        assert!(matches!(read(&json, &INSERT_AND_WAIT), Err(TransactError::Unreadable(_))));
    }

    #[test]
    fn a_mutation_is_written() {
        let (condition, mutations) = (vec![], vec![Mutation::delete("map", Datum::set([1_i64, 2]))]);
        assert_eq!(
            written(Operation::Mutate { table: "T", condition, mutations }),
            r#"["d",{"op":"mutate","table":"T","where":[],"mutations":[["map","delete",["set",[1,2]]]]}]"#
        );
    }

    #[test]
    fn results_are_read_by_their_operations() {
        let json = format!(r#"[{{"uuid":["uuid","{UUID}"]}},{{"count":2}},{{}}]"#);
        let results = read(&json, &[Expected::Uuid, Expected::Count, Expected::Nothing]).unwrap();
        let inserted = OperationResult::Inserted(UUID.parse().unwrap());
        assert_eq!(results, [inserted, OperationResult::Count(2), OperationResult::Done]);
    }

    #[test]
    fn an_error_after_the_last_result_is_that_of_all_together() {
        let extra = r#",{},{"error":"constraint violation","details":"two of them"}]"#;
        let error = read(&format!(r#"[{{"uuid":["uuid","{UUID}"]}}{extra}"#), &INSERT_AND_WAIT).unwrap_err();
        let (what, details) = ("constraint violation".to_owned(), "two of them".to_owned());
        assert_eq!(error, TransactError::Constraint { error: what, details, operation: None });
    }

    #[test]
    fn a_guard_that_fails_is_recognised() {
        let json = r#"[{"error":"timed out","details":"..."},null]"#;
        assert_eq!(read(json, &[Expected::Nothing; 2]).unwrap_err(), TransactError::TimedOut { operation: 0 });
    }

    #[test]
    fn a_refusal_of_the_request_is_reported() {
        let refused = RpcError { error: "canceled".into(), details: String::new() };
        let error = outcome(Err(refused), &[]).unwrap_err();
        assert!(matches!(error, TransactError::Refused { operation: None, .. }), "{error:?}");
    }

    #[test]
    fn other_answers_are_not_taken_for_success() {
        for json in ["null", "[]", "[null,null]", r#"[{"count":1},{}]"#, "[{},{},{}]", r#"[{"uuid":"x"},{}]"#] {
            let error = read(json, &INSERT_AND_WAIT).unwrap_err();
            assert!(matches!(error, TransactError::Unreadable(_)), "{json}: {error:?}");
        }
    }
}
