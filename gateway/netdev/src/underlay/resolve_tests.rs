//! Tests of the resolutions that follow from given facts.

use gateway_common::net::VlanId;

use super::*;
use crate::{
    netlink::{Change, MasterKind, Neighbour, Vlan},
    underlay::Wanted,
};

const UPLINK: u32 = 2;
const TAGGED: u32 = 3;
const OTHER: u32 = 4;
const NIC_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x10]);
const TAGGED_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x11]);
const PEER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x20]);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn uplinks() -> BTreeSet<String> {
    ["eth0".to_owned()].into()
}

fn link(ifindex: u32, name: &str, mac: MacAddr) -> Link {
    Link { ifindex, name: name.into(), mac: Some(mac), mtu: 1500, admin_up: true, running: true, ..Link::default() }
}

/// Returns an uplink, a VLAN subinterface of it, and an interface that is neither.
fn facts() -> Facts {
    let mut facts = Facts::default();
    facts.apply(Change::Link(link(UPLINK, "eth0", NIC_MAC)));
    let vlan = Some(Vlan { parent: UPLINK, id: VlanId::new(10).unwrap() });
    facts.apply(Change::Link(Link { vlan, ..link(TAGGED, "eth0.10", TAGGED_MAC) }));
    facts.apply(Change::Link(link(OTHER, "br0", NIC_MAC)));
    facts
}

fn on_link(oif: u32) -> Route {
    Route { oif, gateway: None, source: None, mtu: None }
}

fn neighbour(facts: &mut Facts, key: NeighbourKey, state: NeighbourState) {
    let mac = matches!(state, NeighbourState::Valid | NeighbourState::Fixed).then_some(PEER_MAC);
    facts.apply(Change::Neighbour(key, Neighbour { state, mac, managed: false, ext_learned: false }));
}

fn hop(facts: &Facts, remote: &str) -> Hop {
    match facts.resolve(ip(remote), &uplinks()) {
        Resolution::Resolved(hop) => hop,
        Resolution::Unresolved(why) => panic!("{remote}: {why}"),
    }
}

fn why(facts: &Facts, remote: &str) -> Why {
    match facts.resolve(ip(remote), &uplinks()) {
        Resolution::Resolved(hop) => panic!("{remote} resolved: {hop:?}"),
        Resolution::Unresolved(why) => why,
    }
}

#[test]
fn packets_come_to_the_addresses_and_in_the_vlans_that_tunnels_leave_by() {
    const VIRTUAL: MacAddr = MacAddr([0, 0, 0x5e, 0, 1, 51]);
    let mut facts = facts();
    facts.apply(Change::Link(Link { macvlan_of: Some(TAGGED), ..link(9, "vrrp4.51", VIRTUAL) }));
    let remotes = [ip("10.0.0.2"), ip("10.10.0.2")];
    let wanted = Wanted { uplinks: uplinks(), remotes: remotes.into(), ..Wanted::default() };
    let (untagged, tagged) = ([(NIC_MAC, 0)], [(VIRTUAL, 10), (TAGGED_MAC, 10)]);
    let both = untagged.into_iter().chain(tagged).collect();
    assert_eq!(facts.snapshot(&wanted).arrivals, both, "as long as no route is known");
    facts.answer(remotes[0], Answer::Via(on_link(UPLINK)));
    assert_eq!(facts.snapshot(&wanted).arrivals, untagged.into());
    facts.answer(remotes[1], Answer::Via(on_link(TAGGED)));
    assert_eq!(facts.snapshot(&wanted).arrivals, both);
    facts.answer(remotes[0], Answer::NoRoute);
    assert_eq!(facts.snapshot(&wanted).arrivals, tagged.into());
}

#[test]
fn on_link_remote_is_its_own_next_hop() {
    let mut facts = facts();
    let source = Some(ip("10.0.0.1"));
    facts.answer(ip("10.0.0.2"), Answer::Via(Route { source, ..on_link(UPLINK) }));
    neighbour(&mut facts, (UPLINK, ip("10.0.0.2")), NeighbourState::Valid);
    let via = ip("10.0.0.2");
    let expected = Hop { ifindex: UPLINK, vlan: 0, src_mac: NIC_MAC, via, dst_mac: PEER_MAC, mtu: 1500, source };
    assert_eq!(hop(&facts, "10.0.0.2"), expected);
}

