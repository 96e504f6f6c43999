//! The right to forward: which advertisements have left, and what lease follows from them.

use std::{collections::VecDeque, time::Duration};

use super::{Interval, Time, Token};

/// An advertisement that is not lost is in the other nodes' sockets so soon after it has left.
pub const DELAY: Duration = Duration::from_millis(2);

/// From the word that an advertisement has left to the lease that is claimed with it: at least twice [`DELAY`], so that
/// of two nodes that claim at once at least one hears the other before it decides.
pub const CLAIM: Duration = Duration::from_millis(5);

/// A lease that is about to end is not renewed: the renewing advertisement has to arrive before another node, whose
/// clock may be ahead, would decide.
pub const GUARD: Duration = Duration::from_millis(5);

/// How much later than its interval an advertisement may leave and still renew a lease at once: no more than the least
/// tick of a coarse clock, by which every lease is shortened.
const LATENESS: Duration = Duration::from_millis(1);

/// Three intervals are shortened by this part, so that they end before three intervals of another node whose clock runs
/// 0.1 % faster than true while this one's is 0.1 % slow.
const DRIFT: u32 = 500;

/// Advertisements that can be on their way at a time. More means that the word of leaving does not come at all.
const ROOM: usize = 16;

/// One node's right to forward.
///
/// Advertisements that leave one after the other, none later than its interval, are a *chain*. Everybody who hears at
/// all knows of a node whose chain goes on. At the beginning of a chain (after a start, after a stall) it may be that
/// nobody does, so the first lease needs a claim: it is given some time after the advertisement has left, if by then
/// nobody else was heard who may forward. After that each advertisement renews it at once.
#[derive(Clone, Debug, Default)]
pub(super) struct LeaseState {
    on_the_way: VecDeque<Sent>,
    /// When the sending of the latest one that left began, and its interval.
    previous: Option<(Time, Interval)>,
    /// The chain has been claimed with.
    sure: bool,
    /// The end of the lease that can be claimed now.
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
    /// With a lease that an earlier process has left behind.
    pub(super) fn resumed(end: Time) -> Self {
        Self { end: Some(end), ..Self::default() }
    }

    /// The end of the lease.
    pub(super) fn end(&self) -> Option<Time> {
        self.end
    }

    /// Whether the word of leaving is awaited.
    pub(super) fn waits(&self) -> bool {
        !self.on_the_way.is_empty()
    }

    /// Whether this node forwards by a claim, and had advertised without a gap until `at`.
    pub(super) fn is_whole(&self, at: Time) -> bool {
        self.sure && self.previous.is_some_and(|(previous, interval)| in_time(previous, interval, at))
    }

    /// When the sending of the latest advertisement that left began.
    pub(super) fn sent_at(&self) -> Option<Time> {
        self.previous.map(|(previous, _)| previous)
    }

    /// An advertisement is to be sent. All that had arrived at `drained` was known when this was decided.
    pub(super) fn sent(&mut self, token: Token, interval: Interval, drained: Time) {
        if self.on_the_way.len() == ROOM {
            self.on_the_way.pop_front();
        }
        self.on_the_way.push_back(Sent { token, drained, interval });
    }

    /// It could not be sent. False: it is of no interest.
    pub(super) fn failed(&mut self, token: Token) -> bool {
        self.take(token).is_some()
    }

    /// It has left: the end of the lease if that renews it.
    ///
    /// The lease starts when everything was read before it, not when it was sent: a process that stalls in between would
    /// otherwise go on for three intervals knowing nothing of what came meanwhile.
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

    /// Takes the lease that can be claimed, if there is one. Only to be called when all that arrived before `now` is
    /// known, and no other node may forward.
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

    /// Whether there was a lease that can't be renewed any more.
    pub(super) fn lapsed(&self, now: Time) -> bool {
        self.end.is_none_or(|end| end <= now + GUARD)
    }

    /// When [`Self::lapsed`] begins to be so.
    pub(super) fn lapse(&self) -> Option<Time> {
        self.end.map(|end| end.saturating_sub(GUARD))
    }

    /// When to look again: a lease can be claimed then. In the past if it could be claimed already.
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

/// Whether `at` is no later than the next advertisement may leave.
fn in_time(previous: Time, interval: Interval, at: Time) -> bool {
    at.saturating_sub(previous) <= interval.duration() + LATENESS
}
