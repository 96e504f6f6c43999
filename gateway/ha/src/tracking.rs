//! Derives the effect on a virtual router from the tracked objects. Pure.

use std::collections::{BTreeMap, BTreeSet};

use gateway_config::{Interface, Track, VrrpConfig};
use gateway_netdev::links::Links;
use gateway_vrrp::Tracked;

/// State of everything that virtual routers may track.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions<'a> {
    pub links: &'a Links,
    pub uplinks: &'a [Interface],
    pub ports: &'a [Interface],
    /// True if the data plane is attached. `None`: at the start, when it is about to be attached.
    pub data_plane: Option<bool>,
    /// Interfaces to which the programs are attached, and their index at that time. Nothing is known here of other
    /// interfaces.
    pub attached: &'a BTreeMap<String, u32>,
    /// True if the database is reached.
    pub database: bool,
}

/// Returns the effect of the conditions on one virtual router, and a text for each condition that has an effect.
pub(crate) fn evaluate(config: &VrrpConfig, conditions: Conditions<'_>) -> (Tracked, BTreeSet<String>) {
    let mut sum = Sum::default();
    match conditions.links.get(&config.interface) {
        None => sum.add(Track::Fault, format!("interface {} is not there", config.interface)),
        Some(link) if !link.up => sum.add(Track::Fault, format!("interface {} is down", config.interface)),
        Some(_) => {}
    }
    let uplinks = conditions.uplinks.iter().map(|uplink| ("uplink", uplink));
    for (kind, interface) in uplinks.chain(conditions.ports.iter().map(|port| ("port", port))) {
        let name = &interface.name;
        match conditions.links.get(name) {
            None => sum.add(interface.track, format!("{kind} {name} is not there")),
            Some(link) if !link.up => sum.add(interface.track, format!("{kind} {name} is down")),
            // An interface that was created again is up before the agent has attached the programs to it.
            Some(link) if conditions.attached.get(name).is_some_and(|ifindex| *ifindex != link.ifindex) => {
                sum.add(config.track_data_plane, format!("the data plane is not attached to {kind} {name}"));
            }
            Some(_) => {}
        }
    }
    match conditions.data_plane {
        Some(true) => {}
        Some(false) => sum.add(config.track_data_plane, "the data plane is not attached".to_owned()),
        None => sum.act(config.track_data_plane),
    }
    if !conditions.database {
        sum.add(config.track_database, "the database is not reached".to_owned());
    }
    (sum.tracked, sum.problems)
}

#[derive(Default)]
struct Sum {
    tracked: Tracked,
    problems: BTreeSet<String>,
}

impl Sum {
    fn add(&mut self, track: Track, what: String) {
        self.act(track);
        match track {
            Track::Ignore => {}
            Track::Fault => {
                self.problems.insert(format!("{what}: this node can't be active"));
            }
            Track::Weight(weight) => {
                self.problems.insert(format!("{what}: priority {weight:+}"));
            }
        }
    }

