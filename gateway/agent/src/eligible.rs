//! Eligibility: a node does not take the role from a node that forwards more than it could. Pure.
//!
//! The measure is the number of programmed bindings, which is what each node could forward. Nodes publish these numbers
//! to each other ([`gateway_ha::peers`]). A node is held while the active node has more bindings, or has not reported
//! its number yet. A held node takes part with the lowest priority, so it takes over only if no other node does. It
//! stays held after a takeover, until it has as many bindings, or no connected node has more. A node that was not held
//! when it became active is never held for later changes: two databases do not change at the same instant, and that is
//! no reason to move the role. It is reported as a fault then.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use gateway_ha::peers::Able;
use gateway_vrrp::{Role, Status, Time, Vrid};

/// Time that the active node has to report its number of bindings. A node that never reports one, such as keepalived,
/// stays unknown.
const GRACE: Duration = Duration::from_secs(5);

/// Verdict on the eligibility of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The node has its own priority.
    Eligible,
    /// It is not known yet how many bindings the active node forwards, or whether there is an active node.
    Unknown,
    /// The other node has more bindings than this node could forward.
    Less { theirs: u32 },
}

/// State of one virtual router.
#[derive(Clone, Debug)]
struct One {
    verdict: Verdict,
    /// Last reported number of the active node.
    reported: Option<(IpAddr, u32)>,
    /// Time since which a report of the active node is awaited.
    asked: Option<(IpAddr, Time)>,
    /// Time of the next poll if nothing changes.
    again: Option<Time>,
}

impl Default for One {
    fn default() -> Self {
        Self { verdict: Verdict::Unknown, reported: None, asked: None, again: None }
    }
}

/// All virtual routers of this node.
#[derive(Debug, Default)]
pub(super) struct Eligible(BTreeMap<Vrid, One>);

impl Eligible {
    /// Evaluates a virtual router by its state, the bindings that this node could forward, and those of other nodes.
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
            // An active node would have been received by then.
            (Role::Backup, None) if one.verdict == Verdict::Unknown => {
                let deadline = status.since + 2 * status.interval.duration();
                if now >= deadline {
                    one.verdict = Verdict::Eligible;
                } else {
                    one.again = Some(deadline);
                }
            }
            (Role::Starting | Role::Fault, _) => one.verdict = Verdict::Unknown,
            (Role::Backup | Role::Claiming, _) => {}
            (Role::Active, _) => one.settle(ours, others),
        }
        one.verdict
    }

    /// Forgets virtual routers that this node no longer has.
    pub(super) fn retain(&mut self, is: impl Fn(Vrid) -> bool) {
        self.0.retain(|vrid, _| is(*vrid));
    }

    /// Returns the time of the next poll if nothing changes.
    pub(super) fn due(&self) -> Option<Time> {
        self.0.values().filter_map(|one| one.again).min()
    }
}

