//! Tests of the mapping of rows to forwarding.

use std::sync::Arc;

use gateway_config::rows::{Contested, Refusal};

use super::*;
use crate::vtep::Fault;

#[test]
fn a_filled_database_is_a_switch_that_forwards() {
    let world = World::filled();
    let red = world.red();
    assert_eq!(red.vni, Some(vni(5)));
    assert_eq!(red.bindings, [("eth1".to_owned(), vlan(100))].into());
    assert_eq!(red.flood, [remote(HV1), remote(HV2)].into());
    assert_eq!(red.macs, [(mac(1), at(HV1)), (mac(2), at(HV2))].into_iter().collect());
    assert!(!red.learn_remote);
    assert_eq!(world.problems(), Vec::<String>::new());
}

#[test]
fn tunnel_key_unset_or_zero_does_not_forward() {
    for key in [TunnelKey::Unset, TunnelKey::Zero] {
        let mut world = World::filled();
        world.change(vec![switch(RED, "red", key)]);
        assert_eq!(world.red().vni, None);
    }
}

#[test]
fn tunnel_key_of_a_locator_takes_the_place_of_the_switchs() {
    let mut world = World::filled();
    let row = Locator { address: ip(HV1), vni: Some(vni(77)), vxlan: true };
    world.change(vec![change(tables::PHYSICAL_LOCATOR, AT_HV1, Row::PhysicalLocator(row))]);
    let with_key = Remote { address: ip(HV1), vni: Some(vni(77)) };
    assert_eq!(world.red().macs[&mac(1)], Location::Remote(with_key));
    assert_eq!(world.red().flood, [with_key, remote(HV2)].into());
}

#[test]
fn of_two_rows_for_a_mac_the_smaller_address_counts_whatever_the_rows_are_called() {
    for (first, second) in [(1, 9), (9, 1)] {
        let mut world = World::filled();
        world.change(vec![station(first, mac(1), RED, AT_HV2), station(second, mac(1), RED, AT_HV1)]);
        assert_eq!(world.red().macs[&mac(1)], at(HV1));
    }
}

#[test]
fn when_the_row_that_counted_goes_the_other_one_counts() {
    let mut world = World::filled();
    world.change(vec![station(9, mac(1), RED, AT_HV2)]);
    world.change(vec![gone(tables::UCAST_MACS_REMOTE, uuid(7, 1))]);
    assert_eq!(world.red().macs[&mac(1)], at(HV2));
}

#[test]
fn of_two_switches_with_a_vni_the_bound_one_forwards() {
    let mut world = World::filled();
    world.change(vec![switch(BLUE, "blue", keyed(5))]);
    assert_eq!((world.red().vni, world.switches()["blue"].vni), (Some(vni(5)), None));
    let problem =
        "logical switch \"blue\" does not forward: its tunnel_key 5 is that of \"red\" too; delete one of them";
    assert_eq!(world.problems(), [problem]);
}

#[test]
fn of_two_bound_switches_with_a_vni_the_first_by_name_forwards() {
    let mut world = World::filled();
    world.change(vec![switch(BLUE, "blue", keyed(5)), port(ETH1, "eth1", [(100, RED), (200, BLUE)])]);
    assert_eq!((world.red().vni, world.switches()["blue"].vni), (None, Some(vni(5))));
}

#[test]
fn when_one_of_two_switches_with_a_vni_lets_go_the_other_forwards() {
    let mut world = World::filled();
    world.change(vec![switch(BLUE, "blue", keyed(5)), port(ETH1, "eth1", [(100, RED), (200, BLUE)])]);
    world.change(vec![switch(BLUE, "blue", TunnelKey::Zero)]);
    assert_eq!((world.red().vni, world.switches()["blue"].vni), (Some(vni(5)), None));
    assert_eq!(world.problems(), Vec::<String>::new());
}

#[test]
fn group_rows_are_not_looked_at_beside_unknown_dst() {
    let mut world = World::filled();
    let group = Mcast { group: Group::Mac("01:00:5e:00:00:01".parse().unwrap()), switch: RED, locators: uuid(5, 2) };
    world.change(vec![
        set(uuid(5, 1), [AT_HV1]),
        set(uuid(5, 2), [AT_HV2]),
        change(tables::MCAST_MACS_REMOTE, uuid(6, 2), Row::McastMacsRemote(group)),
    ]);
    assert_eq!(world.red().flood, [remote(HV1)].into());
}

