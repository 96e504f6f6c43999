//! Timestamps as text.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Wall-clock time in milliseconds since 1970, written as in RFC 3339, in UTC: `2026-01-31T12:00:00.123Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// Error: the text is not a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a time in UTC such as 2026-01-31T12:00:00Z (RFC 3339)")]
pub struct NoTimestamp;

const DAY: u64 = 86_400;

impl Timestamp {
    /// Returns the time `since_1970` after the start of 1970.
    pub const fn new(since_1970: Duration) -> Self {
        Self(since_1970.as_millis() as u64)
    }

    /// Returns the time `span` earlier.
    pub const fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.as_millis() as u64))
    }
}

/// Converts days since 1970 to year, month and day in the Gregorian calendar. It counts in cycles of 400 years, and
/// starts each year in March so that the leap day is the last day of its year.
const fn date(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468; // 0000-03-01
    let (cycle, of_cycle) = (day / 146_097, day % 146_097);
    let year = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let january_on = month >= 10;
    (400 * cycle + year + january_on as u64, if january_on { month - 9 } else { month + 3 }, of_month)
}

/// Converts a date to days since 1970: the inverse of `date`.
const fn day(year: u64, month: u64, of_month: u64) -> Option<u64> {
    let year = if month <= 2 { year - 1 } else { year };
    let month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * month + 2) / 5 + of_month - 1;
    let of_cycle = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year;
    (year / 400 * 146_097 + of_cycle).checked_sub(719_468)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0 / 1000, self.0 % 1000);
        let (year, month, day) = date(seconds / DAY);
        let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

impl FromStr for Timestamp {
    type Err = NoTimestamp;

    fn from_str(text: &str) -> Result<Self, NoTimestamp> {
        let number = |part: &str, length: usize, range: std::ops::RangeInclusive<u64>| {
            let digits = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|number| digits && range.contains(number)).ok_or(NoTimestamp)
        };
        let (date, clock) = text.strip_suffix('Z').and_then(|text| text.split_once('T')).ok_or(NoTimestamp)?;
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let [year, month, of_month] = parts(date, '-')?;
        let [hour, minute, second] = parts(clock, ':')?;
        let day = day(number(year, 4, 1970..=9999)?, number(month, 2, 1..=12)?, number(of_month, 2, 1..=31)?);
        let of_day = number(hour, 2, 0..=23)? * 3600 + number(minute, 2, 0..=59)? * 60 + number(second, 2, 0..=60)?;
        if !(1..=9).contains(&fraction.len()) || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoTimestamp);
        }
        let millis: u64 = format!("{fraction:0<3}")[..3].parse().map_err(|_| NoTimestamp)?;
        Ok(Self((day.ok_or(NoTimestamp)? * DAY + of_day) * 1000 + millis))
    }
}

fn parts(text: &str, mark: char) -> Result<[&str; 3], NoTimestamp> {
    let parts: Vec<&str> = text.split(mark).collect();
    parts.try_into().map_err(|_| NoTimestamp)
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_are_written_as_the_rfc_has_them() {
        // Output of `date -u -d @SECONDS +%FT%TZ` for each.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp::new(Duration::from_secs(seconds)).to_string(), text);
        }
        assert_eq!(Timestamp::new(Duration::from_micros(1_500_999)).to_string(), "1970-01-01T00:00:01.500Z");
    }

    #[test]
    fn a_fraction_may_be_left_out_or_be_finer_than_is_kept() {
        let parse = |text: &str| text.parse::<Timestamp>().map(|time| time.to_string());
        assert_eq!(parse("2026-01-31T12:00:00Z").unwrap(), "2026-01-31T12:00:00.000Z");
        assert_eq!(parse("2026-01-31T12:00:00.5Z").unwrap(), "2026-01-31T12:00:00.500Z");
        assert_eq!(parse("2026-01-31T12:00:00.123456Z").unwrap(), "2026-01-31T12:00:00.123Z");
    }

    #[test]
    fn an_invalid_time_is_refused() {
        for text in [
            "",
            "now",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-13-01T00:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T12:00Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00.1x34Z",
            "2026-01-31T12:00:00.12€Z",
            "+026-01-01T00:00:00Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NoTimestamp), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_means_the_moment_it_was_made_of(millis in 0u64..253_402_300_800_000) {
            let time = Timestamp(millis);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
