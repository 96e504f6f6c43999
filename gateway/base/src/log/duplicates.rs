//! Which lines are left out because there were too many like them.
//!
//! A line that says what was just said, and a place in the program that has much to say, are held to a rate; what was left
//! out is told once in a while, one line for each place. Lines of one place that differ are held to a wider one, so an
//! error is not lost among others, and whoever sends something different in each frame can't fill a disk all the same.

use std::{collections::HashMap, hash::Hash, time::Duration};

use crate::token_bucket::{TokenBucket, Rate};

/// The same line of one place; what Open vSwitch has for most of its lines.
const SAME: Rate = Rate { burst: 20, each: Duration::from_secs(12) };

/// All lines of one place.
const PLACE: Rate = Rate { burst: 100, each: Duration::from_secs(6) };

/// What is for people who look closely may be so many times as much.
const CLOSELY: u32 = 10;

/// Different lines of one place that are told apart at a time.
const TEXTS: usize = 128;

/// How long after something was left out that is told.
const TELL: Duration = Duration::from_secs(60);

/// Characters of a line that was left out that are shown.
const SHOWN: usize = 200;

/// Lines of late, by place.
#[derive(Debug)]
pub(super) struct Duplicates<P> {
    places: HashMap<P, Place>,
    left_out: u64,
}

#[derive(Debug, Default)]
struct Place {
    all: TokenBucket,
    /// By a hash of the line.
    texts: HashMap<u64, TokenBucket>,
    left_out: u64,
    since: Duration,
    last: String,
}

/// What was left out of one place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// How many lines.
    pub(super) count: u64,
    /// In which time.
    pub(super) time: Duration,
    /// The last of them, cut at a readable length.
    pub(super) last: String,
}

impl<P> Default for Duplicates<P> {
    fn default() -> Self {
        Self { places: HashMap::new(), left_out: 0 }
    }
}

impl<P: Hash + Eq> Duplicates<P> {
    /// True if a line is to be written. `hash` is of the whole of it, `text` what to remember it by. Lines for people who
    /// look `closely` are held to a wider rate.
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
            // It is none of those that are told apart; the place has its rate.
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

    /// What was left out and is to be told now, or `at_once` all of it. Forgets what is long ago.
    pub(super) fn due(&mut self, at_once: bool, now: Duration) -> Vec<LeftOut> {
        let mut due = Vec::new();
        self.places.retain(|_, place| {
            if place.left_out > 0 && (at_once || now.saturating_sub(place.since) >= TELL) {
                let last = std::mem::take(&mut place.last);
                due.push(LeftOut { count: place.left_out, time: now.saturating_sub(place.since), last });
                place.left_out = 0;
            }
            place.texts.retain(|_, text| !text.is_full(now));
            place.left_out > 0 || !place.texts.is_empty() || !place.all.is_full(now)
        });
        due
    }

    /// How many lines were left out so far.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How many different lines are remembered.
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

        fn says(&mut self, place: &'static str, text: u64) -> bool {
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
    fn a_line_again_and_again_is_left_out_and_told_of_once() {
        let mut log = Log::new();
        assert_eq!(written((0..1000).map(|_| log.says("a", 7))), SAME.burst);
        log.later(59);
        assert_eq!(log.duplicates.due(false, log.now), []);
        log.later(1);
        let told = LeftOut { count: 1000 - u64::from(SAME.burst), time: TELL, last: "line 7".to_owned() };
        assert_eq!(log.duplicates.due(false, log.now), [told]);
        log.later(60);
        assert_eq!(log.duplicates.due(false, log.now), []);
        assert_eq!(log.duplicates.left_out(), 980);
    }

    #[test]
    fn errors_that_differ_are_kept() {
        let mut log = Log::new();
        written((0..1000).map(|_| log.says("a", 0)));
        assert!(log.says("a", 1) && log.says("b", 0));
    }

    #[test]
    fn a_line_that_differs_each_time_can_t_fill_a_disk() {
        let mut log = Log::new();
        let mut lines = 0;
        // An hour with twenty lines a second, each of them another one.
        for second in 0..3600 {
            lines += written((0..20).map(|line| log.says("a", second * 20 + line)));
            lines += u32::try_from(log.duplicates.due(false, log.now).len()).unwrap();
            log.later(1);
        }
        // A hundred at once, ten a minute, and a line a minute that tells of the others.
        assert!((750..=765).contains(&lines), "{lines}");
    }

    #[test]
    fn what_is_remembered_has_bounds_and_goes() {
        let mut log = Log::new();
        written((0..10_000).map(|text| log.says("a", text)));
        assert!(log.duplicates.places["a"].texts.len() <= TEXTS);
        log.later(100_000);
        log.duplicates.due(false, log.now);
        assert!(log.duplicates.places.is_empty());
    }

    #[test]
    fn at_the_end_all_that_was_left_out_is_told() {
        let mut log = Log::new();
        assert_eq!(written((0..21).map(|_| log.says("a", 7))), 20);
        assert_eq!(log.duplicates.due(true, log.now).len(), 1);
    }

    #[test]
    fn who_looks_closely_sees_more() {
        let mut log = Log::new();
        let lines = (0..1000).map(|_| log.duplicates.admit("a", true, 7, String::new, log.now));
        assert_eq!(written(lines), CLOSELY * SAME.burst);
    }
}