#[test]
fn without_unknown_dst_the_members_of_all_groups_take_its_place() {
    let mut world = World::filled();
    let group = Mcast { group: Group::Mac("01:00:5e:00:00:01".parse().unwrap()), switch: RED, locators: uuid(5, 2) };
    world.change(vec![
        set(uuid(5, 2), [AT_HV2]),
        change(tables::MCAST_MACS_REMOTE, uuid(6, 2), Row::McastMacsRemote(group)),
        gone(tables::MCAST_MACS_REMOTE, uuid(6, 1)),
    ]);
    assert_eq!(world.red().flood, [remote(HV2)].into());
}

#[test]
fn service_node_replication_takes_one_member_that_can_be_reached() {
    let mut world = World::filled();
    world.change(vec![replicated(RED, "red", keyed(5), Replication::ServiceNode)]);
    assert_eq!(world.red().flood, [remote(HV1)].into());
    world.mapping.set_unreachable(&world.mirror, [ip(HV1)].into());
    assert_eq!(world.red().flood, [remote(HV2)].into());
}

#[test]
fn service_node_replication_has_a_member_even_if_none_can_be_reached() {
    let mut world = World::filled();
    world.change(vec![replicated(RED, "red", keyed(5), Replication::ServiceNode)]);
    world.mapping.set_unreachable(&world.mirror, [ip(HV1), ip(HV2)].into());
    assert_eq!(world.red().flood, [remote(HV1)].into());
}

#[test]
fn one_vtep_gets_one_copy_whatever_its_locators() {
    let mut world = World::filled();
    let row = Locator { address: ip(HV1), vni: Some(vni(77)), vxlan: true };
    world.change(vec![
        change(tables::PHYSICAL_LOCATOR, uuid(4, 99), Row::PhysicalLocator(row)),
        set(uuid(5, 1), [AT_HV1, uuid(4, 99)]),
    ]);
    assert_eq!(world.red().flood, [remote(HV1)].into());
}

#[test]
fn this_gateways_own_address_is_no_remote() {
    let mut world = World::filled();
    world.change(vec![locator(AT_OWN, OWN), set(uuid(5, 1), [AT_HV1, AT_OWN]), station(3, mac(3), RED, AT_OWN)]);
    assert_eq!(world.red().flood, [remote(HV1)].into());
    assert_eq!(world.red().macs.get(&mac(3)), None);
}

#[test]
fn other_encapsulations_are_skipped() {
    let mut world = World::filled();
    let row = Locator { address: ip(HV1), vni: None, vxlan: false };
    world.change(vec![change(tables::PHYSICAL_LOCATOR, AT_HV1, Row::PhysicalLocator(row))]);
    assert_eq!(world.red().flood, [remote(HV2)].into());
    assert_eq!(world.red().macs.get(&mac(1)), None);
    assert_eq!(world.red().macs[&mac(2)], at(HV2));
}

#[test]
fn ports_of_other_gateways_are_not_ours() {
    let mut world = World::filled();
    let other = PhysicalSwitch { name: "gw2".to_owned(), ports: [uuid(2, 9)].into(), ..Default::default() };
    world.change(vec![
        change(tables::PHYSICAL_SWITCH, uuid(1, 2), Row::PhysicalSwitch(Arc::new(other))),
        port(uuid(2, 9), "eth1", [(300, RED)]),
    ]);
    assert_eq!(world.red().bindings, [("eth1".to_owned(), vlan(100))].into());
}

#[test]
fn ports_that_are_not_here_are_reported() {
    let mut world = World::filled();
    world.change(vec![gateway(&[ETH1, uuid(2, 9)]), port(uuid(2, 9), "eth9", [(300, RED)])]);
    assert_eq!(world.red().bindings, [("eth1".to_owned(), vlan(100))].into());
    assert!(world.problems()[0].contains("\"eth9\""), "{:?}", world.problems());
    assert!(world.mapping.faults().ports.is_empty());
}

#[test]
fn vlan_4095_is_a_fault_of_its_port() {
    let mut world = World::filled();
    world.change(vec![port(ETH1, "eth1", [(100, RED), (4095, RED)])]);
    assert_eq!(world.red().bindings, [("eth1".to_owned(), vlan(100))].into());
    assert_eq!(world.mapping.faults().ports, [("eth1".to_owned(), [Fault::InvalidVlanMap].into())].into());
}

