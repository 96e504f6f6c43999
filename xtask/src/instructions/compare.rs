//! Compares the counts with the record.

use std::{collections::BTreeSet, fmt::Write};

use super::console::Counts;

/// A count may differ from the record by a twentieth: compilers and kernels differ a little from build to build.
const MARGIN: u64 = 20;

/// Minimum of the allowed difference, for counts of which a twentieth is next to nothing.
const AT_LEAST: u64 = 4;

/// Count and record of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    path: String,
    counted: Option<u64>,
    recorded: Option<u64>,
}

impl Row {
    /// Returns its name.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Returns true if the record matches the cost of the path. Too small a count is wrong as well: with an outdated
    /// record, a gain could be lost again unnoticed.
    pub(super) fn holds(&self) -> bool {
        match (self.counted, self.recorded) {
            (Some(counted), Some(recorded)) => counted.abs_diff(recorded) <= (recorded / MARGIN).max(AT_LEAST),
            _ => false,
        }
    }
}

/// Returns all paths of either, in the order of their names.
pub(super) fn rows(counted: &Counts, recorded: &Counts) -> Vec<Row> {
    let paths: BTreeSet<_> = counted.keys().chain(recorded.keys()).collect();
    let row = |path: &String| Row {
        path: path.clone(),
        counted: counted.get(path).copied(),
        recorded: recorded.get(path).copied(),
    };
    paths.into_iter().map(row).collect()
}

/// Formats the rows as a table.
pub(super) fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.path.len()).max().unwrap_or(0).max("path".len());
    let mut text = format!("{:width$}  counted  recorded  difference\n", "path");
    for row in rows {
        let number = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let _ = write!(text, "{:width$}  {:>7}  {:>8}", row.path, number(row.counted), number(row.recorded));
        if let (Some(counted), Some(recorded @ 1..)) = (row.counted, row.recorded) {
            let percent = (counted as f64 / recorded as f64 - 1.0) * 100.0;
            let _ = write!(text, "  {percent:>+8.1} %");
        }
        text.push_str(if row.holds() { "\n" } else { "  <- differs\n" });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(counted: Option<u64>, recorded: Option<u64>) -> Row {
        Row { path: "tc_decap".to_owned(), counted, recorded }
    }

    #[test]
    fn a_twentieth_more_or_less_holds_and_one_instruction_further_does_not() {
        for (counted, holds) in [(950, true), (949, false), (1000, true), (1050, true), (1051, false)] {
            assert_eq!(row(Some(counted), Some(1000)).holds(), holds, "{counted} against 1000");
        }
    }

    #[test]
    fn a_short_path_may_differ_by_a_few_instructions() {
        for (counted, holds) in [(15, false), (16, true), (24, true), (25, false)] {
            assert_eq!(row(Some(counted), Some(20)).holds(), holds, "{counted} against 20");
        }
    }

    #[test]
    fn a_path_that_only_one_of_them_has_does_not_hold() {
        let counts = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 1)).collect::<Counts>();
        let rows = rows(&counts(&["a", "b"]), &counts(&["b", "c"]));
        assert_eq!(rows.iter().map(Row::holds).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn the_table_marks_what_differs() {
        let table = table(&[row(Some(1100), Some(1000)), row(Some(1001), Some(1000)), row(None, Some(1000))]);
        let lines: Vec<_> = table.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "tc_decap     1100      1000     +10.0 %  <- differs",
                "tc_decap     1001      1000      +0.1 %",
                "tc_decap        -      1000  <- differs",
            ]
        );
    }
}
