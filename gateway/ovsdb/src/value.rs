//! Values of columns (RFC 7047, section 5.1).

use std::cmp::Ordering;

use super::Uuid;

/// One value.
#[derive(Clone, Debug)]
pub enum Atom {
    /// A whole number of 64 bits.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// True or false.
    Boolean(bool),
    /// A text.
    String(Box<str>),
    /// The UUID of a row.
    Uuid(Uuid),
    /// The `uuid_name` of a row that the same transaction inserts. Only sent, never received.
    NamedUuid(Box<str>),
}

/// Value of a column of a row.
///
/// The constructors sort the elements and remove duplicates, so two values with the same elements are equal. A column
/// with a single value is a set of one element; an optional column without a value is an empty set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Datum {
    /// A set, or a single value.
    Set(Vec<Atom>),
    /// A map. Its keys are unique.
    Map(Vec<(Atom, Atom)>),
}

impl Atom {
    /// Refers to the row that the same transaction inserts under the name `name`.
    pub fn named(name: impl Into<Box<str>>) -> Self {
        Self::NamedUuid(name.into())
    }

    /// Returns the text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// Returns the number, if it is an integer.
    pub fn as_integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    /// Returns the number, if it is a floating-point one.
    pub(crate) fn as_real(&self) -> Option<f64> {
        if let Self::Real(number) = self { Some(*number) } else { None }
    }

    /// Returns the boolean, if it is one.
    pub(crate) fn as_boolean(&self) -> Option<bool> {
        if let Self::Boolean(truth) = self { Some(*truth) } else { None }
    }

    /// Returns the UUID of the row, if it is one.
    pub fn as_uuid(&self) -> Option<Uuid> {
        if let Self::Uuid(uuid) = self { Some(*uuid) } else { None }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Integer(_) => 0,
            Self::Real(_) => 1,
            Self::Boolean(_) => 2,
            Self::String(_) => 3,
            Self::Uuid(_) => 4,
            Self::NamedUuid(_) => 5,
        }
    }
}

impl Datum {
    /// Empty set: an optional value that is absent.
    pub const EMPTY: Self = Self::Set(Vec::new());

    /// Returns the set of `atoms`.
    pub fn set<A: Into<Atom>>(atoms: impl IntoIterator<Item = A>) -> Self {
        let mut atoms: Vec<Atom> = atoms.into_iter().map(Into::into).collect();
        atoms.sort_unstable();
        atoms.dedup();
        Self::Set(atoms)
    }

    /// Returns the map of `pairs`. Of two pairs with the same key the later one counts.
    pub fn map<K: Into<Atom>, V: Into<Atom>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut pairs: Vec<(Atom, Atom)> = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        Self::Map(pairs)
    }

    /// Returns true if there are no elements or pairs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of elements or pairs.
    pub fn len(&self) -> usize {
        match self {
            Self::Set(atoms) => atoms.len(),
            Self::Map(pairs) => pairs.len(),
        }
    }

    /// Returns the single value, if it is a set of one.
    pub(crate) fn atom(&self) -> Option<&Atom> {
        if let [atom] = self.atoms() { Some(atom) } else { None }
    }

    /// Returns the single value, if it is a text.
    pub fn string(&self) -> Option<&str> {
        self.atom()?.as_str()
    }

    /// Returns the single value, if it is an integer.
    pub fn integer(&self) -> Option<i64> {
        self.atom()?.as_integer()
    }

    /// Returns the single value, if it is a floating-point number.
    pub fn real(&self) -> Option<f64> {
        self.atom()?.as_real()
    }

    /// Returns the single value, if it is a boolean.
    pub fn boolean(&self) -> Option<bool> {
        self.atom()?.as_boolean()
    }

    /// Returns the single value, if it is the UUID of a row.
    pub fn uuid(&self) -> Option<Uuid> {
        self.atom()?.as_uuid()
    }

    /// Returns the elements of a set; none for a map.
    pub(crate) fn atoms(&self) -> &[Atom] {
        if let Self::Set(atoms) = self { atoms } else { &[] }
    }

    /// Returns the texts among the elements.
    pub fn strings(&self) -> impl Iterator<Item = &str> {
        self.atoms().iter().filter_map(Atom::as_str)
    }

    /// Returns the UUIDs among the elements.
    pub fn uuids(&self) -> impl Iterator<Item = Uuid> {
        self.atoms().iter().filter_map(Atom::as_uuid)
    }

    /// Returns the pairs of a map; none for a set.
    pub fn pairs(&self) -> &[(Atom, Atom)] {
        if let Self::Map(pairs) = self { pairs } else { &[] }
    }

    /// Returns the value of a key of a map.
    pub fn value_of(&self, key: &Atom) -> Option<&Atom> {
        let pairs = self.pairs();
        pairs.binary_search_by(|(known, _)| known.cmp(key)).ok().map(|at| &pairs[at].1)
    }
}

impl Ord for Atom {
    /// Compares by kind, and within a kind by value. Floating-point numbers have their total order.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Real(a), Self::Real(b)) => a.total_cmp(b),
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) | (Self::NamedUuid(a), Self::NamedUuid(b)) => a.cmp(b),
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Atom {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Atom {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Atom {}

macro_rules! from {
    ($($type:ty => $variant:ident),*) => {$(
        impl From<$type> for Atom {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }

        /// A single value.
        impl From<$type> for Datum {
            fn from(value: $type) -> Self {
                Self::Set(vec![value.into()])
            }
        }
    )*};
}

from!(i64 => Integer, f64 => Real, bool => Boolean, &str => String, String => String, Box<str> => String, Uuid => Uuid);

/// A single value.
impl From<Atom> for Datum {
    fn from(atom: Atom) -> Self {
        Self::Set(vec![atom])
    }
}

/// A value that may not be there.
impl<A: Into<Atom>> From<Option<A>> for Datum {
    fn from(atom: Option<A>) -> Self {
        Self::Set(atom.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_equal_whatever_order_they_were_sent_in() {
        assert_eq!(Datum::set([2_i64, 1, 2]), Datum::set([1_i64, 2]));
    }

    #[test]
    fn the_later_pair_of_a_key_counts() {
        assert_eq!(Datum::map([("a", 1_i64), ("b", 5), ("a", 2), ("a", 3)]), Datum::map([("a", 3_i64), ("b", 5)]));
    }

    #[test]
    fn a_set_of_two_is_not_a_single_value() {
        assert_eq!(Datum::set(["a", "b"]).string(), None);
        assert_eq!(Datum::from("a").string(), Some("a"));
    }

    #[test]
    fn a_single_value_of_another_kind_is_not_taken_for_one() {
        assert_eq!(Datum::from("1").integer(), None);
        assert_eq!(Datum::map([("a", "b")]).string(), None);
    }

    #[test]
    fn a_map_gives_the_value_of_a_key() {
        let map = Datum::map([(100_i64, "a"), (0, "b")]);
        assert_eq!(map.value_of(&100.into()).and_then(Atom::as_str), Some("a"));
        assert_eq!(map.value_of(&7.into()), None);
    }
}
