//! History of the rates of each row of a table, for its sparkline.

use std::collections::{HashMap, VecDeque};

/// Rates kept for each row: as many as the widest sparkline has columns.
const KEPT: usize = 120;

/// Latest rates by row.
#[derive(Clone, Debug, Default)]
pub struct History {
    rows: HashMap<String, VecDeque<f64>>,
}

impl History {
    /// Adds the current rates. A row that is no longer present is removed with its history.
    pub fn push<'a>(&mut self, now: impl Iterator<Item = (&'a str, f64)>) {
        let mut old = std::mem::take(&mut self.rows);
        for (row, rate) in now {
            let mut rates = old.remove(row).unwrap_or_default();
            if rates.len() == KEPT {
                rates.pop_front();
            }
            rates.push_back(rate);
            self.rows.insert(row.to_owned(), rates);
        }
    }

    /// Returns at most `count` of the latest rates of a row, the newest last.
    pub fn latest(&self, row: &str, count: usize) -> impl Iterator<Item = f64> {
        let rates = self.rows.get(row);
        let skip = rates.map_or(0, |rates| rates.len().saturating_sub(count));
        rates.into_iter().flatten().skip(skip).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_its_latest_rates_in_order() {
        let mut history = History::default();
        (0..200).for_each(|rate| history.push([("a", f64::from(rate))].into_iter()));
        assert_eq!(history.latest("a", 3).collect::<Vec<_>>(), [197.0, 198.0, 199.0]);
        assert_eq!(history.latest("a", 1000).count(), KEPT);
        assert_eq!(history.latest("b", 3).count(), 0);
    }

    #[test]
    fn a_row_that_returns_has_a_new_history() {
        let mut history = History::default();
        history.push([("a", 1.0), ("b", 1.0)].into_iter());
        history.push([("b", 2.0)].into_iter());
        history.push([("a", 3.0)].into_iter());
        assert_eq!(history.latest("a", 9).collect::<Vec<_>>(), [3.0]);
        assert_eq!(history.latest("b", 9).count(), 0);
    }
}