#[test]
fn remote_behind_a_router_goes_to_the_router() {
    let mut facts = facts();
    facts.answer(ip("192.0.2.9"), Answer::Via(Route { gateway: Some(ip("10.0.0.254")), ..on_link(UPLINK) }));
    neighbour(&mut facts, (UPLINK, ip("10.0.0.254")), NeighbourState::Valid);
    assert_eq!(hop(&facts, "192.0.2.9").dst_mac, PEER_MAC);
    assert_eq!(facts.next_hop(ip("192.0.2.9"), &uplinks()), Some((UPLINK, ip("10.0.0.254"))));
}

#[test]
fn ipv4_route_can_have_an_ipv6_router() {
    let mut facts = facts();
    facts.answer(ip("192.0.2.9"), Answer::Via(Route { gateway: Some(ip("fe80::1")), ..on_link(UPLINK) }));
    neighbour(&mut facts, (UPLINK, ip("fe80::1")), NeighbourState::Valid);
    assert_eq!(hop(&facts, "192.0.2.9").dst_mac, PEER_MAC);
}

#[test]
fn vlan_subinterface_means_its_tag_on_the_uplink() {
    let mut facts = facts();
    facts.answer(ip("2001:db8::2"), Answer::Via(on_link(TAGGED)));
    neighbour(&mut facts, (TAGGED, ip("2001:db8::2")), NeighbourState::Valid);
    let hop = hop(&facts, "2001:db8::2");
    assert_eq!((hop.ifindex, hop.vlan, hop.src_mac), (UPLINK, 10, TAGGED_MAC));
}

#[test]
fn mtu_is_the_least_of_link_parent_and_route() {
    let mut facts = facts();
    facts.apply(Change::Link(Link { mtu: 1400, ..link(UPLINK, "eth0", NIC_MAC) }));
    facts.answer(ip("10.0.0.2"), Answer::Via(on_link(TAGGED)));
    neighbour(&mut facts, (TAGGED, ip("10.0.0.2")), NeighbourState::Valid);
    assert_eq!(hop(&facts, "10.0.0.2").mtu, 1400);
    facts.answer(ip("10.0.0.2"), Answer::Via(Route { mtu: Some(1300), ..on_link(TAGGED) }));
    assert_eq!(hop(&facts, "10.0.0.2").mtu, 1300);
}

#[test]
fn permanent_neighbour_counts() {
    let mut facts = facts();
    facts.answer(ip("10.0.0.2"), Answer::Via(on_link(UPLINK)));
    neighbour(&mut facts, (UPLINK, ip("10.0.0.2")), NeighbourState::Fixed);
    assert_eq!(hop(&facts, "10.0.0.2").dst_mac, PEER_MAC);
}

#[test]
fn neighbour_unknown_pending_and_failed_are_distinguished() {
    let mut facts = facts();
    facts.answer(ip("10.0.0.2"), Answer::Via(on_link(UPLINK)));
    let pending = Why::NeighbourPending { address: ip("10.0.0.2"), link: "eth0".into() };
    assert_eq!(why(&facts, "10.0.0.2"), pending);
    neighbour(&mut facts, (UPLINK, ip("10.0.0.2")), NeighbourState::Pending);
    assert_eq!(why(&facts, "10.0.0.2"), pending);
    neighbour(&mut facts, (UPLINK, ip("10.0.0.2")), NeighbourState::Failed);
    assert!(matches!(why(&facts, "10.0.0.2"), Why::NeighbourFailed { .. }));
}

#[test]
fn neighbour_of_another_link_does_not_count() {
    let mut facts = facts();
    facts.answer(ip("10.0.0.2"), Answer::Via(on_link(UPLINK)));
    neighbour(&mut facts, (OTHER, ip("10.0.0.2")), NeighbourState::Valid);
    assert!(matches!(why(&facts, "10.0.0.2"), Why::NeighbourPending { .. }));
}

