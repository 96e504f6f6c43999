//! Rows in few bytes.
//!
//! The replica needs what each row holds, to apply differences to it and to tell whether it changed. As [`Datum`]s, 100,000
//! rows would be hundreds of thousands of allocations; packed, a row is one. Equal rows are equal bytes.

use super::{Atom, Datum, Uuid};

/// The columns of a row, in the order of the layout; `None` where the schema lacks one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed(Box<[u8]>);

/// First byte of an atom.
mod tag {
    pub(super) const INTEGER: u8 = 0;
    pub(super) const REAL: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const TRUE: u8 = 3;
    pub(super) const STRING: u8 = 4;
    pub(super) const UUID: u8 = 5;
    pub(super) const NAMED: u8 = 6;
}

impl Packed {
    /// Packs a row.
    pub(crate) fn new(columns: &[Option<Datum>]) -> Self {
        let mut out = Vec::with_capacity(128);
        for column in columns {
            // What there is, and how much of it, in one number: 0 nothing, odd a set, even a map.
            match column {
                None => number(&mut out, 0),
                Some(Datum::Set(atoms)) => {
                    number(&mut out, atoms.len() as u64 * 2 + 1);
                    atoms.iter().for_each(|atom| pack(&mut out, atom));
                }
                Some(Datum::Map(pairs)) => {
                    number(&mut out, pairs.len() as u64 * 2 + 2);
                    for (key, value) in pairs {
                        pack(&mut out, key);
                        pack(&mut out, value);
                    }
                }
            }
        }
        Self(out.into())
    }

    /// The columns again.
    pub(crate) fn columns(&self) -> Vec<Option<Datum>> {
        let mut reader = Reader(&self.0);
        let mut columns = Vec::new();
        while !reader.0.is_empty() {
            let head = reader.number();
            columns.push(match (head, head % 2) {
                (0, _) => None,
                (_, 1) => Some(Datum::Set((0..head / 2).map(|_| reader.atom()).collect())),
                _ => Some(Datum::Map((0..head / 2 - 1).map(|_| (reader.atom(), reader.atom())).collect())),
            });
        }
        columns
    }
}

fn pack(out: &mut Vec<u8>, atom: &Atom) {
    match atom {
        Atom::Integer(value) => {
            out.push(tag::INTEGER);
            // Small ones of either sign become small: 0, -1, 1, -2 ...
            number(out, ((value << 1) ^ (value >> 63)) as u64);
        }
        Atom::Real(value) => {
            out.push(tag::REAL);
            out.extend(value.to_bits().to_le_bytes());
        }
        Atom::Boolean(false) => out.push(tag::FALSE),
        Atom::Boolean(true) => out.push(tag::TRUE),
        Atom::String(value) => text(out, tag::STRING, value),
        Atom::Uuid(value) => {
            out.push(tag::UUID);
            out.extend(value.bytes());
        }
        Atom::NamedUuid(name) => text(out, tag::NAMED, name),
    }
}

fn text(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    number(out, text.len() as u64);
    out.extend(text.as_bytes());
}

/// Seven bits a byte, the highest bit says that more follow.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads what [`Packed::new`] wrote, and nothing else.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, count: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N));
        array
    }

    fn number(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array();
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }

    fn text(&mut self) -> Box<str> {
        let length = self.number() as usize;
        String::from_utf8_lossy(self.take(length)).into()
    }

    fn atom(&mut self) -> Atom {
        let [tag] = self.array();
        match tag {
            tag::INTEGER => {
                let value = self.number();
                Atom::Integer((value >> 1) as i64 ^ -((value & 1) as i64))
            }
            tag::REAL => Atom::Real(f64::from_bits(u64::from_le_bytes(self.array()))),
            tag::FALSE => Atom::Boolean(false),
            tag::TRUE => Atom::Boolean(true),
            tag::STRING => Atom::String(self.text()),
            tag::UUID => Atom::Uuid(Uuid::from_bytes(self.array())),
            _ => Atom::NamedUuid(self.text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn atom() -> impl Strategy<Value = Atom> {
        prop_oneof![
            any::<i64>().prop_map(Atom::Integer),
            any::<f64>().prop_map(Atom::Real),
            any::<bool>().prop_map(Atom::Boolean),
            ".*".prop_map(|text| Atom::String(text.into())),
            any::<[u8; 16]>().prop_map(|bytes| Atom::Uuid(Uuid::from_bytes(bytes))),
            "[a-z]+".prop_map(Atom::named),
        ]
    }

    fn datum() -> impl Strategy<Value = Datum> {
        prop_oneof![
            prop::collection::vec(atom(), 0..5).prop_map(Datum::set),
            prop::collection::vec((atom(), atom()), 0..5).prop_map(Datum::map),
        ]
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_again(columns in prop::collection::vec(prop::option::of(datum()), 0..6)) {
            prop_assert_eq!(Packed::new(&columns).columns(), columns);
        }
    }

    #[test]
    fn ends_of_the_range_come_out_again() {
        let column = vec![Some(Datum::set([i64::MIN, -1, 0, 1, i64::MAX]))];
        assert_eq!(Packed::new(&column).columns(), column);
    }

    #[test]
    fn a_row_of_a_mac_table_takes_few_bytes() {
        let uuid = || Some(Datum::from(Uuid::from_bytes([7; 16])));
        let row = [Some(Datum::from("02:00:00:00:00:01")), uuid(), uuid(), Some(Datum::from(""))];
        assert!(Packed::new(&row).0.len() <= 64);
    }
}
