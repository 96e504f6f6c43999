//! Holds forwarding while the database is gone, because stale is better than empty.
//!
//! A removed network, a stopped controller and a lost database look alike to the gateway. It distinguishes them by the
//! rows that are left:
//!
//! | what happened | what is seen | what is done |
//! |---|---|---|
//! | the database cannot be reached | the connection is down | forwarding stays, for ever or for as long as is configured |
//! | `ovn-controller-vtep` has exited | no tunnel key and no remote MAC is left, all at once; bindings are | each switch keeps its VNI, MACs and flood set for a while, or until a controller gives it new ones |
//! | the database was recreated | this gateway's own rows are gone and no switch is left | each switch stays for a while, with its bindings, or until it is created and bound again |
//! | this gateway's own row was deleted | it is gone, and its ports with it; switches are left | each switch keeps its bindings for a while, or until it is bound again |
//! | an operator removes bindings or a switch | the rest stays | it takes effect at once |

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use gateway_config::rows::{LogicalSwitch, Rows};

use super::{Identity, Mirror, rows::TunnelKey};

/// State machine that selects the rows in force. Time is passed in, relative to some fixed moment.
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

/// Counts that show whether a controller fills the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// True if this gateway's row in `Physical_Switch` exists.
    pub registered: bool,
    /// Number of logical switches.
    pub switches: usize,
    /// Number of logical switches with a VNI.
    pub bound: usize,
    /// Number of logical switches with a `tunnel_key` of zero.
    pub zero: usize,
    /// Number of remote MACs.
    pub macs: usize,
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

#[derive(Debug)]
struct Kept {
    since: Duration,
    /// True if its bindings are kept too.
    bindings: bool,
    switch: Arc<LogicalSwitch>,
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

/// Notification of a state change, reported once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The database cannot be reached. Forwarding stays for this time, or without limit.
    Gone(Option<Duration>),
    /// Everything was withdrawn from this number of logical switches, as by a controller that exits. Holds the hold
    /// time too.
    Withdrawn(usize, Duration),
    /// The database was recreated. It had this number of logical switches. Holds the hold time too.
    Emptied(usize, Duration),
    /// This gateway's row was deleted. This number of logical switches forwarded. Holds the hold time too.
    Deleted(usize, Duration),
    /// The database is back, or a controller has filled it.
    Restored,
    /// The hold time is over.
    Expired,
}

impl Standing {
    /// Returns the counts of `mirror`.
    pub fn of(mirror: &Mirror, identity: &Identity) -> Self {
        let count = |is: fn(TunnelKey) -> bool| mirror.switches.values().filter(|row| is(row.key)).count();
        Self {
            registered: mirror.physical_switch(&identity.name).is_some(),
            switches: mirror.switches.len(),
            bound: count(|key| key.vni().is_some()),
            zero: count(|key| key == TunnelKey::Zero),
            macs: mirror.remote.len(),
        }
    }

    /// Returns true if the controller that filled the database as of `before` has exited. A controller that exits
    /// empties the tunnel keys, and deletes its MACs in the same transaction or in the next ones. For a network that is
    /// removed it writes a zero.
    fn withdrawn(self, before: Self) -> bool {
        let none_left = before.bound > 0 && self.bound == 0;
        none_left && (self.zero <= before.zero || (before.bound > 1 && self.macs == 0))
    }

    /// Returns true if the database was recreated.
    fn emptied(self, before: Self) -> bool {
        self.deleted(before) && before.switches > 0 && self.switches == 0
    }

    /// Returns true if this gateway's own row was deleted, which this gateway never does itself.
    fn deleted(self, before: Self) -> bool {
        before.registered && !self.registered
    }
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
    pub fn picture(&mut self, rows: &Arc<Rows>, standing: Standing, now: Duration) -> Option<Notice> {
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
            let Some(together) = together(name, kept, &self.current) else { return false };
            // An equal switch keeps its `Arc`, so that readers can skip the comparison.
            if *kept.switch != together {
                kept.switch = Arc::new(together);
            }
            Arc::make_mut(&mut rows).switches.insert(name.clone(), Arc::clone(&kept.switch));
            true
        });
        self.in_force = rows;
    }
}

fn forwards(switch: &LogicalSwitch) -> bool {
    switch.vni.is_some() && !switch.bindings.is_empty()
}

/// Merges a kept switch with the current rows of the database. `None`: the switch follows the database again.
fn together(name: &str, kept: &Kept, current: &Rows) -> Option<LogicalSwitch> {
    let Kept { bindings, switch, .. } = kept;
    if current.switches.iter().any(|(other, row)| other != name && row.vni == switch.vni) {
        return None;
    }
    let filled = |now: &LogicalSwitch| {
        now.vni.is_some() && (now.vni != switch.vni || !now.macs.is_empty() || !now.flood.is_empty())
    };
    let row = current.switches.get(name);
    let Some(now) = row.filter(|now| !now.bindings.is_empty()) else {
        return bindings.then(|| {
            let kept = without_taken(name, switch, current);
            match row.filter(|row| filled(row)) {
                // A controller continues to fill the switch: only the bindings are kept.
                Some(row) => LogicalSwitch { bindings: kept.bindings, ..(**row).clone() },
                None => kept,
            }
        });
    };
    (!filled(now)).then(|| LogicalSwitch { bindings: now.bindings.clone(), ..(**switch).clone() })
}

/// Returns `kept` without the bindings that now belong to another switch.
fn without_taken(name: &str, kept: &LogicalSwitch, current: &Rows) -> LogicalSwitch {
    let others = || current.switches.iter().filter(|(other, _)| *other != name);
    let mut kept = kept.clone();
    kept.bindings.retain(|binding| !others().any(|(_, other)| other.bindings.contains(binding)));
    kept
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(None) => f.write_str("the database is gone: forwarding stays as it is until it is back"),
            Self::Gone(Some(hold)) => {
                write!(f, "the database is gone: forwarding stays as it is for {} seconds at most", hold.as_secs())
            }
            Self::Deleted(switches, hold) => write!(
                f,
                "this gateway's row in Physical_Switch was deleted, and all of its bindings with it: {switches} logical \
                 switches forward as before for {} seconds at most; bind their VLANs again (vtep-ctl bind-ls)",
                hold.as_secs()
            ),
            Self::Withdrawn(switches, hold) => write!(
                f,
                "all tunnel keys and remote MACs were withdrawn at once, as by a controller that exits: {switches} logical \
                 switches forward as before for {} seconds at most",
                hold.as_secs()
            ),
            Self::Emptied(switches, hold) => write!(
                f,
                "the database was emptied: {switches} logical switches forward as before for {} seconds at most",
                hold.as_secs()
            ),
            Self::Restored => f.write_str("the database is back and filled: forwarding follows it"),
            Self::Expired => f.write_str("the hold time is over: what was held is no longer forwarded"),
        }
    }
}