#[test]
fn a_vlan_bound_twice_belongs_to_the_first_switch_by_name() {
    for (first, second) in [(RED, BLUE), (BLUE, RED)] {
        let mut world = World::filled();
        world.change(vec![
            switch(BLUE, "blue", keyed(6)),
            gateway(&[ETH1, uuid(2, 9)]),
            port(ETH1, "eth1", [(100, first)]),
            port(uuid(2, 9), "eth1", [(100, second)]),
        ]);
        assert!(world.red().bindings.is_empty());
        assert_eq!(world.switches()["blue"].bindings, [("eth1".to_owned(), vlan(100))].into());
        assert_eq!(world.problems().len(), 1);
        assert!(world.mapping.faults().ports["eth1"].contains(&Fault::InvalidVlanMap));
    }
}

#[test]
fn a_binding_that_is_removed_is_gone() {
    let mut world = World::filled();
    world.change(vec![port(ETH1, "eth1", [])]);
    assert!(world.red().bindings.is_empty());
}

#[test]
fn a_switch_that_is_deleted_is_gone() {
    let mut world = World::filled();
    world.change(vec![port(ETH1, "eth1", []), gone(tables::LOGICAL_SWITCH, RED)]);
    assert!(world.switches().is_empty());
}

#[test]
fn switches_may_exchange_names() {
    let mut world = World::filled();
    world.change(vec![switch(BLUE, "blue", keyed(6))]);
    world.change(vec![switch(RED, "blue", keyed(5)), switch(BLUE, "red", keyed(6))]);
    assert_eq!((world.red().vni, world.switches()["blue"].vni), (Some(vni(6)), Some(vni(5))));
    assert_eq!(world.switches()["blue"].macs.len(), 2);
}

#[test]
fn a_row_that_cannot_be_read_leaves_the_others() {
    let mut world = World::filled();
    let error = gateway_ovsdb::RowError { column: "MAC".into(), expected: "x".into(), found: "y".into() };
    let touched = world.change(vec![change(tables::UCAST_MACS_REMOTE, uuid(7, 1), Row::Unreadable(Arc::new(error)))]);
    assert_eq!(world.red().macs, [(mac(2), at(HV2))].into_iter().collect());
    assert_eq!((touched.unreadable.len(), world.mirror.unreadable()), (1, 1));
    world.change(vec![gone(tables::UCAST_MACS_REMOTE, uuid(7, 1))]);
    assert_eq!(world.mirror.unreadable(), 0);
}

#[test]
fn another_identity_is_taken_over() {
    let mut world = World::filled();
    let identity = Identity { tunnel_ips: [ip(HV1)].into(), ports: [].into(), ..identity() };
    world.mapping.reconfigure(&world.mirror, identity, 7);
    let red = world.red();
    assert_eq!((red.flood.len(), red.macs.len(), red.bindings.len(), red.learn_limit), (1, 1, 0, 7));
}

#[test]
fn a_binding_that_cannot_be_is_in_the_rows_with_its_reason() {
    let mut world = World::filled();
    world.change(vec![
        gateway(&[ETH1, uuid(2, 9)]),
        port(ETH1, "eth1", [(100, RED), (4095, RED)]),
        port(uuid(2, 9), "eth9", [(7, RED)]),
    ]);
    let refused = &world.mapping.rows().refused;
    let refused: Vec<_> =
        refused.iter().map(|one| (one.port.as_str(), one.vlan, one.switch.as_str(), &one.why)).collect();
    assert_eq!(refused, [("eth1", 4095, "red", &Refusal::NoVlan), ("eth9", 7, "red", &Refusal::NoPort)]);
}

#[test]
fn a_switch_without_its_vni_names_the_switch_that_has_it() {
    let mut world = World::filled();
    world.change(vec![switch(BLUE, "blue", keyed(5))]);
    let contested = Some(Contested { vni: vni(5), holder: "red".to_owned() });
    assert_eq!(world.switches()["blue"].contested, contested);
    world.change(vec![switch(BLUE, "blue", keyed(6))]);
    assert_eq!(world.switches()["blue"].contested, None);
}
