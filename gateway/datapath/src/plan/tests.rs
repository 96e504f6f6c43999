//! Plans for rows, configuration and underlay.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gateway_common::{
    headers::{V4_LEN, V6_LEN},
    net::MacAddr,
    tunnel::Addr,
};
use gateway_config::{
    GatewayConfig, InstanceConfig, Interface, MetricsConfig, Mode, SyncConfig, Track, Vteps,
    rows::{Contested, Refusal, RefusedBinding},
};
use gateway_netdev::{
    nic::{Master, MasterKind},
    underlay::{LinkState, Why},
};
use proptest::prelude::*;

use super::*;

const UPLINK: u32 = 2;
const PORT: u32 = 3;
const NIC_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x10]);
const ROUTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x20]);
const STATION: MacAddr = MacAddr([2, 0xaa, 0, 0, 0, 1]);
const VTEP_V4: &str = "172.31.0.21";
const VTEP_V6: &str = "2001:db8::21";
const FAR_V4: &str = "172.31.0.11";
const FAR_V6: &str = "2001:db8::11";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn vlan(number: u16) -> VlanId {
    VlanId::new(number).unwrap()
}

fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}

fn config() -> Config {
    let interface = |name: &str| Interface { name: name.to_owned(), mode: Mode::Auto, track: Track::Fault };
    let vteps = Vteps { v4: Some(VTEP_V4.parse().unwrap()), v6: Some(VTEP_V6.parse().unwrap()) };
    Config {
        instances: vec![InstanceConfig { name: "gateway".to_owned(), vteps, switch: None, vrrp: None }],
        sync: SyncConfig { port: 0 },
        gateway: GatewayConfig {
            udp_port: 4790,
            ttl: 17,
            ageing: Duration::from_secs(300),
            fdb_size: 1000,
            pin_dir: PathBuf::new(),
            run_dir: PathBuf::new(),
            control_group: None,
        },
        uplinks: vec![interface("eth0")],
        ports: vec![interface("eth1"), interface("eth2")],
        rows: Arc::default(),
        database: None,
        switch_options: BTreeMap::new(),
        metrics: MetricsConfig::default(),
    }
}

fn link(ifindex: u32, mtu: u32) -> LinkState {
    LinkState { ifindex, mac: Some(NIC_MAC), mtu, up: true, master: None, bond: None }
}

fn hop(mtu: u32) -> Hop {
    let via = ip("10.0.0.254");
    Hop { ifindex: UPLINK, vlan: 0, src_mac: NIC_MAC, via, dst_mac: ROUTER_MAC, mtu, source: None }
}

/// Uplink eth0 of MTU 1570, ports eth1 and eth2 of MTU 1500, both remotes resolved.
fn underlay() -> Snapshot {
    let links = [("eth0", link(UPLINK, 1570)), ("eth1", link(PORT, 1500)), ("eth2", link(PORT + 1, 1500))];
    Snapshot {
        hops: [FAR_V4, FAR_V6].map(|remote| (ip(remote), Resolution::Resolved(hop(1570)))).into(),
        links: links.map(|(name, link)| (name.to_owned(), link)).into(),
        arrivals: [(NIC_MAC, 0)].into(),
    }
}

fn far(remote: &str) -> Remote {
    Remote { address: ip(remote), vni: None }
}

fn at_port(port: &str, number: u16) -> Location {
    Location::Port { name: port.to_owned(), vlan: vlan(number) }
}

/// VNI 5001, bound to VLAN 100 of eth1, flooding to the IPv4 remote.
fn switch() -> LogicalSwitch {
    LogicalSwitch {
        vni: Some(vni(5001)),
        bindings: [("eth1".to_owned(), vlan(100))].into(),
        flood: [far(FAR_V4)].into(),
        ..LogicalSwitch::default()
    }
}

