//! Row of a table as the database sends it.

use std::sync::Arc;

use super::Datum;

/// All requested columns of one row. Columns that the server left out hold their default.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    names: Arc<[Box<str>]>,
    data: Vec<Option<Datum>>,
}

impl Columns {
    /// Pairs the names of columns with their values.
    pub fn new(names: Arc<[Box<str>]>, data: Vec<Option<Datum>>) -> Self {
        debug_assert_eq!(names.len(), data.len());
        Self { names, data }
    }

    /// Returns the value of the column `name`. `None`: the column was not requested, or the schema of the database does
    /// not have it.
    pub fn get(&self, name: &str) -> Option<&Datum> {
        // A handful of names: going through them is quicker than a hash.
        let at = self.names.iter().position(|known| **known == *name)?;
        self.data[at].as_ref()
    }

    /// Returns the name and the value of each column that the database has.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Datum)> {
        self.names.iter().zip(&self.data).filter_map(|(name, datum)| Some((&**name, datum.as_ref()?)))
    }
}

/// Builds a row by hand, for tests of a [`Decoder`](super::Decoder).
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
