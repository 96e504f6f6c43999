//! Amounts and times, short enough for a column.

use std::{collections::BTreeMap, time::Duration};

use crate::view::Counter;

/// Formats a number of bytes with three or four digits, in units of 1000 bytes.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let (mut value, mut unit) = (count as f64 / 1000.0, 0);
    // A value that would be rounded to 1000 uses the next unit.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    let digits = if value < 99.95 { 1 } else { 0 };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// Formats a time in its two largest units.
pub fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: u64, unit: &str, small: u64, name: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {name}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => two(minutes, "min", seconds % 60, "s"),
        (0, ..) => two(hours, "h", minutes % 60, "min"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// Rates of counters since the previous reading.
#[derive(Debug, Default)]
pub struct Rates {
    before: BTreeMap<String, u64>,
    now: BTreeMap<String, f64>,
}

impl Rates {
    /// Records a new reading, `passed` after the previous one.
    pub fn note(&mut self, counters: &[Counter], passed: Duration) {
        let counts: BTreeMap<String, u64> =
            counters.iter().map(|one| (one.name.clone().into_owned(), one.count)).collect();
        self.now.clear();
        if !self.before.is_empty() && !passed.is_zero() {
            for (name, count) in &counts {
                let grown = count.saturating_sub(self.before.get(name).copied().unwrap_or(0));
                self.now.insert(name.clone(), grown as f64 / passed.as_secs_f64());
            }
        }
        self.before = counts;
    }

    /// Returns the rate of the counter of this name, per second; None at the first reading.
    pub fn of(&self, name: &str) -> Option<f64> {
        self.now.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::counters::Drops;

    use super::*;

    #[test]
    fn bytes_have_few_digits() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (99_949, "99.9 kB"),
            (123_456, "123 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn times_have_two_units_at_most() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (7320, "2 h 2 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn a_rate_is_known_at_the_second_look() {
        let mut rates = Rates::default();
        let counted = |too_big| Counter::drops(&Drops { too_big, ..Drops::default() });
        rates.note(&counted(5), Duration::ZERO);
        assert_eq!(rates.of("too_big"), None);
        rates.note(&counted(25), Duration::from_secs(2));
        assert_eq!((rates.of("too_big"), rates.of("bad_source")), (Some(10.0), Some(0.0)));
    }
}
