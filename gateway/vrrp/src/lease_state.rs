//! Lease state: tracks the advertisements that were transmitted, and derives the lease from them.

use std::{collections::VecDeque, time::Duration};

use super::{Interval, Time, Token};

/// Longest time from the transmission of an advertisement until it is in the sockets of the other nodes, unless it is
/// lost.
pub const DELAY: Duration = Duration::from_millis(2);

/// Time from the report that an advertisement was transmitted until its lease can be claimed. It is at least twice
/// [`DELAY`]: if two nodes claim at once, at least one of them receives the other's advertisement before it decides.
pub const CLAIM: Duration = Duration::from_millis(5);

/// A lease that ends sooner than this is not renewed. The clock of another node may be ahead, and the renewing
/// advertisement has to arrive before that node decides.
pub const GUARD: Duration = Duration::from_millis(5);

/// The most by which an advertisement may exceed its interval and still renew a lease at once. It is not longer than
/// the shortest tick of a coarse clock, by which every lease is shortened.
const LATENESS: Duration = Duration::from_millis(1);

/// Divisor of the part by which three intervals are shortened. They then end before three intervals of another node,
/// even if that node's clock runs 0.1 % faster than true time and this node's clock 0.1 % slower.
const DRIFT: u32 = 500;

/// The most advertisements without a TX timestamp at a time. If there are more, TX timestamps do not arrive at all.
const ROOM: usize = 16;

/// Lease state of one node: its right to forward.
///
/// Advertisements that are sent one after the other, none later than its interval, are a *chain*. Every node that
/// receives anything knows of a node with an unbroken chain. At the beginning of a chain (after a start or a stall)
/// possibly no node knows of it. The first lease therefore needs a claim: it starts some time after the advertisement
/// was transmitted, unless an advertisement of a node that may forward has arrived by then. After that, each
/// advertisement renews the lease at once.
#[derive(Clone, Debug, Default)]
pub(super) struct LeaseState {
    on_the_way: VecDeque<Sent>,
    /// Time at which the sending of the latest transmitted advertisement was started, and its interval.
    previous: Option<(Time, Interval)>,
    /// True if a lease was claimed with this chain.
    sure: bool,
    /// End of the lease that can be claimed now.
    ripe: Option<Time>,
    ripening: Option<Ripening>,
    end: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    token: Token,
    drained: Time,
    interval: Interval,
}

#[derive(Clone, Copy, Debug)]
struct Ripening {
    at: Time,
    end: Time,
}

impl LeaseState {
    /// Creates the state with a lease that an earlier process has left behind.
    pub(super) fn resumed(end: Time) -> Self {
        Self { end: Some(end), ..Self::default() }
    }

    /// Returns the end of the lease.
    pub(super) fn end(&self) -> Option<Time> {
        self.end
    }

    /// Returns true while a TX timestamp is pending.
    pub(super) fn waits(&self) -> bool {
        !self.on_the_way.is_empty()
    }

    /// Returns true if this node forwards by a claim, and had advertised without a gap until `at`.
    pub(super) fn is_whole(&self, at: Time) -> bool {
        self.sure && self.previous.is_some_and(|(previous, interval)| in_time(previous, interval, at))
    }

    /// Returns the time at which the sending of the latest transmitted advertisement was started.
    pub(super) fn sent_at(&self) -> Option<Time> {
        self.previous.map(|(previous, _)| previous)
    }

    /// Records an advertisement that is to be sent. Everything that had arrived by `drained` was known at the decision.
    pub(super) fn sent(&mut self, token: Token, interval: Interval, drained: Time) {
        if self.on_the_way.len() == ROOM {
            self.on_the_way.pop_front();
        }
        self.on_the_way.push_back(Sent { token, drained, interval });
    }

    /// Records that an advertisement could not be sent. Returns false if it is unknown.
    pub(super) fn failed(&mut self, token: Token) -> bool {
        self.take(token).is_some()
    }

    /// Records that an advertisement was transmitted. Returns the new end of the lease if this renews it.
    ///
    /// The lease starts at the time up to which everything was read, not at the time of sending. A process that stalls
    /// in between would otherwise forward for three intervals without knowing what arrived meanwhile.
    pub(super) fn tx_completed(&mut self, token: Token, started: Time, now: Time, lag: Duration) -> Option<Time> {
        let sent = self.take(token)?;
        let three = sent.interval.three();
        let end = (sent.drained.min(started) + three).saturating_sub(three / DRIFT + lag);
        let follows = self.previous.is_some_and(|(previous, interval)| in_time(previous, interval, now));
        if self.previous.is_none_or(|(previous, _)| previous <= started) {
            self.previous = Some((started, sent.interval));
        }
        if !follows {
            self.sure = false;
            self.ripe = None;
            self.ripening = None;
        }
        if self.sure {
            return self.extend(end, now);
        }
        self.ripen(now);
        self.ripening.get_or_insert(Ripening { at: now + CLAIM, end });
        None
    }

    /// Takes the lease that can be claimed, if there is one. Must be called only if everything that arrived before
    /// `now` is known and no other node may forward.
    pub(super) fn claim(&mut self, now: Time) -> Option<Time> {
        self.ripen(now);
        if self.sure {
            return None;
        }
        let end = self.ripe.filter(|end| now + GUARD < *end)?;
        self.sure = true;
        self.ripe = None;
        self.ripening = None;
        self.end = self.end.max(Some(end));
        self.end
    }

    /// Returns true if there is no lease that can still be renewed.
    pub(super) fn lapsed(&self, now: Time) -> bool {
        self.end.is_none_or(|end| end <= now + GUARD)
    }

    /// Returns the time from which [`Self::lapsed`] is true.
    pub(super) fn lapse(&self) -> Option<Time> {
        self.end.map(|end| end.saturating_sub(GUARD))
    }

    /// Returns the time of the next call of [`Self::claim`]: a lease can be claimed then. It is in the past if a lease
    /// can be claimed already.
    pub(super) fn claimable(&self) -> Option<Time> {
        if self.ripe.is_some() { Some(Time::ZERO) } else { self.ripening.map(|ripening| ripening.at) }
    }

    fn extend(&mut self, end: Time, now: Time) -> Option<Time> {
        if self.lapsed(now) || self.end >= Some(end) {
            return None;
        }
        self.end = Some(end);
        self.end
    }

    fn ripen(&mut self, now: Time) {
        if let Some(ripening) = self.ripening.take_if(|ripening| ripening.at <= now) {
            self.ripe = Some(ripening.end);
        }
        self.ripe = self.ripe.filter(|end| now + GUARD < *end);
    }

    fn take(&mut self, token: Token) -> Option<Sent> {
        let at = self.on_the_way.iter().position(|sent| sent.token == token)?;
        self.on_the_way.remove(at)
    }
}

/// Returns true if `at` is no later than the time by which the next advertisement must be sent.
fn in_time(previous: Time, interval: Interval, at: Time) -> bool {
    at.saturating_sub(previous) <= interval.duration() + LATENESS
}
