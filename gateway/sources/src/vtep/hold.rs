//! Stale is better than empty: when forwarding follows the database, and when it stays as it was.
//!
//! Three things look alike from here, a network that is gone and a controller or a database that is. Each is told by what
//! it leaves behind:
//!
//! | what happened | what is seen | what is done |
//! |---|---|---|
//! | the database cannot be reached | the connection is down | forwarding stays, for ever or for as long as is configured |
//! | `ovn-controller-vtep` has exited | no tunnel key and no remote MAC is left, all at once; bindings are | each switch keeps its VNI, MACs and flood set for a while, or until a controller gives it new ones |
//! | the database was made anew | this gateway's own rows are gone and no switch is left | each switch stays for a while, bindings and all, or until it is made and bound again |
//! | this gateway's own row was deleted | it is gone, and its ports with it; switches are left | each switch keeps its bindings for a while, or until it is bound again |
//! | an operator removes bindings or a switch | the rest stays | it takes effect at once |

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use gateway_config::rows::{LogicalSwitch, Rows};

use super::{Identity, Mirror, rows::TunnelKey};

/// Decides which rows are in force. Time is passed in, as the time since some fixed moment.
#[derive(Debug)]
pub struct Hold {
    times: HoldTimes,
    /// What the database says, or said last.
    current: Arc<Rows>,
    standing: Standing,
    link: Link,
    /// Switches that the database had and that still forward, by name.
    kept: BTreeMap<String, Kept>,
    in_force: Arc<Rows>,
}

/// How long forwarding stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldTimes {
    /// While the database cannot be reached. `None`: for ever.
    pub unreachable: Option<Duration>,
    /// After it was emptied.
    pub emptied: Duration,
}

impl Default for HoldTimes {
    fn default() -> Self {
        Self { unreachable: None, emptied: Duration::from_secs(300) }
    }
}

/// What of the database tells whether somebody fills it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// This gateway's row in `Physical_Switch` is there.
    pub registered: bool,
    /// Logical switches.
    pub switches: usize,
    /// Logical switches with a VNI.
    pub bound: usize,
    /// Logical switches with a `tunnel_key` of zero.
    pub zero: usize,
    /// Remote MACs.
    pub macs: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// The database has not been seen.
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
    /// Its bindings are kept too.
    bindings: bool,
    switch: Arc<LogicalSwitch>,
}

/// How far forwarding follows the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// The database has not been seen yet. There are no rows; what an earlier run has programmed should stay meanwhile.
    Waiting {
        /// For how long. `None`: for ever.
        remaining: Option<Duration>,
    },
    /// It does what the database says.
    Following,
    /// The database cannot be reached; forwarding is as it was.
    Gone {
        /// For how long. `None`: for ever.
        remaining: Option<Duration>,
    },
    /// The database was emptied; some switches forward as they did before.
    Kept {
        /// How many.
        switches: usize,
        /// For how long.
        remaining: Duration,
    },
    /// The database could not be reached for longer than the hold time. Nothing is forwarded.
    Expired,
}

/// A turn of events, to be told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The database cannot be reached. Forwarding stays for so long, or for ever.
    Gone(Option<Duration>),
    /// Everything was withdrawn, as by a controller that exits, from this many switches.
    Withdrawn(usize, Duration),
    /// The database was made anew. It had this many switches.
    Emptied(usize, Duration),
    /// This gateway's row was deleted. So many switches forwarded.
    Deleted(usize, Duration),
    /// The database is back, or a controller has filled it.
    Restored,
    /// The hold time is over.
    Expired,
}

impl Standing {
    /// What `mirror` shows.
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

    /// True if whoever filled the database as it stood `before` has left. A controller that exits empties the tunnel keys,
    /// and takes its MACs away in the same transaction or in the next ones; for a network that is removed it writes a zero.
    fn withdrawn(self, before: Self) -> bool {
        let none_left = before.bound > 0 && self.bound == 0;
        none_left && (self.zero <= before.zero || (before.bound > 1 && self.macs == 0))
    }

    /// True if this is not the database that it was before.
    fn emptied(self, before: Self) -> bool {
        self.deleted(before) && before.switches > 0 && self.switches == 0
    }

    /// True if this gateway's own row was there and is not, which is nothing that this gateway does.
    fn deleted(self, before: Self) -> bool {
        before.registered && !self.registered
    }
}

impl Hold {
    /// Without rows, from `now` on.
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

    /// Takes over other times, for what is held now too.
    pub(crate) fn set_times(&mut self, times: HoldTimes) {
        self.times = times;
    }

    /// The rows to forward by.
    pub fn rows(&self) -> &Arc<Rows> {
        &self.in_force
    }

    /// The database says this now.
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

    /// The database cannot be reached.
    pub fn gone(&mut self, now: Duration) -> Option<Notice> {
        if self.link != Link::Up {
            return None;
        }
        self.link = Link::Down { since: now };
        Some(Notice::Gone(self.times.unreachable))
    }

    /// Time goes on.
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

    /// When to call [`tick`](Self::tick) next.
    pub fn deadline(&self) -> Option<Duration> {
        let link = match self.link {
            Link::Waiting { since } | Link::Down { since } => Some(since),
            Link::Up | Link::Expired => None,
        };
        let link = link.and_then(|since| Some(since + self.times.unreachable?));
        link.into_iter().chain(self.kept.values().map(|kept| kept.since + self.times.emptied)).min()
    }

    /// How far forwarding follows.
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

    /// Keeps the switches that forward now, and says how many there are. What is kept already is not kept longer for it.
    fn keep(&mut self, bindings: bool, now: Duration) -> Option<usize> {
        for (name, switch) in self.in_force.switches.iter().filter(|(_, switch)| forwards(switch)) {
            let kept = || Kept { since: now, bindings, switch: Arc::clone(switch) };
            self.kept.entry(name.clone()).or_insert_with(kept).bindings |= bindings;
        }
        (!self.kept.is_empty()).then_some(self.kept.len())
    }

    /// Puts together what is in force.
    fn compose(&mut self) {
        if self.link == Link::Expired {
            self.in_force = Arc::default();
            return;
        }
        let mut rows = Arc::clone(&self.current);
        self.kept.retain(|name, kept| {
            let Some(together) = together(name, kept, &self.current) else { return false };
            // The same one as before, if it is, so that nobody has to look into it.
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

/// A kept switch as it should forward beside what the database says now. `None`: the database's word counts again.
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
                // A controller goes on filling it: the bindings alone are kept.
                Some(row) => LogicalSwitch { bindings: kept.bindings, ..(**row).clone() },
                None => kept,
            }
        });
    };
    (!filled(now)).then(|| LogicalSwitch { bindings: now.bindings.clone(), ..(**switch).clone() })
}

/// `kept` less the bindings that now belong to another switch.
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
