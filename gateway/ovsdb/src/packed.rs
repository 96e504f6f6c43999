//! Compact encoding of rows.
//!
//! The replica needs the contents of each row, to apply differences and to detect changes. As [`Datum`]s, 100,000 rows
//! would need hundreds of thousands of allocations; packed, most rows need none. Equal rows have equal bytes.

use std::net::Ipv4Addr;

use super::{Atom, Datum, Uuid};

/// Inline capacity in bytes, which needs no allocation: the size of a row with a MAC address, an IPv4 address and two
/// references to rows.
const INLINE: usize = 46;

/// Columns of a row, in the order of the layout; `None` where the schema lacks one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed(Bytes);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Bytes {
    /// Length and bytes; the bytes beyond the length are zero.
    Inline(u8, [u8; INLINE]),
    /// Bytes that do not fit inline.
    Boxed(Box<[u8]>),
}

impl Bytes {
    fn new(bytes: &[u8]) -> Self {
        let mut inline = [0; INLINE];
        match inline.get_mut(..bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                Self::Inline(bytes.len() as u8, inline)
            }
            None => Self::Boxed(bytes.into()),
        }
    }

    fn get(&self) -> &[u8] {
        match self {
            Self::Inline(length, bytes) => &bytes[..usize::from(*length)],
            Self::Boxed(bytes) => bytes,
        }
    }
}

/// First byte of a column.
mod head {
    /// The schema lacks the column.
    pub(super) const MISSING: u8 = 0;
    /// A set: the number of atoms, then the atoms.
    pub(super) const SET: u8 = 1;
    /// A map: the number of pairs, then the pairs.
    pub(super) const MAP: u8 = 2;
    // Anything else is the tag of an atom: a set of one.
}

/// First byte of an atom.
mod tag {
    pub(super) const INTEGER: u8 = 8;
    pub(super) const REAL: u8 = 9;
    pub(super) const FALSE: u8 = 10;
    pub(super) const TRUE: u8 = 11;
    pub(super) const STRING: u8 = 12;
    pub(super) const UUID: u8 = 13;
    pub(super) const NAMED: u8 = 14;
    /// A text that looks like `02:00:00:00:00:01`.
    pub(super) const MAC: u8 = 15;
    /// A text that looks like `10.0.0.1`.
    pub(super) const IPV4: u8 = 16;
}

impl Packed {
    /// Packs a row.
    pub(crate) fn new(columns: &[Option<Datum>]) -> Self {
        let mut out = Vec::with_capacity(128);
        for column in columns {
            match column {
                None => out.push(head::MISSING),
                Some(Datum::Set(atoms)) => {
                    if atoms.len() != 1 {
                        out.push(head::SET);
                        number(&mut out, atoms.len() as u64);
                    }
                    atoms.iter().for_each(|atom| pack(&mut out, atom));
                }
                Some(Datum::Map(pairs)) => {
                    out.push(head::MAP);
                    number(&mut out, pairs.len() as u64);
                    for (key, value) in pairs {
                        pack(&mut out, key);
                        pack(&mut out, value);
                    }
                }
            }
        }
        Self(Bytes::new(&out))
    }

    /// Unpacks the columns.
    pub(crate) fn columns(&self) -> Vec<Option<Datum>> {
        let mut reader = Reader(self.0.get());
        let mut columns = Vec::new();
        while !reader.0.is_empty() {
            let [head] = reader.array();
            columns.push(match head {
                head::MISSING => None,
                head::SET => Some(Datum::Set((0..reader.number()).map(|_| reader.atom()).collect())),
                head::MAP => Some(Datum::Map((0..reader.number()).map(|_| (reader.atom(), reader.atom())).collect())),
                tag => Some(Datum::Set(vec![reader.tagged(tag)])),
            });
        }
        columns
    }
}

fn pack(out: &mut Vec<u8>, atom: &Atom) {
    match atom {
        Atom::Integer(value) => {
            out.push(tag::INTEGER);
            // Zigzag encoding: small numbers of either sign become small: 0, -1, 1, -2 ...
            number(out, ((value << 1) ^ (value >> 63)) as u64);
        }
        Atom::Real(value) => {
            out.push(tag::REAL);
            out.extend(value.to_bits().to_le_bytes());
        }
        Atom::Boolean(false) => out.push(tag::FALSE),
        Atom::Boolean(true) => out.push(tag::TRUE),
        Atom::String(value) => string(out, value),
        Atom::Uuid(value) => {
            out.push(tag::UUID);
            out.extend(value.bytes());
        }
        Atom::NamedUuid(name) => text(out, tag::NAMED, name),
    }
}

/// Writes a text. Addresses occur a hundred thousand times, so they take few bytes, if reading returns the same text.
fn string(out: &mut Vec<u8>, value: &str) {
    if let Some(mac) = mac(value) {
        out.push(tag::MAC);
        out.extend(mac);
    } else if let Ok(address) = value.parse::<Ipv4Addr>() {
        // An IPv4 address that parses has only one spelling.
        out.push(tag::IPV4);
        out.extend(address.octets());
    } else {
        text(out, tag::STRING, value);
    }
}

/// Returns the bytes of an Ethernet address, if it is written in lower case.
fn mac(text: &str) -> Option<[u8; 6]> {
    let text: &[u8; 17] = text.as_bytes().try_into().ok()?;
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut mac = [0; 6];
    for (at, byte) in mac.iter_mut().enumerate() {
        *byte = digit(text[3 * at])? << 4 | digit(text[3 * at + 1])?;
        if at > 0 && text[3 * at - 1] != b':' {
            return None;
        }
    }
    Some(mac)
}

fn mac_text(mac: [u8; 6]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(17);
    for (at, byte) in mac.into_iter().enumerate() {
        if at > 0 {
            text.push(':');
        }
        text.extend([byte >> 4, byte & 0xf].map(|digit| char::from(DIGITS[usize::from(digit)])));
    }
    text
}

fn text(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    number(out, text.len() as u64);
    out.extend(text.as_bytes());
}

/// Writes a number with seven bits a byte; the highest bit means that more bytes follow.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Decodes the bytes that [`Packed::new`] wrote, and no others.
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
        self.tagged(tag)
    }

    fn tagged(&mut self, tag: u8) -> Atom {
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
            tag::MAC => Atom::String(mac_text(self.array()).into()),
            tag::IPV4 => Atom::String(Ipv4Addr::from(self.array::<4>()).to_string().into()),
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
            "([0-9a-fA-F]{1,2}[:-]?){6}".prop_map(|text| Atom::String(text.into())),
            "([0-9]{1,3}\\.){3}[0-9]{1,3}".prop_map(|text| Atom::String(text.into())),
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
    fn a_row_of_a_mac_table_needs_no_allocation() {
        let uuid = || Some(Datum::from(Uuid::from_bytes([7; 16])));
        let row = [Some(Datum::from("02:00:00:00:00:01")), uuid(), uuid(), Some(Datum::from("10.250.250.250"))];
        assert!(matches!(Packed::new(&row).0, Bytes::Inline(46, _)));
        assert_eq!(size_of::<Option<Packed>>(), 48);
    }

    #[test]
    fn texts_that_look_alike_stay_as_they_are() {
        for text in ["02:00:00:00:00:0A", "02-00-00-00-00-01", "02:00:00:00:00:0", "10.0.0.01", "10.0.0.256", ""] {
            let row = [Some(Datum::from(text))];
            assert_eq!(Packed::new(&row).columns(), row, "{text}");
        }
    }
}
