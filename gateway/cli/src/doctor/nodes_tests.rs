//! Tests of the findings on tunnel addresses and other nodes.

use gateway_api::view::samples;

use super::*;
use crate::doctor::{Check, Mark};

const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

fn address(here: bool, claims: &[MacAddr]) -> Address {
    Address { ip: "192.0.2.100".parse().unwrap(), here, claims: Ok(claims.to_vec()) }
}

fn alone(here: bool, claims: &[MacAddr]) -> Facts {
    Facts { interface: "eth0".to_owned(), addresses: vec![address(here, claims)], ..Facts::default() }
}

fn node(role: Option<Role>, here: bool, claims: &[MacAddr], peers: Vec<Peer>) -> Facts {
    let lease_left_ms = (role == Some(Role::Active)).then_some(200);
    let vrrp = VrrpFacts {
        vrid: 51,
        reported: role.map(|role| Router { role, lease_left_ms, ..samples::router() }),
        auth: Auth::Enforced,
        peers: Ok(peers),
        problems: vec![],
    };
    Facts { vrrp: Some(vrrp), agent: role.is_some(), ..alone(here, claims) }
}

fn peer(count: u32) -> Peer {
    Peer { from: "192.0.2.2".parse().unwrap(), priority: 150, count, foreign: false }
}

fn found(facts: Facts) -> Vec<(Check, Mark)> {
    evaluate(&[facts]).iter().filter(|one| one.mark != Mark::Ok).map(|one| (one.check, one.mark)).collect()
}

#[test]
fn sound_nodes_are_fine() {
    assert_eq!(found(alone(true, &[])), []);
    assert_eq!(found(node(Some(Role::Active), true, &[], vec![])), []);
    assert_eq!(found(node(Some(Role::Backup), false, &[OTHER], vec![peer(3)])), []);
    assert_eq!(found(node(None, false, &[OTHER], vec![peer(3)])), []);
    assert_eq!(found(node(None, false, &[], vec![])), []);
}

#[test]
fn an_address_that_two_machines_have_is_bad() {
    for facts in [
        alone(true, &[OTHER]),
        alone(true, &[OTHER, OTHER]),
        node(Some(Role::Active), true, &[OTHER], vec![]),
        node(Some(Role::Backup), false, &[OTHER, MacAddr([2; 6])], vec![peer(3)]),
        node(None, false, &[OTHER], vec![]),
    ] {
        assert_eq!(found(facts), [(AddressClash, Mark::Bad)]);
    }
}

#[test]
fn an_address_that_is_nowhere_is_bad() {
    assert_eq!(found(alone(false, &[])), [(VtepAddress, Mark::Bad)]);
    assert_eq!(found(node(Some(Role::Active), false, &[], vec![])), [(VtepAddress, Mark::Bad)]);
}

#[test]
fn an_address_left_behind_is_a_warning() {
    assert_eq!(found(node(None, true, &[], vec![])), [(VtepAddress, Mark::Warn)]);
}

#[test]
fn two_active_nodes_are_bad() {
    assert_eq!(found(node(Some(Role::Active), true, &[], vec![peer(2)])), [(VrrpHeard, Mark::Bad)]);
    // A node that has just stepped down does not count as active.
    assert_eq!(found(node(Some(Role::Active), true, &[], vec![peer(1)])), []);
}

#[test]
fn the_same_number_for_other_addresses_is_bad() {
    let foreign = Peer { foreign: true, ..peer(3) };
    assert_eq!(found(node(Some(Role::Active), true, &[], vec![foreign])), [(VrrpHeard, Mark::Bad)]);
}

#[test]
fn nodes_without_keys_are_open_to_anybody() {
    for (mode, mark) in [
        (None, Some(Mark::Warn)),
        (Some(AuthMode::ReceiveOnly), Some(Mark::Warn)),
        (Some(AuthMode::Permissive), Some(Mark::Warn)),
        (Some(AuthMode::Enforce), None),
    ] {
        let mut facts = node(Some(Role::Active), true, &[], vec![]);
        facts.vrrp.as_mut().unwrap().auth = Auth::of(mode);
        assert_eq!(found(facts), mark.map(|mark| (NodesAuthenticated, mark)).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn nobody_active_is_bad_where_an_agent_runs() {
    assert_eq!(found(node(Some(Role::Fault), false, &[], vec![])), [(VrrpHeard, Mark::Bad)]);
}

#[test]
fn an_active_node_without_a_lease_is_bad() {
    let mut facts = node(Some(Role::Active), true, &[], vec![]);
    facts.vrrp.as_mut().unwrap().reported.as_mut().unwrap().lease_left_ms = None;
    assert_eq!(found(facts), [(Lease, Mark::Bad)]);
}

#[test]
fn a_failed_probe_is_unknown() {
    let facts = Facts {
        addresses: vec![Address { claims: Err(ProbeError::new("no")), ..address(true, &[]) }],
        ..alone(true, &[])
    };
    assert_eq!(found(facts), [(AddressClash, Mark::Unknown)]);
}
