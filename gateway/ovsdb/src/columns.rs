//! A row as the database tells it.

use std::sync::Arc;

use super::Datum;

/// All columns of one row that were asked for: those that the server left out hold their default.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    names: Arc<[Box<str>]>,
    data: Vec<Option<Datum>>,
}

impl Columns {
    /// Pairs the names of columns with what they hold.
    pub fn new(names: Arc<[Box<str>]>, data: Vec<Option<Datum>>) -> Self {
        debug_assert_eq!(names.len(), data.len());
        Self { names, data }
    }

    /// What the column `name` holds. `None`: it was not asked for, or the schema of the database has no such column.
    pub fn get(&self, name: &str) -> Option<&Datum> {
        // A handful of names: going through them is quicker than a hash.
        let at = self.names.iter().position(|known| **known == *name)?;
        self.data[at].as_ref()
    }

    /// Name and content of each column the database has.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Datum)> {
        self.names.iter().zip(&self.data).filter_map(|(name, datum)| Some((&**name, datum.as_ref()?)))
    }
}

/// A row made by hand: for tests of a [`Decoder`](super::Decoder).
impl<'a> FromIterator<(&'a str, Datum)> for Columns {
    fn from_iter<T: IntoIterator<Item = (&'a str, Datum)>>(columns: T) -> Self {
        let (names, data): (Vec<Box<str>>, Vec<_>) =
            columns.into_iter().map(|(name, datum)| (name.into(), Some(datum))).unzip();
        Self { names: names.into(), data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_the_schema_lacks_is_none() {
        let columns = Columns::new([Box::from("a"), Box::from("b")].into(), vec![None, Some(Datum::EMPTY)]);
        assert_eq!((columns.get("a"), columns.get("b"), columns.get("c")), (None, Some(&Datum::EMPTY), None));
        assert_eq!(columns.iter().collect::<Vec<_>>(), [("b", &Datum::EMPTY)]);
    }
}
