//! Applies a `modify` to a column (`ovsdb-server(7)`, 4.1.14, `<row-update2>`).

use super::{Atom, Datum, schema::ColumnType};

/// Returns the value of a column of type `kind` that held `old`, after `change`.
///
/// For a column with at most one element, `change` is the new value. For other columns it is the difference: elements
/// of a set that were added or removed; pairs of a map that were added or removed, or have this value now.
pub(crate) fn apply(kind: ColumnType, old: Datum, change: Datum) -> Datum {
    match (old, change) {
        (Datum::Set(old), Datum::Set(change)) if kind.many => Datum::Set(toggled(old, change)),
        (Datum::Map(old), Datum::Map(change)) if kind.many => Datum::Map(changed(old, change)),
        (_, change) => change,
    }
}

/// Returns the elements that are in exactly one of the two.
fn toggled(mut atoms: Vec<Atom>, change: Vec<Atom>) -> Vec<Atom> {
    for atom in change {
        match atoms.binary_search(&atom) {
            Ok(at) => drop(atoms.remove(at)),
            Err(at) => atoms.insert(at, atom),
        }
    }
    atoms
}

fn changed(mut pairs: Vec<(Atom, Atom)>, change: Vec<(Atom, Atom)>) -> Vec<(Atom, Atom)> {
    for (key, value) in change {
        match pairs.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(at) if pairs[at].1 == value => drop(pairs.remove(at)),
            Ok(at) => pairs[at].1 = value,
            Err(at) => pairs.insert(at, (key, value)),
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(json: &str) -> ColumnType {
        serde_json::from_str(json).unwrap()
    }

    fn set() -> ColumnType {
        kind(r#"{"key":"string","min":0,"max":"unlimited"}"#)
    }

    fn map() -> ColumnType {
        kind(r#"{"key":"string","value":"integer","min":0,"max":"unlimited"}"#)
    }

    #[test]
    fn a_single_value_is_replaced() {
        let optional = kind(r#"{"key":"integer","min":0,"max":1}"#);
        assert_eq!(apply(optional, 5_i64.into(), 5_i64.into()), 5_i64.into());
        assert_eq!(apply(optional, 5_i64.into(), Datum::EMPTY), Datum::EMPTY);
    }

    #[test]
    fn elements_of_a_set_come_and_go() {
        assert_eq!(apply(set(), Datum::set(["a", "b"]), Datum::set(["b", "c"])), Datum::set(["a", "c"]));
    }

    #[test]
    fn pairs_of_a_map_come_go_and_change() {
        let old = Datum::map([("a", 1_i64), ("b", 2), ("c", 3)]);
        let change = Datum::map([("a", 1_i64), ("b", 9), ("d", 4)]);
        assert_eq!(apply(map(), old, change), Datum::map([("b", 9_i64), ("c", 3), ("d", 4)]));
    }
}
