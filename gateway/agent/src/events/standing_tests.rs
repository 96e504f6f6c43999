//! Tests of the events that two states give.

use gateway_api::events::Kind;
use gateway_common::net::MacAddr;
use gateway_netdev::underlay::{Hop, Why};

use super::{
    Role::{Active, Backup, Claiming, Starting},
    *,
};

fn kinds(events: &[Event]) -> Vec<Kind> {
    events.iter().map(Event::kind).collect()
}

fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_problem_comes_and_goes_once() {
    let (none, one) = (texts(&[]), texts(&["eth1 is down"]));
    assert_eq!(kinds(&problems(Source::Vrrp, &none, &one)), [Kind::Problem]);
    assert_eq!(kinds(&problems(Source::Vrrp, &one, &one)), []);
    assert_eq!(kinds(&problems(Source::Vrrp, &one, &none)), [Kind::ProblemGone]);
}

#[test]
fn a_fault_comes_and_goes_once() {
    let (none, one) = (BTreeSet::new(), BTreeSet::from(["mac_table_exhaustion"]));
    assert_eq!(kinds(&faults(&none, &one)), [Kind::Fault]);
    assert_eq!(kinds(&faults(&one, &none)), [Kind::FaultGone]);
}

#[test]
fn a_switch_that_only_gets_a_name_is_no_news() {
    let (unnamed, named) = (Switches::from([(1, None)]), Switches::from([(1, Some("a".to_owned()))]));
    assert_eq!(kinds(&switches(&Switches::new(), &named)), [Kind::SwitchAdded]);
    assert_eq!(kinds(&switches(&unnamed, &named)), []);
    assert_eq!(kinds(&switches(&named, &Switches::new())), [Kind::SwitchRemoved]);
}

#[test]
fn a_binding_has_the_switch_it_is_bound_to() {
    let names = Switches::from([(1, Some("a".to_owned())), (2, Some("b".to_owned()))]);
    let bound = |vni| Bindings::from([(("a0".to_owned(), 100), vni)]);
    let added =
        |vni, name: &str| Event::BindingAdded { port: "a0".to_owned(), vlan: 100, vni, switch: Some(name.to_owned()) };
    assert_eq!(bindings(&Bindings::new(), &bound(1), &names), [added(1, "a")]);
    assert_eq!(bindings(&bound(1), &bound(2), &names), [added(2, "b")]);
    assert_eq!(kinds(&bindings(&bound(2), &Bindings::new(), &names)), [Kind::BindingRemoved]);
}

#[test]
fn a_next_hop_is_lost_only_if_it_was_there() {
    let remote = IpAddr::from([172, 31, 0, 11]);
    let (ifindex, vlan, src_mac, mtu, source) = (3, 0, MacAddr([2; 6]), 1500, None);
    let hop = |last| Hop { ifindex, vlan, src_mac, via: remote, dst_mac: MacAddr([2, 0, 0, 0, 0, last]), mtu, source };
    let resolved = |last| BTreeMap::from([(remote, Resolution::Resolved(hop(last)))]);
    let pending = BTreeMap::from([(remote, Resolution::Unresolved(Why::NotAsked))]);
    let lost = BTreeMap::from([(remote, Resolution::Unresolved(Why::LinkDown { link: "u0".to_owned() }))]);
    let events = |old: &BTreeMap<_, _>, new: &BTreeMap<_, _>| hops(old, new, |ifindex| format!("u{ifindex}"));
    assert_eq!(kinds(&events(&BTreeMap::new(), &pending)), []);
    assert_eq!(kinds(&events(&pending, &lost)), []);
    let event = Event::NextHopResolved {
        remote,
        uplink: "u3".to_owned(),
        uplink_vlan: vlan,
        next_hop_mac: MacAddr([2, 0, 0, 0, 0, 1]),
    };
    assert_eq!(events(&pending, &resolved(1)), [event]);
    assert_eq!(kinds(&events(&resolved(1), &resolved(2))), [Kind::NextHopResolved]);
    assert_eq!(kinds(&events(&resolved(1), &lost)), [Kind::NextHopLost]);
    assert_eq!(kinds(&events(&resolved(1), &BTreeMap::new())), []);
}

fn router(role: Role, since: u64, active_node: Option<[u8; 4]>) -> BTreeMap<u8, RouterState> {
    let (name, priority) = ("r".to_owned(), 100);
    let since = Duration::from_secs(since);
    [(20, RouterState { name, role, since, active_node: active_node.map(IpAddr::from), priority })].into()
}

#[test]
fn a_role_is_an_event_when_it_changes_and_at_first() {
    let events = |old: &BTreeMap<u8, RouterState>, new: &BTreeMap<u8, RouterState>| kinds(&roles(old, new));
    assert_eq!(events(&BTreeMap::new(), &router(Starting, 0, None)), [Kind::RoleChanged]);
    assert_eq!(events(&router(Backup, 1, None), &router(Backup, 1, None)), []);
    assert_eq!(events(&router(Backup, 1, None), &router(Active, 2, None)), [Kind::RoleChanged]);
    assert_eq!(events(&router(Active, 1, None), &router(Backup, 2, Some([10, 0, 0, 2]))), [Kind::RoleChanged]);
}

#[test]
fn another_active_node_is_an_event_for_a_backup() {
    let (one, other) = (router(Backup, 1, Some([10, 0, 0, 2])), router(Backup, 1, Some([10, 0, 0, 3])));
    assert_eq!(kinds(&roles(&one, &other)), [Kind::RoleChanged]);
}

#[test]
fn a_node_that_was_active_and_claims_again_has_lost_its_lease_even_if_it_has_it_again() {
    assert_eq!(
        kinds(&roles(&router(Active, 1, None), &router(Claiming, 9, None))),
        [Kind::LeaseLost, Kind::RoleChanged]
    );
    assert_eq!(kinds(&roles(&router(Active, 1, None), &router(Active, 9, None))), [Kind::LeaseLost]);
    assert_eq!(kinds(&roles(&router(Claiming, 1, None), &router(Active, 9, None))), [Kind::RoleChanged]);
}

#[test]
fn each_state_and_each_server_of_a_database_is_an_event() {
    let database = |state: DatabaseState, remote: Option<&str>| {
        let database = Database { state, remote: remote.map(str::to_owned) };
        Databases::from([(None, database)])
    };
    let (following, elsewhere) =
        (database(DatabaseState::Following, Some("tcp:a:1")), database(DatabaseState::Following, Some("tcp:b:1")));
    assert_eq!(kinds(&databases(&Databases::new(), &following)), [Kind::Database]);
    assert_eq!(databases(&following, &following), []);
    assert_eq!(kinds(&databases(&following, &elsewhere)), [Kind::Database]);
    assert_eq!(kinds(&databases(&following, &database(DatabaseState::Gone, None))), [Kind::Database]);
}
