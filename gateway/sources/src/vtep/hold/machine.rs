//! Selects the rows in force.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gateway_config::rows::Rows;

use super::{
    kept::{Kept, forwards, merge},
    notice::Notice,
    standing::Standing,
};

/// Selection of the rows in force. Time is passed in, relative to some fixed moment.
#[derive(Debug)]
pub struct Hold {
    times: HoldTimes,
    /// Rows of the database, now or when it was last seen.
    current: Arc<Rows>,
    standing: Standing,
    link: Link,
    /// Logical switches that the database no longer has and that still forward, by name.
    kept: BTreeMap<String, Kept>,
    in_force: Arc<Rows>,
}

/// Hold times, for which forwarding stays unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldTimes {
    /// Hold time while the database cannot be reached. `None`: no limit.
    pub unreachable: Option<Duration>,
    /// Hold time after the database was emptied.
    pub emptied: Duration,
}

impl Default for HoldTimes {
    fn default() -> Self {
        Self { unreachable: None, emptied: Duration::from_secs(300) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// The database has not been seen yet.
    Waiting {
        since: Duration,
    },
    Up,
    Down {
        since: Duration,
    },
    /// Down for longer than the hold time.
    Expired,
}

/// State of forwarding relative to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// The database has not been seen yet. There are no rows; the forwarding that an earlier run has programmed should
    /// stay until then.
    Waiting {
        /// Remaining hold time. `None`: no limit.
        remaining: Option<Duration>,
    },
    /// Forwarding follows the database.
    Following,
    /// The database cannot be reached; forwarding stays unchanged.
    Gone {
        /// Remaining hold time. `None`: no limit.
        remaining: Option<Duration>,
    },
    /// The database was emptied; some logical switches still forward as before.
    Kept {
        /// Number of these logical switches.
        switches: usize,
        /// Remaining hold time.
        remaining: Duration,
    },
    /// The database could not be reached for longer than the hold time. Nothing is forwarded.
    Expired,
}

impl Hold {
    /// Creates the state without rows, from `now` on.
    pub fn new(times: HoldTimes, now: Duration) -> Self {
        Self {
            times,
            current: Arc::default(),
            standing: Standing::default(),
            link: Link::Waiting { since: now },
            kept: BTreeMap::new(),
            in_force: Arc::default(),
        }
    }

    /// Sets new hold times. They also apply to the rows that are held now.
    pub(crate) fn set_times(&mut self, times: HoldTimes) {
        self.times = times;
    }

    /// Returns the rows to forward by.
    pub fn rows(&self) -> &Arc<Rows> {
        &self.in_force
    }

    /// Processes the current rows of the database.
    pub fn update(&mut self, rows: &Arc<Rows>, standing: Standing, now: Duration) -> Option<Notice> {
        let held = self.holds() && !matches!(self.link, Link::Waiting { .. });
        let before = std::mem::replace(&mut self.standing, standing);
        let bound = rows.switches.values().any(|switch| !switch.bindings.is_empty());
        let notice = if standing.emptied(before) {
            self.keep(true, now).map(|kept| Notice::Emptied(kept, self.times.emptied))
        } else if standing.deleted(before) {
            self.keep(true, now).map(|kept| Notice::Deleted(kept, self.times.emptied))
        } else if standing.withdrawn(before) && bound {
            self.keep(false, now).map(|kept| Notice::Withdrawn(kept, self.times.emptied))
        } else {
            None
        };
        self.current = Arc::clone(rows);
        self.link = Link::Up;
        self.compose();
        notice.or_else(|| (held && !self.holds()).then_some(Notice::Restored))
    }

    /// Records that the database cannot be reached.
    pub fn gone(&mut self, now: Duration) -> Option<Notice> {
        if self.link != Link::Up {
            return None;
        }
        self.link = Link::Down { since: now };
        Some(Notice::Gone(self.times.unreachable))
    }

    /// Processes timeouts at `now`.
    pub fn tick(&mut self, now: Duration) -> Option<Notice> {
        let HoldTimes { unreachable, emptied } = self.times;
        let over = |since: Duration| unreachable.is_some_and(|hold| now >= since + hold);
        let link = matches!(self.link, Link::Waiting { since } | Link::Down { since } if over(since));
        let before = self.kept.len();
        self.kept.retain(|_, kept| now < kept.since + emptied);
        if link {
            self.link = Link::Expired;
        }
        let expired = link || self.kept.len() < before;
        if expired {
            self.compose();
        }
        expired.then_some(Notice::Expired)
    }

    /// Returns the time at which to call [`tick`](Self::tick) next.
    pub fn deadline(&self) -> Option<Duration> {
        let link = match self.link {
            Link::Waiting { since } | Link::Down { since } => Some(since),
            Link::Up | Link::Expired => None,
        };
        let link = link.and_then(|since| Some(since + self.times.unreachable?));
        link.into_iter().chain(self.kept.values().map(|kept| kept.since + self.times.emptied)).min()
    }

    /// Returns the state of forwarding.
    pub fn state(&self, now: Duration) -> HoldState {
        let remaining = |since: Duration| Some((since + self.times.unreachable?).saturating_sub(now));
        match self.link {
            Link::Waiting { since } => HoldState::Waiting { remaining: remaining(since) },
            Link::Down { since } => HoldState::Gone { remaining: remaining(since) },
            Link::Expired => HoldState::Expired,
            Link::Up => match self.kept.values().map(|kept| kept.since).max() {
                Some(since) => {
                    let remaining = (since + self.times.emptied).saturating_sub(now);
                    HoldState::Kept { switches: self.kept.len(), remaining }
                }
                None => HoldState::Following,
            },
        }
    }

    fn holds(&self) -> bool {
        self.link != Link::Up || !self.kept.is_empty()
    }

    /// Keeps the logical switches that forward now. The hold time of those that are already kept does not restart.
    /// Returns the number of all that are kept, if there are any.
    fn keep(&mut self, bindings: bool, now: Duration) -> Option<usize> {
        for (name, switch) in self.in_force.switches.iter().filter(|(_, switch)| forwards(switch)) {
            let kept = || Kept { since: now, bindings, switch: Arc::clone(switch) };
            self.kept.entry(name.clone()).or_insert_with(kept).bindings |= bindings;
        }
        (!self.kept.is_empty()).then_some(self.kept.len())
    }

    /// Composes the rows in force.
    fn compose(&mut self) {
        if self.link == Link::Expired {
            self.in_force = Arc::default();
            return;
        }
        let mut rows = Arc::clone(&self.current);
        self.kept.retain(|name, kept| {
            let Some(merged) = merge(name, kept, &self.current) else { return false };
            // An equal switch keeps its `Arc`, so that readers can skip the comparison.
            if *kept.switch != merged {
                kept.switch = Arc::new(merged);
            }
            Arc::make_mut(&mut rows).switches.insert(name.clone(), Arc::clone(&kept.switch));
            true
        });
        self.in_force = rows;
    }
}
