//! Eligible means able: a node does not take the role from one that forwards more than it could. Pure.
//!
//! What each node could forward are its bindings that are programmed; nodes tell each other how many that are
//! ([`gateway_ha::peers`]). While the active node has more of them, or has not said yet, this one is held: it takes part with the
//! lowest priority, so it takes over only where nobody else does. It stays held after that, until it has as many, or nobody
//! who is connected has more. A node that was not held when it became active is never held for what happens later: two
//! databases are not changed in the same instant, and that is no reason to move the role. It is told as a fault then.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use gateway_ha::peers::Able;
use gateway_vrrp::{Role, Status, Time, Vrid};

/// How long the active node has to say what it forwards. Of one that never says, as keepalived does not, nothing is known.
const GRACE: Duration = Duration::from_secs(5);

/// What keeps a node from its priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Eligible,
    /// It is not known yet what the active node forwards, or whether there is one.
    Unknown,
    /// This node has more bindings than could be forwarded here.
    Less { theirs: u32 },
}

/// What is known of one virtual router.
#[derive(Clone, Debug)]
struct One {
    verdict: Verdict,
    /// What the active node has said last.
    told: Option<(IpAddr, u32)>,
    /// Since when it has been asked.
    asked: Option<(IpAddr, Time)>,
    /// When to look again though nothing has changed.
    again: Option<Time>,
}

impl Default for One {
    fn default() -> Self {
        Self { verdict: Verdict::Unknown, told: None, asked: None, again: None }
    }
}

/// All virtual routers of this node.
#[derive(Debug, Default)]
pub(super) struct Eligible(BTreeMap<Vrid, One>);

impl Eligible {
    /// Looks at a virtual router: how it stands, how many bindings this node could forward, and how many others.
    pub(super) fn poll(
        &mut self,
        vrid: Vrid,
        status: &Status,
        ours: u32,
        others: Option<&BTreeMap<IpAddr, Able>>,
        now: Time,
    ) -> Verdict {
        let one = self.0.entry(vrid).or_default();
        one.again = None;
        match (status.role, status.active) {
            (Role::Backup, Some(active)) => one.compare(active, ours, others, now),
            // An active node would be heard by then.
            (Role::Backup, None) if one.verdict == Verdict::Unknown => {
                let heard = status.since + 2 * status.interval.duration();
                if now >= heard {
                    one.verdict = Verdict::Eligible;
                } else {
                    one.again = Some(heard);
                }
            }
            (Role::Starting | Role::Fault, _) => one.verdict = Verdict::Unknown,
            (Role::Backup | Role::Claiming, _) => {}
            (Role::Active, _) => one.settle(ours, others),
        }
        one.verdict
    }

    /// Forgets what is no virtual router of this node any more.
    pub(super) fn retain(&mut self, is: impl Fn(Vrid) -> bool) {
        self.0.retain(|vrid, _| is(*vrid));
    }

    /// When to look again though nothing has changed.
    pub(super) fn due(&self) -> Option<Time> {
        self.0.values().filter_map(|one| one.again).min()
    }
}

impl One {
    fn compare(&mut self, active: IpAddr, ours: u32, others: Option<&BTreeMap<IpAddr, Able>>, now: Time) {
        let theirs = others.and_then(|others| others.get(&active));
        if let Some(bindings) = theirs.and_then(|able| able.bindings) {
            self.told = Some((active, bindings));
        }
        // What it has said counts on, when the connection breaks and it is still active.
        match &self.told {
            Some((of, theirs)) if *of == active => {
                self.verdict = if ours < *theirs { Verdict::Less { theirs: *theirs } } else { Verdict::Eligible };
            }
            _ => {
                let since = match self.asked {
                    Some((of, since)) if of == active => since,
                    _ => now,
                };
                self.asked = Some((active, since));
                if now >= since + GRACE {
                    self.verdict = Verdict::Eligible;
                } else {
                    self.verdict = Verdict::Unknown;
                    self.again = Some(since + GRACE);
                }
            }
        }
    }

