//! Derives events from the differences between two states.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use gateway_api::{
    events::{Event, Source},
    view::{DatabaseState, Role},
};
use gateway_netdev::underlay::Resolution;

/// Returns the keys that have come, have gone, or have another value.
fn differing<'a, K: Ord, V: PartialEq>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, Option<&'a V>, Option<&'a V>)> {
    let gone = old.iter().filter(|(key, _)| !new.contains_key(key)).map(|(key, value)| (key, Some(value), None));
    let changed = new.iter().filter(|(key, value)| old.get(key) != Some(value));
    gone.chain(changed.map(|(key, value)| (key, old.get(key), Some(value))))
}

/// Returns the events of problems that have gone and come.
pub(crate) fn problems(source: Source, old: &BTreeSet<String>, new: &BTreeSet<String>) -> Vec<Event> {
    let gone = old.difference(new).map(|text| Event::ProblemGone { source, problem: text.clone() });
    let come = new.difference(old).map(|text| Event::Problem { source, problem: text.clone() });
    gone.chain(come).collect()
}

/// Returns the events of faults that have gone and come.
pub(crate) fn faults(old: &BTreeSet<&'static str>, new: &BTreeSet<&'static str>) -> Vec<Event> {
    let gone = old.difference(new).map(|fault| Event::FaultGone { fault: (*fault).to_owned() });
    let come = new.difference(old).map(|fault| Event::Fault { fault: (*fault).to_owned() });
    gone.chain(come).collect()
}

/// Logical switches: VNI and name.
pub(crate) type Switches = BTreeMap<u32, Option<String>>;

/// Returns the events of logical switches that have gone and come.
pub(crate) fn switches(old: &Switches, new: &Switches) -> Vec<Event> {
    let one = |(vni, before, after): (&u32, Option<&Option<String>>, Option<&Option<String>>)| match (before, after) {
        (Some(name), None) => Some(Event::SwitchRemoved { vni: *vni, switch: name.clone() }),
        (None, Some(name)) => Some(Event::SwitchAdded { vni: *vni, switch: name.clone() }),
        _ => None,
    };
    differing(old, new).filter_map(one).collect()
}

/// Bindings: port and VLAN, and the VNI they are bound to.
pub(crate) type Bindings = BTreeMap<(String, u16), u32>;

/// Returns the events of bindings that have gone and come. `names` has the names of logical switches, old and new.
pub(crate) fn bindings(old: &Bindings, new: &Bindings, names: &Switches) -> Vec<Event> {
    let name = |vni: u32| names.get(&vni).cloned().flatten();
    let one = |((port, vlan), before, after): (&(String, u16), Option<&u32>, Option<&u32>)| {
        let (port, vlan) = (port.clone(), *vlan);
        match (before, after) {
            (_, Some(vni)) => Some(Event::BindingAdded { port, vlan, vni: *vni, switch: name(*vni) }),
            (Some(vni), None) => Some(Event::BindingRemoved { port, vlan, vni: *vni, switch: name(*vni) }),
            (None, None) => None,
        }
    };
    differing(old, new).filter_map(one).collect()
}

/// Returns the events of next hops that were lost and found. `name` gives the name of an interface. There is no event
/// for a remote VTEP that is no longer wanted, nor for one that is resolved for the first time.
pub(crate) fn hops(
    old: &BTreeMap<IpAddr, Resolution>,
    new: &BTreeMap<IpAddr, Resolution>,
    name: impl Fn(u32) -> String,
) -> Vec<Event> {
    let one = |(remote, before, after): (&IpAddr, Option<&Resolution>, Option<&Resolution>)| match (before, after) {
        (Some(Resolution::Resolved(_)), Some(Resolution::Unresolved(why))) => {
            Some(Event::NextHopLost { remote: *remote, reason: why.to_string() })
        }
        (_, Some(Resolution::Resolved(hop))) => Some(Event::NextHopResolved {
            remote: *remote,
            uplink: name(hop.ifindex),
            uplink_vlan: hop.vlan,
            next_hop_mac: hop.dst_mac,
        }),
        _ => None,
    };
    differing(old, new).filter_map(one).collect()
}

/// State of a virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouterState {
    pub name: String,
    pub role: Role,
    /// Time since which it has this role.
    pub since: Duration,
    pub active_node: Option<IpAddr>,
    pub priority: u8,
}

/// Returns the events of changed roles. A node that was active and claims the role again, or has done so since the last
/// state, has lost its lease: no other transition leads from one to the other (see the states of [`gateway_vrrp`]).
pub(crate) fn roles(old: &BTreeMap<u8, RouterState>, new: &BTreeMap<u8, RouterState>) -> Vec<Event> {
    let mut events = Vec::new();
    for (vrid, _, after) in differing(old, new) {
        let Some(after) = after else { continue };
        let before = old.get(vrid);
        let was_active = before.is_some_and(|before| before.role == Role::Active && before.since != after.since);
        if was_active && matches!(after.role, Role::Active | Role::Claiming) {
            events.push(Event::LeaseLost { router: after.name.clone(), vrid: *vrid });
        }
        // For a backup, a change of the active node is an event, too.
        let shown = |router: &RouterState| (router.role, router.active_node);
        if before.map(shown) == Some(shown(after)) {
            continue;
        }
        events.push(Event::RoleChanged {
            router: after.name.clone(),
            vrid: *vrid,
            from: before.map(|before| before.role),
            to: after.role,
            active_node: after.active_node,
            priority: after.priority,
        });
    }
    events
}

/// The state of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Database {
    pub state: DatabaseState,
    pub remote: Option<String>,
}

/// Databases, by virtual router where each has its own.
pub(crate) type Databases = BTreeMap<Option<String>, Database>;

/// Returns the events of databases that have another state or another server.
pub(crate) fn databases(old: &Databases, new: &Databases) -> Vec<Event> {
    let one = |(router, before, after): (&Option<String>, Option<&Database>, Option<&Database>)| {
        let after = after?;
        let from = before.map(|before| before.state);
        Some(Event::Database { router: router.clone(), from, to: after.state, remote: after.remote.clone() })
    };
    differing(old, new).filter_map(one).collect()
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
