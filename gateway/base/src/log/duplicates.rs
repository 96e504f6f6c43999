//! Duplicate suppression: decides which log lines are left out because there were too many like them.
//!
//! Two token buckets limit the log: one for each identical line of a place in the program, and one for all lines of
//! that place. The bucket of the place is larger, so that one error is not lost among others. It also bounds what a
//! client that sends something different in each frame can write to the disk. The lines that were left out are reported
//! once in a while, one line for each place.

use std::{collections::HashMap, hash::Hash, time::Duration};

use crate::token_bucket::{Rate, TokenBucket};

/// Rate of one line of one place. Open vSwitch has the same rate for most of its lines.
const SAME: Rate = Rate { burst: 20, each: Duration::from_secs(12) };

/// Rate of all lines of one place.
const PLACE: Rate = Rate { burst: 100, each: Duration::from_secs(6) };

/// Factor by which the rates are higher for lines of debugging levels.
const CLOSELY: u32 = 10;

/// Different lines of one place that have token buckets of their own at a time.
const TEXTS: usize = 128;

/// Time after which left-out lines are reported.
const REPORT_AFTER: Duration = Duration::from_secs(60);

/// Characters of a left-out line that are shown.
const SHOWN: usize = 200;

/// Recent lines, by place.
#[derive(Debug)]
pub(super) struct Duplicates<P> {
    places: HashMap<P, Place>,
    left_out: u64,
}

#[derive(Debug, Default)]
struct Place {
    all: TokenBucket,
    /// Token buckets by hash of the line.
    texts: HashMap<u64, TokenBucket>,
    left_out: u64,
    since: Duration,
    last: String,
}

/// Report of the lines that were left out at one place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Number of lines.
    pub(super) count: u64,
    /// Time within which they were left out.
    pub(super) time: Duration,
    /// Last of the lines, cut at a readable length.
    pub(super) last: String,
}

impl<P> Default for Duplicates<P> {
    fn default() -> Self {
        Self { places: HashMap::new(), left_out: 0 }
    }
}

impl<P: Hash + Eq> Duplicates<P> {
    /// Returns true if a line is to be written. `hash` covers the whole line; `text` is kept for the report. Lines of
    /// debugging levels (`closely`) have a higher rate.
    pub(super) fn admit(
        &mut self,
        place: P,
        closely: bool,
        hash: u64,
        text: impl FnOnce() -> String,
        now: Duration,
    ) -> bool {
        let place = self.places.entry(place).or_default();
        let times = if closely { CLOSELY } else { 1 };
        let wider = |rate: Rate| Rate { burst: rate.burst * times, each: rate.each / times };
        if place.texts.len() >= TEXTS && !place.texts.contains_key(&hash) {
            place.texts.retain(|_, text| !text.is_full(now));
        }
        let same = if place.texts.len() < TEXTS || place.texts.contains_key(&hash) {
            place.texts.entry(hash).or_default().take(wider(SAME), now)
        } else {
            // The line has no bucket of its own; the rate of the place limits it.
            Ok(())
        };
        if same.and_then(|()| place.all.take(wider(PLACE), now)).is_ok() {
            return true;
        }
        if place.left_out == 0 {
            place.since = now;
        }
        place.left_out += 1;
        place.last = text().chars().take(SHOWN).collect();
        self.left_out += 1;
        false
    }

    /// Returns the reports that are due now, or all of them if `at_once`. Forgets places without recent lines.
    pub(super) fn due(&mut self, at_once: bool, now: Duration) -> Vec<LeftOut> {
        let mut due = Vec::new();
        self.places.retain(|_, place| {
            if place.left_out > 0 && (at_once || now.saturating_sub(place.since) >= REPORT_AFTER) {
                let last = std::mem::take(&mut place.last);
                due.push(LeftOut { count: place.left_out, time: now.saturating_sub(place.since), last });
                place.left_out = 0;
            }
            place.texts.retain(|_, text| !text.is_full(now));
            place.left_out > 0 || !place.texts.is_empty() || !place.all.is_full(now)
        });
        due
    }

    /// Returns the number of lines that were left out so far.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Returns the number of different lines that are remembered.
    pub(super) fn remembered(&self) -> usize {
        self.places.values().map(|place| place.texts.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Log {
        duplicates: Duplicates<&'static str>,
        now: Duration,
    }

    impl Log {
        fn new() -> Self {
            Self { duplicates: Duplicates::default(), now: Duration::from_secs(1000) }
        }

        fn admits(&mut self, place: &'static str, text: u64) -> bool {
            self.duplicates.admit(place, false, text, || format!("line {text}"), self.now)
        }

        fn later(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
    }

    fn written(of: impl Iterator<Item = bool>) -> u32 {
        of.map(u32::from).sum()
    }

    #[test]
    fn a_line_again_and_again_is_left_out_and_reported_once() {
        let mut log = Log::new();
        assert_eq!(written((0..1000).map(|_| log.admits("a", 7))), SAME.burst);
        log.later(59);
        assert_eq!(log.duplicates.due(false, log.now), []);
        log.later(1);
        let report = LeftOut { count: 1000 - u64::from(SAME.burst), time: REPORT_AFTER, last: "line 7".to_owned() };
        assert_eq!(log.duplicates.due(false, log.now), [report]);
        log.later(60);
        assert_eq!(log.duplicates.due(false, log.now), []);
        assert_eq!(log.duplicates.left_out(), 980);
    }

    #[test]
    fn errors_that_differ_are_kept() {
        let mut log = Log::new();
        written((0..1000).map(|_| log.admits("a", 0)));
        assert!(log.admits("a", 1) && log.admits("b", 0));
    }

    #[test]
    fn a_line_that_differs_each_time_can_t_fill_a_disk() {
        let mut log = Log::new();
        let mut lines = 0;
        // An hour with twenty lines a second, each of them another one.
        for second in 0..3600 {
            lines += written((0..20).map(|line| log.admits("a", second * 20 + line)));
            lines += u32::try_from(log.duplicates.due(false, log.now).len()).unwrap();
            log.later(1);
        }
        // The burst of a hundred, ten a minute, and one report a minute.
        assert!((750..=765).contains(&lines), "{lines}");
    }

    #[test]
    fn what_is_remembered_has_bounds_and_goes() {
        let mut log = Log::new();
        written((0..10_000).map(|text| log.admits("a", text)));
        assert!(log.duplicates.places["a"].texts.len() <= TEXTS);
        log.later(100_000);
        log.duplicates.due(false, log.now);
        assert!(log.duplicates.places.is_empty());
    }

    #[test]
    fn at_the_end_all_that_was_left_out_is_reported() {
        let mut log = Log::new();
        assert_eq!(written((0..21).map(|_| log.admits("a", 7))), 20);
        assert_eq!(log.duplicates.due(true, log.now).len(), 1);
    }

    #[test]
    fn who_looks_closely_sees_more() {
        let mut log = Log::new();
        let lines = (0..1000).map(|_| log.duplicates.admit("a", true, 7, String::new, log.now));
        assert_eq!(written(lines), CLOSELY * SAME.burst);
    }
}