fn rows(switches: impl IntoIterator<Item = (&'static str, LogicalSwitch)>) -> Rows {
    let switches = switches.into_iter().map(|(name, switch)| (name.to_owned(), switch.into())).collect();
    Rows { switches, ..Rows::default() }
}

/// The configuration and underlay of these tests.
pub(super) fn world() -> (Config, Snapshot) {
    (config(), underlay())
}

/// One switch with `count` stations behind the IPv4 remote.
pub(super) fn many_macs(count: u32) -> Rows {
    let station = |number: u32| {
        let [_, b, c, d] = number.to_be_bytes();
        (MacAddr([2, 0xab, 0, b, c, d]), Location::Remote(far(FAR_V4)))
    };
    rows([("db-net", LogicalSwitch { macs: (0..count).map(station).collect(), ..switch() })])
}

/// The same rows with one station more.
pub(super) fn one_remote_more(rows: &Rows) -> Rows {
    let mut more = rows.clone();
    for switch in more.switches.values_mut() {
        Arc::make_mut(switch).macs.insert(STATION, Location::Remote(far(FAR_V4)));
    }
    more
}

fn plan_of(switch: LogicalSwitch) -> Plan {
    plan(&config(), &rows([("db-net", switch)]), &underlay(), BTreeSet::new())
}

fn binding(ifindex: u32, vlan: u16) -> BindingKey {
    BindingKey { ifindex, vlan, reserved: 0 }
}

fn ends(local: &str, remote: &str) -> RemoteVtepKey {
    RemoteVtepKey { local: ip(local).into(), remote: ip(remote).into() }
}

fn next_hop_to(remote: &str, hop: &Hop) -> NextHop {
    let local = config().instances[0].vteps.towards(ip(remote)).unwrap();
    next_hop(&config(), local, ip(remote), hop)
}

// === switches ===

#[test]
fn a_switch_becomes_a_segment_with_its_binding_and_its_members() {
    let Plan { desired, problems, .. } = plan_of(switch());
    assert_eq!(problems, []);
    assert_eq!(desired.switches.keys().collect::<Vec<_>>(), [&5001]);
    assert_eq!(desired.bindings[&binding(PORT, 100)].vni, 5001);
    let members = [Place::Local(binding(PORT, 100)), Place::Remote { ends: ends(VTEP_V4, FAR_V4), vni: 5001 }];
    assert_eq!(desired.flood[&5001], members.into());
}

#[test]
fn a_switch_without_a_vni_forwards_nothing() {
    let mut unbound = LogicalSwitch { vni: None, ..switch() };
    unbound.macs.insert(STATION, Location::Remote(far(FAR_V4)));
    let desired = plan_of(unbound).desired;
    let (vteps, arrivals, settings) = (desired.vteps.clone(), desired.arrivals.clone(), desired.settings);
    assert_eq!(arrivals, [Arrival { mac: NIC_MAC.0, vlan: 0 }].into());
    assert_eq!(desired, Desired { vteps, arrivals, settings, ..Desired::default() });
}

#[test]
fn remotes_of_a_switch_without_a_vni_may_not_send() {
    assert_eq!(remotes(&rows([("db-net", LogicalSwitch { vni: None, ..switch() })])), BTreeSet::new());
}

#[test]
fn remotes_are_those_flooded_to_and_those_with_macs() {
    let mut switch = switch();
    switch.macs.insert(STATION, Location::Remote(far(FAR_V6)));
    assert_eq!(remotes(&rows([("db-net", switch)])), [ip(FAR_V4), ip(FAR_V6)].into());
}

#[test]
fn of_two_switches_with_one_vni_the_first_by_name_forwards_and_nothing_of_the_second() {
    let mut second = LogicalSwitch { flood: [far(FAR_V6)].into(), ..switch() };
    second.bindings = [("eth2".to_owned(), vlan(200))].into();
    second.macs.insert(STATION, Location::Remote(far(FAR_V6)));
    let both = rows([("a", switch()), ("b", second)]);
    let Plan { desired, problems, .. } = plan(&config(), &both, &underlay(), BTreeSet::new());
    assert_eq!(desired, plan(&config(), &rows([("a", switch())]), &underlay(), BTreeSet::new()).desired);
    assert_eq!(problems, [Problem::SameVni { vni: vni(5001), first: "a".to_owned(), second: "b".to_owned() }]);
    assert_eq!(remotes(&both), [ip(FAR_V4)].into());
}

#[test]
fn senders_are_looked_up_where_the_switch_learns_from_tunnels() {
    for learn_remote in [false, true] {
        let desired = plan_of(LogicalSwitch { learn_remote, ..switch() }).desired;
        assert_eq!(desired.bindings[&binding(PORT, 100)].check_sender, learn_remote);
        assert_eq!(desired.switches[&5001].learn_remote, learn_remote);
    }
}

#[test]
fn the_gateway_answers_for_its_addresses() {
    let own: Vec<Addr> = plan_of(switch()).desired.vteps.into_keys().collect();
    assert_eq!(own, [ip(VTEP_V4).into(), Addr::from(ip(VTEP_V6))]);
}

// === bindings and MACs ===

#[test]
fn a_port_that_is_missing_leaves_its_bindings_out_and_is_reported_once() {
    let mut switch = switch();
    switch.bindings =
        [("eth1".to_owned(), vlan(100)), ("eth2".to_owned(), vlan(1)), ("eth2".to_owned(), vlan(2))].into();
    switch.macs.insert(STATION, at_port("eth2", 1));
    let mut underlay = underlay();
    underlay.links.remove("eth2");
    let Plan { desired, problems, .. } = plan(&config(), &rows([("db-net", switch)]), &underlay, BTreeSet::new());
    assert_eq!(desired.bindings.into_keys().collect::<Vec<_>>(), [binding(PORT, 100)]);
    assert_eq!(desired.macs, BTreeMap::new());
    assert_eq!(problems, [Problem::NoInterface("eth2".to_owned())]);
}

#[test]
fn an_interface_created_again_is_bound_by_its_new_index() {
    let mut underlay = underlay();
    underlay.links.insert("eth1".to_owned(), link(77, 1500));
    let desired = plan(&config(), &rows([("db-net", switch())]), &underlay, BTreeSet::new()).desired;
    assert_eq!(desired.bindings.into_keys().collect::<Vec<_>>(), [binding(77, 100)]);
    assert!(desired.flood[&5001].contains(&Place::Local(binding(77, 100))));
}

#[test]
fn an_uplink_is_no_access_port() {
    let mut switch = switch();
    switch.bindings.insert(("eth0".to_owned(), VlanId::UNTAGGED));
    let Plan { desired, problems, .. } = plan_of(switch);
    assert_eq!(desired.bindings.into_keys().collect::<Vec<_>>(), [binding(PORT, 100)]);
    assert_eq!(problems, [Problem::NotAPort("eth0".to_owned())]);
}

#[test]
fn a_binding_of_two_switches_belongs_to_the_first_by_name() {
    let mut second = LogicalSwitch { vni: Some(vni(5002)), flood: BTreeSet::new(), ..switch() };
    second.macs.insert(STATION, at_port("eth1", 100));
    let both = rows([("a", switch()), ("b", second)]);
    let Plan { desired, problems, .. } = plan(&config(), &both, &underlay(), BTreeSet::new());
    assert_eq!(desired.bindings[&binding(PORT, 100)].vni, 5001);
    assert_eq!(desired.flood[&5002], BTreeSet::new());
    assert_eq!(desired.macs, BTreeMap::new());
    let (first, second) = ("a".to_owned(), "b".to_owned());
    assert_eq!(problems, [Problem::BoundTwice { port: "eth1".to_owned(), vlan: vlan(100), first, second }]);
}

#[test]
fn a_mac_is_placed_at_a_binding_or_a_remote() {
    let mut switch = switch();
    let other = MacAddr([2, 0xaa, 0, 0, 0, 2]);
    switch.macs = [(STATION, at_port("eth1", 100)), (other, Location::Remote(far(FAR_V4)))].into_iter().collect();
    let macs = plan_of(switch).desired.macs;
    assert_eq!(macs[&FdbKey::new(5001, STATION.0)], Place::Local(binding(PORT, 100)));
    assert_eq!(macs[&FdbKey::new(5001, other.0)], Place::Remote { ends: ends(VTEP_V4, FAR_V4), vni: 5001 });
}

#[test]
fn a_mac_never_leads_to_a_vlan_of_another_switch() {
    let mut second = LogicalSwitch { vni: Some(vni(5002)), bindings: BTreeSet::new(), ..switch() };
    second.macs.insert(STATION, at_port("eth1", 100));
    let both = rows([("a", switch()), ("b", second)]);
    let Plan { desired, problems, .. } = plan(&config(), &both, &underlay(), BTreeSet::new());
    assert_eq!(desired.macs, BTreeMap::new());
    assert_eq!(problems, [Problem::NotBound { switch: "b".to_owned(), port: "eth1".to_owned(), vlan: vlan(100) }]);
}

#[test]
fn one_mac_may_be_in_two_switches() {
    let with = |number, vlan_id, far_end: &str| LogicalSwitch {
        vni: Some(vni(number)),
        bindings: [("eth1".to_owned(), vlan(vlan_id))].into(),
        macs: [(STATION, Location::Remote(far(far_end)))].into_iter().collect(),
        ..switch()
    };
    let both = rows([("a", with(5001, 100, FAR_V4)), ("b", with(5002, 200, FAR_V6))]);
    let macs = plan(&config(), &both, &underlay(), BTreeSet::new()).desired.macs;
    assert_eq!(macs[&FdbKey::new(5001, STATION.0)], Place::Remote { ends: ends(VTEP_V4, FAR_V4), vni: 5001 });
    assert_eq!(macs[&FdbKey::new(5002, STATION.0)], Place::Remote { ends: ends(VTEP_V6, FAR_V6), vni: 5002 });
}

// === tunnels ===

#[test]
fn a_tunnel_starts_from_the_address_of_its_family() {
    let desired = plan_of(LogicalSwitch { flood: [far(FAR_V4), far(FAR_V6)].into(), ..switch() }).desired;
    let both: BTreeSet<RemoteVtepKey> = desired.tunnels.into_keys().collect();
    assert_eq!(both, [ends(VTEP_V4, FAR_V4), ends(VTEP_V6, FAR_V6)].into());
}

/// If it were programmed, it would let in packets that claim to come from this gateway itself.
#[test]
fn the_gateway_s_own_address_is_no_remote_and_that_is_reported() {
    for own in [VTEP_V4, VTEP_V6] {
        let flooded = LogicalSwitch { flood: [far(own)].into(), ..switch() };
        let mut placed = LogicalSwitch { flood: BTreeSet::new(), ..switch() };
        placed.macs.insert(STATION, Location::Remote(far(own)));
        for switch in [flooded, placed] {
            let Plan { desired, problems, .. } = plan_of(switch);
            assert!(desired.tunnels.is_empty(), "{own}: {:?}", desired.tunnels);
            assert_eq!(problems, [Problem::OwnAddress(ip(own))]);
        }
    }
}

#[test]
fn a_remote_of_a_family_the_gateway_lacks_is_left_out_and_reported() {
    let mut config = config();
    config.instances[0].vteps.v6 = None;
    let switch = LogicalSwitch { flood: [far(FAR_V4), far(FAR_V6)].into(), ..switch() };
    let Plan { desired, problems, .. } = plan(&config, &rows([("db-net", switch)]), &underlay(), BTreeSet::new());
    assert_eq!(desired.tunnels.into_keys().collect::<Vec<_>>(), [ends(VTEP_V4, FAR_V4)]);
    assert_eq!(problems, [Problem::NoVtep(ip(FAR_V6))]);
}

#[test]
fn a_remote_that_is_not_resolved_may_send_and_is_reported() {
    let mut underlay = underlay();
    let why = Why::NoRoute { down: Vec::new() };
    underlay.hops.insert(ip(FAR_V4), Resolution::Unresolved(why.clone()));
    let Plan { desired, problems, .. } = plan(&config(), &rows([("db-net", switch())]), &underlay, BTreeSet::new());
    assert_eq!(desired.tunnels[&ends(VTEP_V4, FAR_V4)].hop, NextHop::UNRESOLVED);
    assert_eq!(problems, [Problem::Unresolved(ip(FAR_V4), why)]);
}

#[test]
fn a_remote_that_was_not_asked_for_yet_is_no_problem() {
    let underlay = Snapshot { hops: BTreeMap::new(), ..underlay() };
    let Plan { desired, problems, .. } = plan(&config(), &rows([("db-net", switch())]), &underlay, BTreeSet::new());
    assert_eq!(desired.tunnels[&ends(VTEP_V4, FAR_V4)].hop, NextHop::UNRESOLVED);
    assert_eq!(problems, []);
}

#[test]
fn a_remote_with_a_vni_of_its_own_is_sent_to_with_that() {
    let remote = Remote { vni: Some(vni(77)), ..far(FAR_V4) };
    let macs = [(STATION, Location::Remote(remote))].into_iter().collect();
    let desired = plan_of(LogicalSwitch { flood: [remote].into(), macs, ..switch() }).desired;
    let place = Place::Remote { ends: ends(VTEP_V4, FAR_V4), vni: 77 };
    assert!(desired.flood[&5001].contains(&place), "{:?}", desired.flood);
    assert_eq!(desired.macs[&FdbKey::new(5001, STATION.0)], place);
}

// === outer headers ===

#[test]
fn a_header_goes_from_the_nic_to_the_next_hop() {
    let next = next_hop_to(FAR_V4, &hop(1500));
    assert_eq!((next.ifindex, next.header_len as usize), (UPLINK, V4_LEN));
    assert_eq!((&next.header[..6], &next.header[6..12]), (&ROUTER_MAC.0[..], &NIC_MAC.0[..]));
}

#[test]
fn an_ipv4_header_carries_addresses_ttl_port_and_dont_fragment() {
    let header = next_hop_to(FAR_V4, &hop(1500)).header;
    assert_eq!((&header[26..30], &header[30..34]), (&[172, 31, 0, 21][..], &[172, 31, 0, 11][..]));
    assert_eq!(header[22], 17, "TTL");
    assert_eq!(header[20..22], [0x40, 0], "flags and fragment offset");
    assert_eq!(header[36..38], 4790u16.to_be_bytes(), "UDP destination port");
}

#[test]
fn an_ipv6_header_carries_addresses_hop_limit_and_port() {
    let next = next_hop_to(FAR_V6, &hop(1500));
    let octets = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    assert_eq!(next.header_len as usize, V6_LEN);
    assert_eq!((&next.header[22..38], &next.header[38..54]), (&octets(VTEP_V6)[..], &octets(FAR_V6)[..]));
    assert_eq!(next.header[21], 17, "hop limit");
    assert_eq!(next.header[56..58], 4790u16.to_be_bytes(), "UDP destination port");
}

#[test]
fn a_header_for_a_tagged_underlay_carries_the_tag() {
    let next = next_hop_to(FAR_V4, &Hop { vlan: 10, ..hop(1500) });
    assert_eq!(next.header_len as usize, V4_LEN + 4);
    assert_eq!(next.header[12..16], [0x81, 0x00, 0, 10]);
}

/// The outer IP packet is as long as the MTU allows when the inner frame is as long as `max_frame` allows.
#[test]
fn the_longest_frame_fills_the_mtu() {
    for (remote, ip_header) in [(FAR_V4, 20), (FAR_V6, 40)] {
        for vlan in [0, 10] {
            let max_frame = next_hop_to(remote, &Hop { vlan, ..hop(1500) }).max_frame;
            assert_eq!(ip_header + 8 + 8 + max_frame, 1500, "{remote}, underlay VLAN {vlan}");
        }
    }
}

#[test]
fn an_mtu_too_small_for_headers_lets_nothing_through() {
    assert_eq!(next_hop_to(FAR_V4, &hop(30)).max_frame, 0);
}

// === MTU ===

fn mtu_problems(uplink_mtu: u32, remotes: &[&str]) -> Vec<Problem> {
    let mut underlay = underlay();
    underlay.links.insert("eth0".to_owned(), link(UPLINK, uplink_mtu));
    let flood = remotes.iter().map(|remote| far(remote)).collect();
    plan(&config(), &rows([("db-net", LogicalSwitch { flood, ..switch() })]), &underlay, BTreeSet::new()).problems
}

fn too_small(mtu: u32, needed: u32, fits: u32) -> Problem {
    let (uplink, port) = ("eth0".to_owned(), "eth2".to_owned());
    Problem::Mtu { uplink, mtu, port, port_mtu: 1500, needed, fits }
}

#[test]
fn an_uplink_too_narrow_is_reported_with_the_mtu_it_needs_and_the_one_that_fits() {
    assert_eq!(mtu_problems(1500, &[FAR_V4]), [too_small(1500, 1550, 1450)]);
    assert_eq!(mtu_problems(1500, &[FAR_V4, FAR_V6]), [too_small(1500, 1570, 1430)]);
}

#[test]
fn an_uplink_just_wide_enough_is_no_problem() {
    assert_eq!(mtu_problems(1550, &[FAR_V4]), []);
    assert_eq!(mtu_problems(1549, &[FAR_V4]), [too_small(1549, 1550, 1499)]);
    assert_eq!(mtu_problems(1570, &[FAR_V6]), []);
    assert_eq!(mtu_problems(1569, &[FAR_V6]), [too_small(1569, 1570, 1499)]);
}

#[test]
fn the_mtu_that_is_reported_to_fit_is_the_one_that_does() {
    let found = mtu_problems(1500, &[FAR_V4]);
    let [Problem::Mtu { fits, .. }] = found[..] else { panic!("{found:?}") };
    assert_eq!(fits + ETH_LEN as u32, next_hop_to(FAR_V4, &hop(1500)).max_frame);
}

#[test]
fn without_tunnels_no_mtu_is_too_small() {
    assert_eq!(mtu_problems(1500, &[]), []);
}

#[test]
fn an_interface_that_is_down_is_reported() {
    let mut underlay = underlay();
    underlay.links.insert("eth1".to_owned(), LinkState { up: false, ..link(PORT, 1500) });
    let problems = plan(&config(), &rows([("db-net", switch())]), &underlay, BTreeSet::new()).problems;
    assert_eq!(problems, [Problem::Down("eth1".to_owned())]);
}

#[test]
fn a_member_of_a_bridge_or_bond_is_a_fault_that_names_whom_it_belongs_to() {
    let mut underlay = underlay();
    let master = Master { name: "br-ex".to_owned(), kind: MasterKind::Bridge };
    underlay.links.insert("eth1".to_owned(), LinkState { master: Some(master.clone()), ..link(PORT, 1500) });
    let problems = plan(&config(), &rows([("db-net", switch())]), &underlay, BTreeSet::new()).problems;
    assert_eq!(problems, [Problem::Member { interface: "eth1".to_owned(), role: Role::Access, master }]);
    assert!(!problems[0].is_warning());
    assert!(problems[0].to_string().contains("bridge br-ex"), "{}", problems[0]);
}

// === what may be learned ===

#[test]
fn a_switch_alone_may_learn_up_to_its_limit() {
    let limits = learn_limits(&config(), &rows([("db-net", LogicalSwitch { learn_limit: 999, ..switch() })]));
    assert_eq!(limits[&5001].learn_limit, 999);
}

#[test]
fn static_macs_leave_less_to_learn() {
    let mut switch = switch();
    switch.macs.insert(STATION, at_port("eth1", 100));
    assert_eq!(learn_limits(&config(), &rows([("db-net", switch)]))[&5001].learn_limit, 999);
}

proptest! {
    #[test]
    fn learned_and_static_macs_never_exceed_the_database(
        fdb_size in 1..3000u32, switches in prop::collection::vec((0..50u8, 0..9000u64), 0..20),
    ) {
        let mut config = config();
        config.gateway.fdb_size = fdb_size;
        let mut rows = Rows::default();
        let mut fixed = 0;
        for (number, (macs, learn_limit)) in (1..).zip(switches) {
            let macs = (0..macs).map(|last| (MacAddr([2, 0, 0, 0, 0, last]), Location::Remote(far(FAR_V4))));
            let switch = LogicalSwitch { vni: Some(vni(number)), macs: macs.collect(), learn_limit, ..switch() };
            fixed += switch.macs.len() as u64;
            rows.switches.insert(number.to_string(), switch.into());
        }
        let learned: u64 = learn_limits(&config, &rows).values().map(|plan| plan.learn_limit).sum();
        prop_assert!(learned + fixed <= u64::from(fdb_size).max(fixed));
    }

    #[test]
    fn what_a_plan_refers_to_is_in_it(
        wanted in prop::collection::vec((1..4u32, 0..3u16, any::<bool>(), 0..2u8), 0..6), eth2 in any::<bool>(),
    ) {
        let mut rows = Rows::default();
        for (name, (number, vlan_id, v6, last)) in wanted.into_iter().enumerate() {
            let switch = LogicalSwitch {
                vni: Some(vni(number)),
                bindings: [("eth1".to_owned(), vlan(vlan_id)), ("eth2".to_owned(), vlan(vlan_id))].into(),
                flood: [far(if v6 { FAR_V6 } else { FAR_V4 })].into(),
                macs: [(MacAddr([2, 0, 0, 0, 0, last]), at_port("eth2", vlan_id))].into_iter().collect(),
                ..LogicalSwitch::default()
            };
            rows.switches.insert(name.to_string(), switch.into());
        }
        let mut underlay = underlay();
        if !eth2 {
            underlay.links.remove("eth2");
        }
        let desired = plan(&config(), &rows, &underlay, BTreeSet::new()).desired;
        let flooded = desired.flood.iter().flat_map(|(vni, members)| members.iter().map(move |place| (*vni, *place)));
        for (vni, place) in flooded.chain(desired.macs.iter().map(|(key, place)| (key.vni, *place))) {
            let sound = match place {
                Place::Local(key) => desired.bindings.get(&key).is_some_and(|plan| plan.vni == vni),
                Place::Remote { ends, .. } => desired.tunnels.contains_key(&ends),
            };
            prop_assert!(sound && desired.switches.contains_key(&vni), "{place:?} of VNI {vni}");
        }
    }
}

#[test]
fn what_fits_every_port_is_what_fits_the_narrowest() {
    let (config, mut underlay) = world();
    underlay.links.get_mut("eth2").unwrap().mtu = 1400;
    let settings = plan(&config, &rows([]), &underlay, BTreeSet::new()).desired.settings;
    assert_eq!(settings.fits_every_port, 1414);
}

// === states of bindings ===

fn states(rows: &Rows, underlay: &Snapshot) -> Vec<(String, u16, String, &'static str)> {
    let all = plan(&config(), rows, underlay, BTreeSet::new()).bindings;
    all.into_iter().map(|one| (one.port, one.vlan, one.switch, one.state.name())).collect()
}

fn bound_to(port: &str, number: u16) -> BTreeSet<(String, VlanId)> {
    [(port.to_owned(), vlan(number))].into()
}

#[test]
fn every_binding_of_the_database_has_a_state() {
    let keyless = LogicalSwitch { vni: None, bindings: bound_to("eth1", 200), ..switch() };
    let contested = Some(Contested { vni: vni(5001), holder: "a".to_owned() });
    let taken = LogicalSwitch { contested, bindings: bound_to("eth1", 300), ..keyless.clone() };
    let same_vni = LogicalSwitch { bindings: bound_to("eth1", 400), ..switch() };
    let same_vlan = LogicalSwitch { vni: Some(vni(5005)), ..switch() };
    let nowhere = LogicalSwitch { vni: Some(vni(5006)), bindings: bound_to("eth9", 1), ..switch() };
    let all = [("a", switch()), ("b", keyless), ("c", taken), ("d", same_vni), ("e", same_vlan), ("f", nowhere)];
    let mut all = rows(all);
    let refused = |port: &str, vlan, why| {
        let (port, switch) = (port.to_owned(), "a".to_owned());
        RefusedBinding { port, vlan, switch, instance: 0, why }
    };
    all.refused = [refused("eth8", 7, Refusal::NoPort), refused("eth1", 4095, Refusal::NoVlan)].into();
    let mut underlay = underlay();
    let expected = |first| {
        let all = [
            ("eth1", 100, "a", first),
            ("eth1", 100, "e", "vlan_taken"),
            ("eth1", 200, "b", "waits_for_key"),
            ("eth1", 300, "c", "vni_taken"),
            ("eth1", 400, "d", "vni_taken"),
            ("eth1", 4095, "a", "no_vlan"),
            ("eth8", 7, "a", "no_port"),
            ("eth9", 1, "f", "no_port"),
        ];
        all.map(|(port, vlan, switch, state)| (port.to_owned(), vlan, switch.to_owned(), state)).to_vec()
    };
    assert_eq!(states(&all, &underlay), expected("forwards"));
    underlay.links.get_mut("eth1").unwrap().up = false;
    assert_eq!(states(&all, &underlay), expected("port_down"));
    underlay.links.remove("eth1");
    assert!(states(&all, &underlay).iter().any(|one| one.1 == 100 && one.3 == "no_interface"));
}

#[test]
fn bindings_that_do_not_forward_are_a_fault_that_names_one_and_counts_the_others() {
    let keyless = |number| LogicalSwitch { vni: None, bindings: bound_to("eth1", number), ..switch() };
    let of = |rows: &Rows| unforwarded(&plan(&config(), rows, &underlay(), BTreeSet::new()).bindings);
    assert_eq!(of(&rows([("a", switch())])), None);
    let problem = of(&rows([("a", switch()), ("b", keyless(200)), ("c", keyless(300))])).unwrap();
    let text = problem.to_string();
    assert!(
        !problem.is_warning() && text.starts_with("2 of 3 bindings do not forward: VLAN 200 of port eth1"),
        "{text}"
    );
    assert!(text.contains("logical switch b: waits for a tunnel_key") && text.ends_with("all of them"), "{text}");
}

#[test]
fn a_port_without_carrier_is_down_and_an_uplink_is_not_a_port() {
    let (config, mut underlay) = world();
    let port = &config.ports[0].name;
    let desired = |underlay: &Snapshot| plan(&config, &rows([]), underlay, BTreeSet::new()).desired;
    let before = desired(&underlay);
    assert_eq!((before.down, before.settings.ports_down), (BTreeSet::new(), 0));
    underlay.links.values_mut().for_each(|link| link.up = false);
    let after = desired(&underlay);
    let ports: BTreeSet<u32> = config.ports.iter().map(|port| underlay.links[&port.name].ifindex).collect();
    assert!(ports.contains(&underlay.links[port].ifindex));
    assert_eq!((after.settings.ports_down as usize, after.down), (ports.len(), ports));
}

#[test]
fn a_path_that_is_narrower_is_reported_with_what_fits_it() {
    let (_, underlay) = world();
    let (remote, hop) = underlay
        .hops
        .iter()
        .find_map(|(remote, hop)| match hop {
            Resolution::Resolved(hop) if remote.is_ipv4() => Some((*remote, *hop)),
            _ => None,
        })
        .unwrap();
    let mut narrow = underlay.clone();
    narrow.hops.insert(remote, Resolution::Resolved(Hop { mtu: 1400, ..hop }));
    let problems = path_mtus(&narrow, &[remote].into());
    assert_eq!(problems, [Problem::PathMtu { remote, mtu: 1400, max_frame: 1364, fits: 1350 }]);
    assert!(problems[0].is_warning() && problems[0].to_string().contains("1350"));
    assert_eq!(path_mtus(&underlay, &BTreeSet::new()), []);
}
