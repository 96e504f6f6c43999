use super::*;
use crate::layout::tests::SCHEMA;

/// Rows with the name `bad` can't be decoded.
struct Names;

impl Decoder for Names {
    type Row = String;

    fn decode(&mut self, _: &str, _: Uuid, columns: &Columns) -> Result<String, RowError> {
        let error = RowError { column: "name".into(), expected: "a good name".into(), found: "bad".into() };
        let name = columns.get("name").and_then(Datum::string).filter(|&name| name != "bad").ok_or(error)?;
        let peers: Vec<_> = columns.get("peers").unwrap().strings().collect();
        Ok(format!("{name}{peers:?}"))
    }
}

fn replica() -> Replica<Names> {
    let selects = [TableSelect::new("Port", &["name", "peers", "tag"])];
    let mut replica = Replica::new(Names, &selects);
    let layout = replica.layout().with(&serde_json::from_str(SCHEMA).unwrap());
    replica.set_layout(layout);
    replica
}

fn uuid(row: u8) -> Uuid {
    Uuid::from_bytes([row; 16])
}

fn whole(row: u8, name: &str) -> RowUpdate {
    let packed = Packed::new(&[Some(name.into()), Some(Datum::EMPTY), Some(Datum::EMPTY)]);
    RowUpdate { table: 0, uuid: uuid(row), what: What::Whole(packed) }
}

fn difference(row: u8, column: usize, change: impl Into<Datum>) -> RowUpdate {
    RowUpdate { table: 0, uuid: uuid(row), what: What::Difference(vec![(column, change.into())]) }
}

fn deleted(row: u8) -> RowUpdate {
    RowUpdate { table: 0, uuid: uuid(row), what: What::Deleted }
}

fn change(row: u8, content: Option<&str>) -> Change<String> {
    Change { table: "Port".into(), uuid: uuid(row), row: content.map(str::to_owned) }
}

fn is_bad(event: &Event<String>, row: u8) -> bool {
    matches!(event, Event::BadRow { uuid: bad, .. } if *bad == uuid(row))
}

#[test]
fn a_second_snapshot_gives_only_what_is_different() {
    let mut replica = replica();
    replica.replace(vec![whole(1, "a"), whole(2, "b"), whole(3, "c")]);
    let events = replica.replace(vec![whole(1, "a"), whole(2, "B"), whole(4, "d")]);
    let changes = [change(2, Some("B[]")), change(4, Some("d[]")), change(3, None)];
    assert_eq!(events, [Event::Changes(changes.into())]);
}

#[test]
fn a_snapshot_without_changes_is_reported_as_complete() {
    let mut replica = replica();
    replica.replace(vec![whole(1, "a")]);
    assert_eq!(replica.replace(vec![whole(1, "a")]), [Event::Changes(vec![])]);
}

#[test]
fn differences_add_up() {
    let mut replica = replica();
    replica.replace(vec![whole(1, "a")]);
    replica.apply(vec![difference(1, 1, Datum::set(["x", "y"]))]).unwrap();
    let events = replica.apply(vec![difference(1, 1, Datum::set(["x", "z"]))]).unwrap();
    assert_eq!(events, [Event::Changes(vec![change(1, Some(r#"a["y", "z"]"#))])]);
}

#[test]
fn a_change_that_changes_nothing_is_not_reported() {
    let mut replica = replica();
    replica.replace(vec![whole(1, "a")]);
    assert_eq!(replica.apply(vec![whole(1, "a")]).unwrap(), []);
}

#[test]
fn a_change_of_an_unknown_row_is_refused_and_nothing_taken() {
    let mut replica = replica();
    replica.replace(vec![whole(1, "a")]);
    assert!(replica.apply(vec![deleted(1), difference(2, 0, "b")]).is_err());
    assert_eq!(replica.apply(vec![deleted(1)]).unwrap(), [Event::Changes(vec![change(1, None)])]);
}

#[test]
fn a_row_that_turns_bad_is_taken_away_and_comes_back_good() {
    let mut replica = replica();
    replica.replace(vec![whole(1, "a")]);
    let events = replica.apply(vec![difference(1, 0, "bad")]).unwrap();
    assert!(is_bad(&events[0], 1));
    assert_eq!(events[1..], [Event::Changes(vec![change(1, None)])]);
    let events = replica.apply(vec![difference(1, 0, "b")]).unwrap();
    assert_eq!(events, [Event::Changes(vec![change(1, Some("b[]"))])]);
}

#[test]
fn a_bad_row_is_reported_once_and_its_end_is_not() {
    let mut replica = replica();
    let events = replica.replace(vec![whole(1, "bad")]);
    assert!(is_bad(&events[0], 1));
    assert_eq!(events[1..], [Event::Changes(vec![])]);
    assert_eq!(replica.replace(vec![whole(1, "bad")]), [Event::Changes(vec![])]);
    assert_eq!(replica.apply(vec![deleted(1)]).unwrap(), []);
}

#[test]
fn differences_of_a_row_against_its_schema_wait_until_it_is_sent_whole() {
    let mut replica = replica();
    let error = RowError { column: "tag".into(), expected: "one integer or none".into(), found: "true".into() };
    replica.replace(vec![RowUpdate { table: 0, uuid: uuid(1), what: What::Broken(error) }]);
    assert_eq!(replica.apply(vec![difference(1, 0, "b")]).unwrap(), []);
    assert_eq!(replica.apply(vec![whole(1, "b")]).unwrap(), [Event::Changes(vec![change(1, Some("b[]"))])]);
}

#[test]
fn another_schema_forgets_the_last_transaction() {
    let mut replica = replica();
    replica.set_last_transaction(Some(uuid(9)));
    replica.set_layout((**replica.layout()).clone());
    assert_eq!(replica.last_transaction(), Some(uuid(9)));
    let schema = SCHEMA.replace("\"tag\"", "\"other\"");
    replica.set_layout(replica.layout().with(&serde_json::from_str(&schema).unwrap()));
    assert_eq!(replica.last_transaction(), None);
}
