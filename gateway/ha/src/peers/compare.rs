//! Compares two nodes that should have the same configuration.
//!
//! If each node has a database of its own, a binding that exists in only one of them makes the two controllers compete
//! for the ports of the cloud. Both nodes therefore report such a binding by name.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use gateway_common::net::VlanId;
use gateway_vrrp::Vrid;

use super::data::{Bound, Description, RouterDescription};

/// The most differences in bindings that are listed individually.
const NAMED: usize = 8;

/// Returns the differences of `theirs` from `ours`, in the virtual routers that both take part in.
pub(super) fn differences(ours: &Description, theirs: &Description) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (vrid, our) in &ours.routers {
        if let Some(their) = theirs.routers.get(vrid) {
            all.extend(compare(*vrid, our, their, &theirs.node));
        }
    }
    all
}

fn compare(vrid: Vrid, our: &RouterDescription, their: &RouterDescription, node: &str) -> Vec<String> {
    let mut all = Vec::new();
    if our.switch != their.switch {
        let (here, there) = (&our.switch, &their.switch);
        all.push(format!("virtual router {vrid}: the physical switch is {here} here and {there} on node {node}"));
    }
    if our.tunnel_ips != their.tunnel_ips {
        let (here, there) = (list(&our.tunnel_ips), list(&their.tunnel_ips));
        all.push(format!("virtual router {vrid}: the tunnel addresses are {here} here and {there} on node {node}"));
    }
    if our.bindings != their.bindings {
        let (here, there) = (by_place(&our.bindings), by_place(&their.bindings));
        let places: BTreeSet<_> = here.keys().chain(there.keys()).collect();
        let mut differing = places.into_iter().filter(|place| here.get(*place) != there.get(*place));
        for (port, vlan) in differing.by_ref().take(NAMED) {
            let place = format!("virtual router {vrid}: port {port} VLAN {vlan}");
            all.push(match (here.get(&(*port, *vlan)), there.get(&(*port, *vlan))) {
                (Some(here), None) => format!("{place} is bound to {here} here and not on node {node}"),
                (None, Some(there)) => format!("{place} is bound to {there} on node {node} and not here"),
                (here, there) => {
                    let name = |switch: Option<&&str>| switch.map_or("", |switch| *switch).to_owned();
                    format!("{place} is bound to {} here and to {} on node {node}", name(here), name(there))
                }
            });
        }
        let more = differing.count();
        if more > 0 {
            all.push(format!("virtual router {vrid}: {more} more bindings differ from those of node {node}"));
        }
    }
    all
}

fn by_place(bindings: &BTreeSet<Bound>) -> BTreeMap<(&str, VlanId), &str> {
    bindings.iter().map(|bound| ((&*bound.port, bound.vlan), &*bound.switch)).collect()
}

fn list(addresses: &BTreeSet<IpAddr>) -> String {
    let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, switch: &str, tunnel: &str, bindings: &[(&str, u16, &str)]) -> Description {
        let bound = |(port, vlan, switch): &(&str, u16, &str)| Bound {
            port: (*port).into(),
            vlan: VlanId::new(*vlan).unwrap(),
            switch: (*switch).into(),
        };
        let router = RouterDescription {
            switch: switch.to_owned(),
            tunnel_ips: [tunnel.parse().unwrap()].into(),
            bindings: bindings.iter().map(bound).collect::<BTreeSet<_>>().into(),
            able: None,
            misled: 0,
        };
        Description { node: name.to_owned(), routers: [(Vrid::new(51).unwrap(), router)].into() }
    }

    #[test]
    fn nodes_that_are_alike_have_no_differences() {
        let of = |name| node(name, "gw", "172.31.0.21", &[("eth1", 100, "net1")]);
        assert!(differences(&of("gw1"), &of("gw2")).is_empty());
    }

    #[test]
    fn each_difference_is_reported_by_name() {
        let here = node("gw1", "gw", "172.31.0.21", &[("eth1", 100, "net1"), ("eth1", 200, "net2")]);
        let there = node("gw2", "other", "172.31.0.22", &[("eth1", 100, "net9"), ("eth1", 300, "net3")]);
        let expected = [
            "virtual router 51: port eth1 VLAN 100 is bound to net1 here and to net9 on node gw2",
            "virtual router 51: port eth1 VLAN 200 is bound to net2 here and not on node gw2",
            "virtual router 51: port eth1 VLAN 300 is bound to net3 on node gw2 and not here",
            "virtual router 51: the physical switch is gw here and other on node gw2",
            "virtual router 51: the tunnel addresses are 172.31.0.21 here and 172.31.0.22 on node gw2",
        ];
        assert_eq!(differences(&here, &there), expected.map(str::to_owned).into());
    }

    #[test]
    fn many_differences_are_counted() {
        let names: Vec<(&str, u16, &str)> = (1..=100).map(|vlan| ("eth1", vlan, "net")).collect();
        let found = differences(&node("gw1", "gw", "::1", &names), &node("gw2", "gw", "::1", &[]));
        assert_eq!(found.len(), NAMED + 1);
        assert!(found.contains("virtual router 51: 92 more bindings differ from those of node gw2"), "{found:?}");
    }

    #[test]
    fn a_virtual_router_of_one_node_only_is_no_difference() {
        let here = node("gw1", "gw", "172.31.0.21", &[("eth1", 100, "net1")]);
        assert!(differences(&here, &Description::default()).is_empty());
    }
}
