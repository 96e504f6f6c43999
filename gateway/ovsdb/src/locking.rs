//! State of the lock of a client (RFC 7047, sections 4.1.8 to 4.1.10).

use super::{Lock, LockRequest};

/// Lock that was requested on a connection, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Locking {
    /// Its name, and its state once the server has reported it.
    lock: Option<(String, Option<Lock>)>,
    /// Number of requests. Replies to earlier requests are ignored.
    round: u64,
}

impl Locking {
    /// Returns the methods to call, each with the name of a lock. A [`LockRequest::Wait`] needs none if a lock was
    /// already requested.
    pub(crate) fn request(&mut self, name: &str, request: LockRequest) -> Vec<(&'static str, String)> {
        let before = self.lock.take();
        // A client has to alternate between requesting a lock and releasing it.
        let unlock = |(name, _)| ("unlock", name);
        let mut calls = match (request, before) {
            (LockRequest::Wait, Some(before)) => {
                self.lock = Some(before);
                return Vec::new();
            }
            (LockRequest::Release, before) => return before.map(unlock).into_iter().collect(),
            (_, before) => before.map(unlock).into_iter().collect::<Vec<_>>(),
        };
        calls.push((if request == LockRequest::Steal { "steal" } else { "lock" }, name.to_owned()));
        self.lock = Some((name.to_owned(), None));
        self.round += 1;
        calls
    }

    /// Returns the number of requests.
    pub(crate) fn round(&self) -> u64 {
        self.round
    }

    /// Returns the state of the lock; `None` while it is unknown, or if no lock was requested.
    pub(crate) fn state(&self) -> Option<Lock> {
        self.lock.as_ref().and_then(|(_, state)| *state)
    }

    /// Processes the reply to the request of `round`. Returns the state if it is new.
    pub(crate) fn answered(&mut self, round: u64, state: Lock) -> Option<Lock> {
        let (_, known) = self.lock.as_mut().filter(|_| round == self.round)?;
        // The notification that another client released the lock may come before the reply.
        (known.replace(state) != Some(state)).then_some(state)
    }

    /// Processes a notification that the lock `name` was given to this client, or stolen from it. Returns the state if
    /// it is new.
    pub(crate) fn notified(&mut self, name: &str, state: Lock) -> Option<Lock> {
        let (_, known) = self.lock.as_mut().filter(|(own, _)| own == name)?;
        let is_news = match state {
            Lock::Stolen => *known == Some(Lock::Held),
            _ => *known != Some(state),
        };
        is_news.then(|| *known = Some(state))?;
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods(locking: &mut Locking, request: LockRequest) -> Vec<&'static str> {
        locking.request("gw1", request).into_iter().map(|(method, _)| method).collect()
    }

    #[test]
    fn a_lock_is_requested_once_and_released_once() {
        let mut locking = Locking::default();
        assert_eq!(methods(&mut locking, LockRequest::Wait), ["lock"]);
        assert_eq!(methods(&mut locking, LockRequest::Wait), [""; 0]);
        assert_eq!(methods(&mut locking, LockRequest::Release), ["unlock"]);
        assert_eq!(methods(&mut locking, LockRequest::Release), [""; 0]);
    }

    #[test]
    fn a_client_that_waits_gives_up_its_place_before_it_steals() {
        let mut locking = Locking::default();
        methods(&mut locking, LockRequest::Wait);
        assert_eq!(methods(&mut locking, LockRequest::Steal), ["unlock", "steal"]);
        assert_eq!(locking.answered(1, Lock::Waiting), None, "that was the first request");
        assert_eq!(locking.answered(2, Lock::Held), Some(Lock::Held));
    }

    #[test]
    fn a_lock_is_lost_to_a_thief_and_comes_back() {
        let mut locking = Locking::default();
        methods(&mut locking, LockRequest::Wait);
        assert_eq!(locking.answered(1, Lock::Held), Some(Lock::Held));
        assert_eq!(locking.notified("other", Lock::Stolen), None);
        assert_eq!(locking.notified("gw1", Lock::Stolen), Some(Lock::Stolen));
        assert_eq!(locking.notified("gw1", Lock::Stolen), None);
        assert_eq!(locking.notified("gw1", Lock::Held), Some(Lock::Held));
        assert_eq!(locking.state(), Some(Lock::Held));
    }

    #[test]
    fn a_notification_about_a_released_lock_changes_nothing() {
        let mut locking = Locking::default();
        methods(&mut locking, LockRequest::Wait);
        methods(&mut locking, LockRequest::Release);
        assert_eq!((locking.answered(1, Lock::Held), locking.notified("gw1", Lock::Held)), (None, None));
        assert_eq!(locking.notified("gw1", Lock::Stolen), None);
    }
}