    /// Applies the effect without a text.
    fn act(&mut self, track: Track) {
        match track {
            Track::Ignore => {}
            Track::Fault => self.tracked.fault = true,
            Track::Weight(weight) => self.tracked.delta = self.tracked.delta.saturating_add(i32::from(weight)),
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_config::{AnnounceConfig, Mode};
    use gateway_netdev::netlink::{Change, Link};
    use gateway_vrrp::{Checksum, Interval, Priority, Version, Vrid};

    use super::*;

    fn config() -> VrrpConfig {
        VrrpConfig {
            vrid: Vrid::new(51).unwrap(),
            interface: "up0".to_owned(),
            version: Version::V3,
            priority: Priority::DEFAULT,
            interval: Interval::DEFAULT,
            preempt: true,
            preempt_delay: std::time::Duration::ZERO,
            startup_delay: std::time::Duration::ZERO,
            peers: vec![],
            source: None,
            virtual_mac: false,
            checksum: Checksum::PseudoHeader,
            announce: AnnounceConfig { count: 1, delay: std::time::Duration::ZERO, refresh: std::time::Duration::ZERO },
            track_data_plane: Track::Fault,
            track_database: Track::Weight(-20),
            auth: None,
        }
    }

    fn interface(name: &str, track: Track) -> Interface {
        Interface { name: name.to_owned(), mode: Mode::Auto, track }
    }

    fn links(states: &[(&str, bool)]) -> Links {
        let mut links = Links::default();
        for (ifindex, (name, up)) in states.iter().enumerate() {
            let ifindex = ifindex as u32 + 1;
            links.apply(Change::Link(Link {
                ifindex,
                name: (*name).to_owned(),
                admin_up: true,
                running: *up,
                ..Link::default()
            }));
        }
        links
    }

    fn tracked(links: &Links, ports: &[Interface], data_plane: bool, database: bool) -> (Tracked, BTreeSet<String>) {
        evaluate(
            &config(),
            Conditions {
                links,
                uplinks: &[],
                ports,
                data_plane: Some(data_plane),
                attached: &BTreeMap::new(),
                database,
            },
        )
    }

    /// The interface is up under another index some milliseconds before its programs are attached.
    #[test]
    fn an_interface_created_again_is_a_fault_until_the_programs_are_attached_to_it() {
        let (links, ports) = (links(&[("up0", true), ("port0", true)]), [interface("port0", Track::Ignore)]);
        let evaluate = |ifindex| {
            let attached = &BTreeMap::from([("port0".to_owned(), ifindex)]);
            let (links, ports) = (&links, &ports[..]);
            evaluate(
                &config(),
                Conditions { links, uplinks: &[], ports, data_plane: Some(true), attached, database: true },
            )
        };
        assert_eq!(evaluate(2), (Tracked::default(), BTreeSet::new()));
        let (tracked, problems) = evaluate(7);
        assert!(tracked.fault);
        assert!(problems.iter().any(|text| text.contains("not attached to port port0")), "{problems:?}");
    }

    #[test]
    fn nothing_is_amiss_where_all_is_well() {
        let ports = [interface("port0", Track::Fault)];
        let links = links(&[("up0", true), ("port0", true)]);
        assert_eq!(tracked(&links, &ports, true, true), (Tracked::default(), BTreeSet::new()));
    }

    #[test]
    fn own_interface_that_is_down_or_missing_is_always_a_fault() {
        assert!(tracked(&links(&[("up0", false)]), &[], true, true).0.fault);
        assert!(tracked(&links(&[]), &[], true, true).0.fault);
    }

    #[test]
    fn weights_add_up() {
        let ports = [interface("a", Track::Weight(-30)), interface("b", Track::Weight(-5))];
        let (tracked, problems) = tracked(&links(&[("up0", true), ("a", false)]), &ports, true, false);
        assert_eq!(tracked, Tracked { fault: false, delta: -55 });
        assert_eq!(
            problems.into_iter().collect::<Vec<_>>(),
            [
                "port a is down: priority -30",
                "port b is not there: priority -5",
                "the database is not reached: priority -20"
            ]
        );
    }

    #[test]
    fn what_is_to_be_ignored_is_no_problem() {
        let ports = [interface("a", Track::Ignore)];
        assert_eq!(tracked(&links(&[("up0", true)]), &ports, true, true), (Tracked::default(), BTreeSet::new()));
    }

    #[test]
    fn data_plane_that_is_not_attached_is_a_fault_here() {
        assert!(tracked(&links(&[("up0", true)]), &[], false, true).0.fault);
    }

    #[test]
    fn data_plane_that_is_about_to_be_attached_is_a_fault_and_no_problem() {
        let links = links(&[("up0", true)]);
        let conditions = Conditions {
            links: &links,
            uplinks: &[],
            ports: &[],
            data_plane: None,
            attached: &BTreeMap::new(),
            database: true,
        };
        assert_eq!(evaluate(&config(), conditions), (Tracked { fault: true, delta: 0 }, BTreeSet::new()));
    }
}
