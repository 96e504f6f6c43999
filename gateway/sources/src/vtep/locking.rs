//! Lock that selects which of several gateways with one name writes to the database.

use std::time::Duration;

use gateway_ovsdb::{Lock, LockRequest};

/// Grace time before it is a fault that another client holds the lock. A server takes some ten seconds to notice that
/// the node that held it is gone.
const GRACE: Duration = Duration::from_secs(15);

/// State of the lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockState {
    /// No lock is wanted: there is no connection, or another node writes.
    #[default]
    None,
    /// The lock was requested.
    Asked,
    /// This gateway holds the lock, and writes.
    Held,
    /// Another client holds the lock, and this gateway writes nothing.
    Waiting {
        /// Time since which it is so.
        since: Duration,
    },
    /// Another client stole the lock from this gateway, which writes nothing.
    Stolen {
        /// Time since which it is so.
        since: Duration,
    },
    /// The server has no locks; this gateway writes without one.
    Unsupported,
}

/// Requests the lock when it is wanted, and releases it when it is not.
#[derive(Debug, Default)]
pub(super) struct Locking {
    state: LockState,
    /// True if this node has just become the writer: it has to steal the lock from any other holder.
    steal: bool,
}

impl Locking {
    /// Returns the state.
    pub(super) fn state(&self) -> LockState {
        self.state
    }

    /// Makes this node the writer from now on.
    pub(super) fn take_over(&mut self) {
        self.steal = true;
    }

    /// Resets the state, after the connection was lost or replaced.
    pub(super) fn reset(&mut self) {
        self.state = LockState::None;
    }

    /// Returns the next request, depending on whether the lock is `wanted`.
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

    /// Processes the state that the server reports. Returns true if the state has changed.
    pub(super) fn reported(&mut self, lock: Lock, now: Duration) -> bool {
        let state = match (self.state, lock) {
            // The lock was already released.
            (LockState::None, _) => return false,
            (_, Lock::Held) => LockState::Held,
            (_, Lock::Unsupported) => LockState::Unsupported,
            (before @ (LockState::Waiting { .. } | LockState::Stolen { .. }), Lock::Waiting | Lock::Stolen) => before,
            (_, Lock::Waiting) => LockState::Waiting { since: now },
            (_, Lock::Stolen) => LockState::Stolen { since: now },
        };
        std::mem::replace(&mut self.state, state) != state
    }

    /// Returns true if this gateway may write.
    pub(super) fn lets_write(&self) -> bool {
        matches!(self.state, LockState::Held | LockState::Unsupported)
    }

    /// Returns the time at which it becomes a fault that another client holds the lock.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.state {
            LockState::Waiting { since } => Some(since + GRACE),
            _ => None,
        }
    }

    /// Returns true if another client writes in this gateway's place, and has done so for long enough to report it.
    pub(super) fn is_kept_out(&self, now: Duration) -> bool {
        match self.state {
            LockState::Stolen { .. } => true,
            LockState::Waiting { since } => now >= since + GRACE,
            _ => false,
        }
    }
}

/// Returns the name of the lock for the physical switch `switch`. Names of locks consist of letters, digits and `_`.
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
        locking.reported(Lock::Waiting, NOW);
        assert_eq!(locking.request(true), None);
        locking.take_over();
        assert_eq!(locking.request(true), Some(LockRequest::Steal));
        locking.reported(Lock::Held, NOW);
        assert!(locking.lets_write());
    }

    #[test]
    fn a_standby_gives_the_lock_back_and_hears_no_more_of_it() {
        let mut locking = Locking::default();
        locking.request(true);
        locking.reported(Lock::Held, NOW);
        assert_eq!(locking.request(false), Some(LockRequest::Release));
        assert_eq!(locking.request(false), None);
        assert!(!locking.reported(Lock::Held, NOW) && !locking.lets_write());
    }

    #[test]
    fn a_lock_that_another_one_has_is_a_fault_after_a_while_and_a_stolen_one_at_once() {
        let mut locking = Locking::default();
        locking.request(true);
        locking.reported(Lock::Waiting, NOW);
        assert_eq!((locking.is_kept_out(NOW), locking.deadline()), (false, Some(NOW + GRACE)));
        assert!(!locking.reported(Lock::Waiting, NOW + GRACE));
        assert!(locking.is_kept_out(NOW + GRACE));
        locking.reported(Lock::Held, NOW + GRACE);
        assert!(!locking.is_kept_out(NOW + GRACE));
        locking.reported(Lock::Stolen, NOW + GRACE);
        assert!(locking.is_kept_out(NOW + GRACE));
    }
}
