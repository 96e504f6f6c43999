//! Time limits of a server: a connection on which bytes come may still be unusable.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::failure::Failure;

/// Timeout for the reply to a request.
const ANSWER: Duration = Duration::from_secs(60);
/// Timeout for the complete contents, and for receiving any single message.
const SNAPSHOT: Duration = Duration::from_secs(180);

/// Times of the requests without a reply, and of the message that is being received.
#[derive(Debug, Default)]
pub(crate) struct Timeouts {
    asked: VecDeque<(u64, Instant)>,
    within_since: Option<Instant>,
    /// True while the complete contents are awaited.
    patient: bool,
}

impl Timeouts {
    /// Records the current state. Requests up to the number `last` were sent; `is_open` returns true for those without
    /// a reply. `within` is true if a message has begun and not ended. `patient` is true if the complete contents are
    /// awaited.
    pub(crate) fn note(&mut self, now: Instant, last: u64, is_open: impl Fn(u64) -> bool, within: bool, patient: bool) {
        while self.asked.front().is_some_and(|(id, _)| !is_open(*id)) {
            self.asked.pop_front();
        }
        let next = self.asked.back().map_or(1, |(id, _)| id + 1);
        self.asked.extend((next..=last).filter(|id| is_open(*id)).map(|id| (id, now)));
        self.within_since = within.then(|| self.within_since.unwrap_or(now));
        if self.patient && !patient {
            // Requests sent in the meantime are answered after the contents.
            self.asked.iter_mut().for_each(|(_, at)| *at = now);
        }
        self.patient = patient;
    }

    /// Records that a message was complete. The next one has its own timeout.
    pub(crate) fn message_ended(&mut self) {
        self.within_since = None;
    }

    /// Returns the time at which to check again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let asked = self.asked.front().map(|(_, at)| *at + self.answer());
        asked.into_iter().chain(self.within_since.map(|at| at + SNAPSHOT)).min()
    }

    /// Checks the timeouts.
    pub(crate) fn check(&self, now: Instant) -> Result<(), Failure> {
        if let Some((_, at)) = self.asked.front().filter(|(_, at)| now >= *at + self.answer()) {
            return Err(Failure::Unanswered(now - *at));
        }
        match self.within_since.filter(|at| now >= *at + SNAPSHOT) {
            Some(at) => Err(Failure::Slow(now - at)),
            None => Ok(()),
        }
    }

    fn answer(&self) -> Duration {
        if self.patient { SNAPSHOT } else { ANSWER }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do to start from")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_oldest_request_without_an_answer_counts() {
        let (now, mut timeouts) = (start(), Timeouts::default());
        let second = Duration::from_secs(1);
        timeouts.note(now, 2, |_| true, false, false);
        timeouts.note(now + second, 3, |id| id != 1, false, false);
        assert_eq!(timeouts.deadline(), Some(now + ANSWER));
        assert!(matches!(timeouts.check(now + ANSWER), Err(Failure::Unanswered(_))));
        timeouts.note(now + second * 2, 3, |id| id == 3, false, false);
        assert_eq!(timeouts.deadline(), Some(now + second + ANSWER));
        timeouts.note(now + second * 3, 3, |_| false, false, false);
        assert_eq!(timeouts.deadline(), None);
    }

    #[test]
    fn a_snapshot_may_take_longer_and_not_for_ever() {
        let (now, mut timeouts) = (start(), Timeouts::default());
        timeouts.note(now, 1, |_| true, false, true);
        assert!(timeouts.check(now + ANSWER).is_ok());
        assert!(matches!(timeouts.check(now + SNAPSHOT), Err(Failure::Unanswered(_))));
    }

    #[test]
    fn what_was_asked_for_beside_the_snapshot_has_its_time_after_it() {
        let (now, mut timeouts) = (start(), Timeouts::default());
        timeouts.note(now, 2, |_| true, false, true);
        timeouts.note(now + ANSWER * 2, 2, |id| id == 2, false, false);
        assert_eq!(timeouts.deadline(), Some(now + ANSWER * 3));
    }

    #[test]
    fn a_message_that_never_ends_is_not_waited_for_for_ever() {
        let (now, mut timeouts) = (start(), Timeouts::default());
        timeouts.note(now, 0, |_| false, true, false);
        timeouts.note(now + SNAPSHOT / 2, 0, |_| false, true, false);
        assert_eq!(timeouts.deadline(), Some(now + SNAPSHOT));
        assert!(matches!(timeouts.check(now + SNAPSHOT), Err(Failure::Slow(_))));
        timeouts.message_ended();
        timeouts.note(now + SNAPSHOT, 0, |_| false, true, false);
        assert!(timeouts.check(now + SNAPSHOT).is_ok());
    }
}
