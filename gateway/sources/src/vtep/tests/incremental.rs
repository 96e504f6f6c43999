//! Tests of incremental updates: untouched rows stay the same, and any order of changes leads to the same rows.

use proptest::prelude::*;

use super::*;

#[test]
fn a_station_more_leaves_the_other_switches_as_they_are() {
    let mut world = World::filled();
    world.change(vec![switch(BLUE, "blue", keyed(6))]);
    let (blue, red) = (world.switches()["blue"].clone(), world.switches()["red"].clone());
    world.change(vec![station(3, mac(3), RED, AT_HV1)]);
    assert!(Arc::ptr_eq(&blue, &world.switches()["blue"]));
    assert!(!Arc::ptr_eq(&red, &world.switches()["red"]));
}

#[test]
fn a_change_touches_what_refers_to_it() {
    let mut world = World::filled();
    let touched = world.change(vec![locator(AT_HV1, HV2)]);
    assert_eq!(touched.remote, [(RED, mac(1))]);
    assert_eq!(touched.switches, [RED].into());
    assert!(!touched.physical);
}

#[test]
fn the_same_row_again_touches_nothing() {
    let mut world = World::filled();
    let touched = world.change(vec![station(1, mac(1), RED, AT_HV1), gateway(&[ETH1])]);
    assert_eq!(touched, Touched::default());
}

/// Change of one of few rows, so that changes collide.
fn any_change() -> impl Strategy<Value = Change<Row>> {
    let switches = || prop::sample::select(vec![RED, BLUE, uuid(3, 3)]);
    let locators = || prop::sample::select(vec![AT_HV1, AT_HV2, AT_OWN]);
    let key = prop::sample::select(vec![TunnelKey::Unset, TunnelKey::Zero, keyed(5), keyed(6)]);
    let names = prop::sample::select(vec!["a", "b", "c", "d"]);
    prop_oneof![
        (switches(), names, key, any::<bool>()).prop_map(|(uuid, name, key, service)| {
            // The schema ensures that names of switches are unique.
            let name = format!("{name}{}", uuid.bytes()[15]);
            let mode = if service { Replication::ServiceNode } else { Replication::SourceNode };
            replicated(uuid, &name, key, mode)
        }),
        switches().prop_map(|uuid| gone(tables::LOGICAL_SWITCH, uuid)),
        (locators(), prop::sample::select(vec![HV1, HV2, OWN]), prop::option::of(1..3u32), any::<bool>()).prop_map(
            |(uuid, address, key, vxlan)| {
                let row = Locator { address: ip(address), vni: key.map(vni), vxlan };
                change(tables::PHYSICAL_LOCATOR, uuid, Row::PhysicalLocator(row))
            }
        ),
        locators().prop_map(|uuid| gone(tables::PHYSICAL_LOCATOR, uuid)),
        (0..3u8, locators(), locators()).prop_map(|(number, a, b)| set(uuid(5, number), [a, b])),
        (0..3u8).prop_map(|number| gone(tables::PHYSICAL_LOCATOR_SET, uuid(5, number))),
        (0..3u8, switches(), 0..3u8, any::<bool>()).prop_map(|(number, switch, locators, unknown)| {
            let group = if unknown { Group::UnknownDst } else { Group::Mac(MacAddr::BROADCAST) };
            let row = Mcast { group, switch, locators: uuid(5, locators) };
            change(tables::MCAST_MACS_REMOTE, uuid(6, number), Row::McastMacsRemote(row))
        }),
        (0..3u8).prop_map(|number| gone(tables::MCAST_MACS_REMOTE, uuid(6, number))),
        (0..6u8, 0..3u8, switches(), locators()).prop_map(|(number, address, switch, locator)| station(
            number,
            mac(address),
            switch,
            locator
        )),
        (0..6u8).prop_map(|number| gone(tables::UCAST_MACS_REMOTE, uuid(7, number))),
        (switches(), switches(), 1..3u8).prop_map(|(a, b, number)| port(uuid(2, number), "eth1", [(100, a), (200, b)])),
        prop::sample::select(vec![vec![], vec![ETH1], vec![ETH1, uuid(2, 2)]]).prop_map(|ports| gateway(&ports)),
    ]
}

proptest! {
    #[test]
    fn changes_one_by_one_come_to_the_same_as_all_at_once(
        transactions in prop::collection::vec(prop::collection::vec(any_change(), 1..6), 1..30),
    ) {
        let (mut stepwise, mut at_once) = (World::empty(), World::empty());
        for changes in &transactions {
            stepwise.change(changes.clone());
        }
        at_once.mirror.apply(transactions.concat());
        at_once.mapping.update(&at_once.mirror, &Touched::everything(&at_once.mirror));
        prop_assert_eq!(stepwise.mapping.rows(), at_once.mapping.rows());
        prop_assert_eq!(stepwise.problems(), at_once.problems());
    }
}