#[test]
fn route_by_another_interface_names_it() {
    let mut facts = facts();
    facts.answer(ip("10.0.0.2"), Answer::Via(on_link(OTHER)));
    assert_eq!(why(&facts, "10.0.0.2"), Why::NotUplink { link: "br0".into() });
    assert_eq!(facts.next_hop(ip("10.0.0.2"), &uplinks()), None);
}

#[test]
fn link_down_names_the_nic_below_the_vlan() {
    let mut facts = facts();
    facts.answer(ip("10.0.0.2"), Answer::Via(on_link(TAGGED)));
    facts.apply(Change::Link(Link { admin_up: false, running: false, ..link(UPLINK, "eth0", NIC_MAC) }));
    assert_eq!(why(&facts, "10.0.0.2"), Why::LinkDown { link: "eth0".into() });
    facts.apply(Change::Link(Link { running: false, ..link(UPLINK, "eth0", NIC_MAC) }));
    assert_eq!(why(&facts, "10.0.0.2"), Why::NoCarrier { link: "eth0".into() });
}

#[test]
fn link_without_ethernet_address_is_refused() {
    let mut facts = facts();
    facts.apply(Change::Link(Link { mac: None, ..link(UPLINK, "eth0", NIC_MAC) }));
    facts.answer(ip("10.0.0.2"), Answer::Via(on_link(UPLINK)));
    assert_eq!(why(&facts, "10.0.0.2"), Why::NotEthernet { link: "eth0".into() });
}

#[test]
fn vanished_interface_is_said() {
    let mut facts = facts();
    facts.answer(ip("10.0.0.2"), Answer::Via(on_link(99)));
    assert_eq!(why(&facts, "10.0.0.2"), Why::LinkGone { ifindex: 99 });
}

#[test]
fn answers_without_a_way_say_why() {
    let mut facts = facts();
    assert_eq!(why(&facts, "10.0.0.2"), Why::NotAsked);
    for (answer, expected) in [
        (Answer::Local, Why::OwnAddress),
        (Answer::NotUnicast, Why::NotUnicast),
        (Answer::NoRoute, Why::NoRoute { down: vec![] }),
        (Answer::Forbidden(Forbidden::Blackhole), Why::Forbidden(Forbidden::Blackhole)),
        (Answer::Failed(1), Why::Lookup(1)),
    ] {
        facts.answer(ip("10.0.0.2"), answer);
        assert_eq!(why(&facts, "10.0.0.2"), expected);
    }
}

#[test]
fn no_route_names_the_uplinks_that_are_down() {
    let mut facts = facts();
    facts.apply(Change::LinkGone(UPLINK));
    facts.answer(ip("10.0.0.2"), Answer::NoRoute);
    let why = why(&facts, "10.0.0.2");
    assert_eq!(why, Why::NoRoute { down: vec!["eth0".into()] });
    assert!(why.to_string().contains("eth0 is down or missing"), "{why}");
}

#[test]
fn a_bond_has_its_members_with_their_states_and_nothing_else_has() {
    const BOND: u32 = 20;
    let mut facts = facts();
    facts.apply(Change::Link(Link { bond: true, ..link(BOND, "bond0", NIC_MAC) }));
    let member = |index, active_member| {
        let name = format!("eth{index}");
        Change::Link(Link { master: Some((BOND, MasterKind::Bond)), active_member, ..link(index, &name, NIC_MAC) })
    };
    facts.apply(member(21, true));
    facts.apply(member(22, false));
    let wanted =
        Wanted { uplinks: ["eth0".to_owned()].into(), ports: ["bond0".to_owned()].into(), ..Wanted::default() };
    let members = |facts: &Facts| {
        let bond = facts.snapshot(&wanted).links["bond0"].bond.clone().unwrap();
        bond.into_iter().map(|(index, member)| (index, member.name, member.active)).collect::<Vec<_>>()
    };
    assert_eq!(members(&facts), [(21, "eth21".to_owned(), true), (22, "eth22".to_owned(), false)]);
    assert_eq!(facts.snapshot(&wanted).links["eth0"].bond, None);
    // Failover, then a member is taken out.
    facts.apply(member(21, false));
    facts.apply(member(22, true));
    facts.apply(Change::Link(link(21, "eth21", NIC_MAC)));
    assert_eq!(members(&facts), [(22, "eth22".to_owned(), true)]);
}