impl One {
    fn compare(&mut self, active: IpAddr, ours: u32, others: Option<&BTreeMap<IpAddr, Able>>, now: Time) {
        let theirs = others.and_then(|others| others.get(&active));
        if let Some(bindings) = theirs.and_then(|able| able.bindings) {
            self.reported = Some((active, bindings));
        }
        // The last report counts even if the connection breaks, as long as that node is active.
        match &self.reported {
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

    /// Evaluates an active node: the hold ends when no other node has more bindings.
    fn settle(&mut self, ours: u32, others: Option<&BTreeMap<IpAddr, Able>>) {
        (self.reported, self.asked) = (None, None);
        let Verdict::Less { theirs } = self.verdict else {
            self.verdict = Verdict::Eligible;
            return;
        };
        match others.into_iter().flat_map(BTreeMap::values).filter_map(|able| able.bindings).max() {
            _ if ours >= theirs => self.verdict = Verdict::Eligible,
            Some(most) if ours >= most => self.verdict = Verdict::Eligible,
            Some(most) => self.verdict = Verdict::Less { theirs: most },
            // The node that had more is gone, and may come back.
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
        Status { role, since: START, priority, active, interval, lease: None, deaf_peer: None, holdup: None }
    }

    fn reports(bindings: Option<u32>) -> BTreeMap<IpAddr, Able> {
        [(OTHER, Able { node: "gw2".to_owned(), bindings })].into()
    }

    fn less(theirs: u32) -> Verdict {
        Verdict::Less { theirs }
    }

    /// Polls a standby of [`OTHER`].
    fn standby(eligible: &mut Eligible, ours: u32, others: Option<&BTreeMap<IpAddr, Able>>, now: Time) -> Verdict {
        eligible.poll(VRID, &status(Role::Backup, Some(OTHER)), ours, others, now)
    }

    #[test]
    fn a_node_that_could_forward_less_than_the_active_one_is_held_until_it_could() {
        let mut eligible = Eligible::default();
        assert_eq!(standby(&mut eligible, 0, Some(&reports(Some(3))), START), less(3));
        assert_eq!(standby(&mut eligible, 2, Some(&reports(Some(3))), START), less(3));
        assert_eq!(standby(&mut eligible, 3, Some(&reports(Some(3))), START), Verdict::Eligible);
        assert_eq!(standby(&mut eligible, 4, Some(&reports(Some(3))), START), Verdict::Eligible);
        assert_eq!(eligible.due(), None);
    }

    #[test]
    fn it_waits_for_a_report_of_the_active_node_and_not_for_ever() {
        let mut eligible = Eligible::default();
        assert_eq!(standby(&mut eligible, 3, None, START), Verdict::Unknown);
        assert_eq!(eligible.due(), Some(START + GRACE));
        let silent = reports(None);
        assert_eq!(standby(&mut eligible, 3, Some(&silent), START + GRACE - SECOND), Verdict::Unknown);
        assert_eq!(
            standby(&mut eligible, 3, Some(&silent), START + GRACE),
            Verdict::Eligible,
            "keepalived never reports it"
        );
        assert_eq!(standby(&mut eligible, 3, Some(&reports(Some(4))), START + GRACE), less(4), "a late report counts");
    }

    #[test]
    fn what_was_said_counts_on_when_the_connection_breaks() {
        let mut eligible = Eligible::default();
        standby(&mut eligible, 0, Some(&reports(Some(3))), START);
        assert_eq!(standby(&mut eligible, 0, None, START + GRACE * 10), less(3));
        assert_eq!(standby(&mut eligible, 3, None, START + GRACE * 10), Verdict::Eligible);
    }

    #[test]
    fn without_an_active_node_it_takes_part_once_it_would_have_received_one() {
        let mut eligible = Eligible::default();
        let alone = status(Role::Backup, None);
        assert_eq!(eligible.poll(VRID, &alone, 0, None, START), Verdict::Unknown);
        assert_eq!(eligible.due(), Some(START + 2 * SECOND));
        assert_eq!(eligible.poll(VRID, &alone, 0, None, START + 2 * SECOND), Verdict::Eligible);
    }

    #[test]
    fn one_that_is_held_and_takes_over_stays_held_while_a_connected_one_has_more() {
        let mut eligible = Eligible::default();
        standby(&mut eligible, 0, Some(&reports(Some(3))), START);
        for role in [Role::Claiming, Role::Active] {
            assert_eq!(eligible.poll(VRID, &status(role, None), 0, None, START), less(3), "{role:?}");
        }
        let active = status(Role::Active, None);
        assert_eq!(eligible.poll(VRID, &active, 0, Some(&reports(Some(2))), START), less(2));
        assert_eq!(eligible.poll(VRID, &active, 0, Some(&reports(Some(0))), START), Verdict::Eligible);
        assert_eq!(eligible.poll(VRID, &active, 0, Some(&reports(Some(2))), START), Verdict::Eligible, "never again");
    }

    #[test]
    fn one_that_is_active_is_not_held_for_what_is_bound_elsewhere_first() {
        let mut eligible = Eligible::default();
        let active = status(Role::Active, None);
        assert_eq!(eligible.poll(VRID, &active, 2, Some(&reports(Some(3))), START), Verdict::Eligible);
    }

    #[test]
    fn after_a_fault_all_is_asked_again() {
        let mut eligible = Eligible::default();
        assert_eq!(standby(&mut eligible, 3, Some(&reports(Some(3))), START), Verdict::Eligible);
        assert_eq!(eligible.poll(VRID, &status(Role::Fault, None), 3, None, START), Verdict::Unknown);
    }
}
