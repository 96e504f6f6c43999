//! The lock that says which of several gateways with one name writes to the database.

use std::time::Duration;

use gateway_ovsdb::{Lock, LockRequest};

/// How long another one may have the lock before that is a fault: a server takes some ten seconds to notice that a node is
/// gone which had it.
const GRACE: Duration = Duration::from_secs(15);

/// How it stands with the lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockState {
    /// None is wanted: there is no connection, or another node writes.
    #[default]
    None,
    /// It was asked for.
    Asked,
    /// This gateway has it, and writes.
    Held,
    /// Another one has it, and this gateway writes nothing.
    Waiting {
        /// Since when.
        since: Duration,
    },
    /// Another one took it from this gateway, which writes nothing.
    Stolen {
        /// Since when.
        since: Duration,
    },
    /// The server has no locks; this gateway writes without.
    Unsupported,
}

/// Asks for the lock when it is wanted, and gives it back when it is not.
#[derive(Debug, Default)]
pub(super) struct Locking {
    state: LockState,
    /// This node has just become the one that writes: whoever has the lock should not.
    steal: bool,
}

impl Locking {
    /// How it stands.
    pub(super) fn state(&self) -> LockState {
        self.state
    }

    /// This node is the one to write, from now on.
    pub(super) fn take_over(&mut self) {
        self.steal = true;
    }

    /// There is another connection, or none.
    pub(super) fn reset(&mut self) {
        self.state = LockState::None;
    }

    /// What to ask for, if the lock is `wanted` or is not.
    pub(super) fn request(&mut self, wanted: bool) -> Option<LockRequest> {
        match (wanted, self.state) {
            (true, LockState::Held | LockState::Asked | LockState::Unsupported) => {
                self.steal = false;
                None
            }
            (true, LockState::None) => {
                self.state = LockState::Asked;
                Some(if std::mem::take(&mut self.steal) { LockRequest::Steal } else { LockRequest::Wait })
            }
            (true, LockState::Waiting { .. } | LockState::Stolen { .. }) => {
                std::mem::take(&mut self.steal).then(|| {
                    self.state = LockState::Asked;
                    LockRequest::Steal
                })
            }
            (false, LockState::None) => None,
            (false, _) => {
                (self.state, self.steal) = (LockState::None, false);
                Some(LockRequest::Release)
            }
        }
    }

    /// The server says how it stands. True if that is something else than before.
    pub(super) fn told(&mut self, lock: Lock, now: Duration) -> bool {
        let state = match (self.state, lock) {
            // Given back already.
            (LockState::None, _) => return false,
            (_, Lock::Held) => LockState::Held,
            (_, Lock::Unsupported) => LockState::Unsupported,
            (before @ (LockState::Waiting { .. } | LockState::Stolen { .. }), Lock::Waiting | Lock::Stolen) => before,
            (_, Lock::Waiting) => LockState::Waiting { since: now },
            (_, Lock::Stolen) => LockState::Stolen { since: now },
        };
        std::mem::replace(&mut self.state, state) != state
    }

    /// Whether something may be written.
    pub(super) fn lets_write(&self) -> bool {
        matches!(self.state, LockState::Held | LockState::Unsupported)
    }

    /// When another one having the lock becomes a fault.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.state {
            LockState::Waiting { since } => Some(since + GRACE),
            _ => None,
        }
    }

    /// Another one writes in this gateway's place, and has for long enough to say so.
    pub(super) fn is_kept_out(&self, now: Duration) -> bool {
        match self.state {
            LockState::Stolen { .. } => true,
            LockState::Waiting { since } => now >= since + GRACE,
            _ => false,
        }
    }
}

/// The name of the lock for the physical switch `switch`: names of locks are letters, digits and `_`.
pub(super) fn name(switch: &str) -> String {
    let mut name = String::from("vtep_gateway_");
    for byte in switch.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => name.push(char::from(byte)),
            other => name.push_str(&format!("_{other:02x}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn names_of_switches_become_names_of_locks_one_to_one() {
        assert_eq!(name("gw1"), "vtep_gateway_gw1");
        assert_eq!(name("gw-1"), "vtep_gateway_gw_2d1");
        assert_eq!(name("gw_2d1"), "vtep_gateway_gw_5f2d1");
        assert!(name("gw 1ä").bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    }

    #[test]
    fn a_node_that_takes_over_does_not_wait_for_the_one_before() {
        let mut locking = Locking::default();
        assert_eq!(locking.request(true), Some(LockRequest::Wait));
        locking.told(Lock::Waiting, NOW);
        assert_eq!(locking.request(true), None);
        locking.take_over();
        assert_eq!(locking.request(true), Some(LockRequest::Steal));
        locking.told(Lock::Held, NOW);
        assert!(locking.lets_write());
    }

    #[test]
    fn a_standby_gives_the_lock_back_and_hears_no_more_of_it() {
        let mut locking = Locking::default();
        locking.request(true);
        locking.told(Lock::Held, NOW);
        assert_eq!(locking.request(false), Some(LockRequest::Release));
        assert_eq!(locking.request(false), None);
        assert!(!locking.told(Lock::Held, NOW) && !locking.lets_write());
    }

    #[test]
    fn a_lock_that_another_one_has_is_a_fault_after_a_while_and_a_stolen_one_at_once() {
        let mut locking = Locking::default();
        locking.request(true);
        locking.told(Lock::Waiting, NOW);
        assert_eq!((locking.is_kept_out(NOW), locking.deadline()), (false, Some(NOW + GRACE)));
        assert!(!locking.told(Lock::Waiting, NOW + GRACE));
        assert!(locking.is_kept_out(NOW + GRACE));
        locking.told(Lock::Held, NOW + GRACE);
        assert!(!locking.is_kept_out(NOW + GRACE));
        locking.told(Lock::Stolen, NOW + GRACE);
        assert!(locking.is_kept_out(NOW + GRACE));
    }
}