    /// Of a node that is active: what holds it ends when nobody has more.
    fn settle(&mut self, ours: u32, others: Option<&BTreeMap<IpAddr, Able>>) {
        (self.told, self.asked) = (None, None);
        let Verdict::Less { theirs } = self.verdict else {
            self.verdict = Verdict::Eligible;
            return;
        };
        match others.into_iter().flat_map(BTreeMap::values).filter_map(|able| able.bindings).max() {
            _ if ours >= theirs => self.verdict = Verdict::Eligible,
            Some(most) if ours >= most => self.verdict = Verdict::Eligible,
            Some(most) => self.verdict = Verdict::Less { theirs: most },
            // Whoever had more is gone, and may come back.
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_vrrp::{Interval, Priority};

    use super::*;

    const VRID: Vrid = Vrid::new(51).unwrap();
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(172, 31, 0, 22));
    const START: Time = Time::from_secs(100);
    const SECOND: Duration = Duration::from_secs(1);

    fn status(role: Role, active: Option<IpAddr>) -> Status {
        let (priority, interval) = (Priority::DEFAULT, Interval::DEFAULT);
        Status { role, since: START, priority, active, interval, lease: None, unheard: None, holdup: None }
    }

    fn tells(bindings: Option<u32>) -> BTreeMap<IpAddr, Able> {
        [(OTHER, Able { node: "gw2".to_owned(), bindings })].into()
    }

    fn less(theirs: u32) -> Verdict {
        Verdict::Less { theirs }
    }

    /// A standby of [`OTHER`].
    fn standby(eligible: &mut Eligible, ours: u32, others: Option<&BTreeMap<IpAddr, Able>>, now: Time) -> Verdict {
        eligible.poll(VRID, &status(Role::Backup, Some(OTHER)), ours, others, now)
    }

    #[test]
    fn a_node_that_could_forward_less_than_the_active_one_is_held_until_it_could() {
        let mut eligible = Eligible::default();
        assert_eq!(standby(&mut eligible, 0, Some(&tells(Some(3))), START), less(3));
        assert_eq!(standby(&mut eligible, 2, Some(&tells(Some(3))), START), less(3));
        assert_eq!(standby(&mut eligible, 3, Some(&tells(Some(3))), START), Verdict::Eligible);
        assert_eq!(standby(&mut eligible, 4, Some(&tells(Some(3))), START), Verdict::Eligible);
        assert_eq!(eligible.due(), None);
    }

    #[test]
    fn it_waits_for_word_of_the_active_node_and_not_for_ever() {
        let mut eligible = Eligible::default();
        assert_eq!(standby(&mut eligible, 3, None, START), Verdict::Unknown);
        assert_eq!(eligible.due(), Some(START + GRACE));
        let silent = tells(None);
        assert_eq!(standby(&mut eligible, 3, Some(&silent), START + GRACE - SECOND), Verdict::Unknown);
        assert_eq!(standby(&mut eligible, 3, Some(&silent), START + GRACE), Verdict::Eligible, "keepalived never says");
        assert_eq!(standby(&mut eligible, 3, Some(&tells(Some(4))), START + GRACE), less(4), "it says so late");
    }

    #[test]
    fn what_was_said_counts_on_when_the_connection_breaks() {
        let mut eligible = Eligible::default();
        standby(&mut eligible, 0, Some(&tells(Some(3))), START);
        assert_eq!(standby(&mut eligible, 0, None, START + GRACE * 10), less(3));
        assert_eq!(standby(&mut eligible, 3, None, START + GRACE * 10), Verdict::Eligible);
    }

    #[test]
    fn where_nobody_is_active_it_takes_part_once_it_would_have_heard_one() {
        let mut eligible = Eligible::default();
        let alone = status(Role::Backup, None);
        assert_eq!(eligible.poll(VRID, &alone, 0, None, START), Verdict::Unknown);
        assert_eq!(eligible.due(), Some(START + 2 * SECOND));
        assert_eq!(eligible.poll(VRID, &alone, 0, None, START + 2 * SECOND), Verdict::Eligible);
    }

    #[test]
    fn one_that_is_held_and_takes_over_stays_held_while_a_connected_one_has_more() {
        let mut eligible = Eligible::default();
        standby(&mut eligible, 0, Some(&tells(Some(3))), START);
        for role in [Role::Claiming, Role::Active] {
            assert_eq!(eligible.poll(VRID, &status(role, None), 0, None, START), less(3), "{role:?}");
        }
        let active = status(Role::Active, None);
        assert_eq!(eligible.poll(VRID, &active, 0, Some(&tells(Some(2))), START), less(2));
        assert_eq!(eligible.poll(VRID, &active, 0, Some(&tells(Some(0))), START), Verdict::Eligible);
        assert_eq!(eligible.poll(VRID, &active, 0, Some(&tells(Some(2))), START), Verdict::Eligible, "never again");
    }

    #[test]
    fn one_that_is_active_is_not_held_for_what_is_bound_elsewhere_first() {
        let mut eligible = Eligible::default();
        let active = status(Role::Active, None);
        assert_eq!(eligible.poll(VRID, &active, 2, Some(&tells(Some(3))), START), Verdict::Eligible);
    }

    #[test]
    fn after_a_fault_all_is_asked_anew() {
        let mut eligible = Eligible::default();
        assert_eq!(standby(&mut eligible, 3, Some(&tells(Some(3))), START), Verdict::Eligible);
        assert_eq!(eligible.poll(VRID, &status(Role::Fault, None), 3, None, START), Verdict::Unknown);
    }
}
