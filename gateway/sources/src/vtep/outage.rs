//! Rate limit of log lines while the database cannot be reached. A new reason is logged at once, but not each of a
//! thousand attempts.

use std::{collections::BTreeMap, time::Duration};

use gateway_ovsdb::Cause;

/// Interval of repeated log lines while the database cannot be reached.
const EVERY: Duration = Duration::from_secs(60);
/// Limit of reasons that are logged in an interval.
const REASONS: u32 = 10;

/// Record of the logged reasons.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// Failure that was logged for each server.
    logged: BTreeMap<String, (Cause, String)>,
    again: Option<Duration>,
    lines: u32,
    last: Option<(String, String, Cause)>,
}

impl Outage {
    /// Records that a connection to `remote` was lost, or could not be made. Returns true if this is to be logged: the
    /// reason differs from the last one logged for this server, or that was a while ago.
    pub(super) fn down(&mut self, remote: &str, reason: &str, cause: Cause, now: Duration) -> bool {
        self.last = Some((remote.to_owned(), reason.to_owned(), cause));
        if self.again.is_none_or(|again| now >= again) {
            self.again = Some(now + EVERY);
            self.lines = 0;
        } else if self.lines >= REASONS
            || self.logged.get(remote).is_some_and(|logged| logged.0 == cause && logged.1 == without_digits(reason))
        {
            return false;
        }
        self.lines += 1;
        self.logged.insert(remote.to_owned(), (cause, without_digits(reason)));
        true
    }

    /// Records that there is a connection again.
    pub(super) fn over(&mut self) {
        *self = Self::default();
    }

    /// Returns the server that failed last, with the reason.
    pub(super) fn last(&self) -> Option<&(String, String, Cause)> {
        self.last.as_ref()
    }
}

/// Removes digits: reasons that differ only in a duration are the same.
fn without_digits(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_reason_is_logged_at_once_and_again_when_it_is_another_one() {
        let mut outage = Outage::default();
        let mut is_logged = |reason: &str, second| outage.down("tcp:a", reason, Cause::Closed, SECOND * second);
        assert!(is_logged("it closed the connection", 0));
        assert!(!is_logged("it closed the connection", 1));
        assert!(is_logged("its schema can't be read", 2));
        assert!(!is_logged("its schema can't be read", 3));
        assert!(is_logged("its schema can't be read", 60));
        assert_eq!(outage.last().unwrap().1, "its schema can't be read");
    }

    #[test]
    fn a_time_in_the_reason_does_not_make_another_one_of_it() {
        let mut outage = Outage::default();
        assert!(outage.down("tcp:a", "silent for 5.0s", Cause::Silent, SECOND));
        assert!(!outage.down("tcp:a", "silent for 5.1s", Cause::Silent, SECOND * 2));
    }

    #[test]
    fn each_server_has_its_own_reason_and_there_is_a_limit() {
        let mut outage = Outage::default();
        assert!(outage.down("tcp:a", "x", Cause::Closed, SECOND));
        assert!(outage.down("tcp:b", "x", Cause::Closed, SECOND));
        let reasons = (b'a'..=b'z').map(|letter| char::from(letter).to_string().repeat(3));
        let logged = reasons.filter(|reason| outage.down("tcp:a", reason, Cause::Protocol, SECOND)).count();
        assert_eq!(logged, REASONS as usize - 2);
    }

    #[test]
    fn after_a_connection_all_is_news() {
        let mut outage = Outage::default();
        outage.down("tcp:a", "x", Cause::Closed, SECOND);
        outage.over();
        assert_eq!(outage.last(), None);
        assert!(outage.down("tcp:a", "x", Cause::Closed, SECOND));
    }
}
