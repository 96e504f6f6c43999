//! Tests of the hold: when forwarding follows the database, and when it stays.

use std::time::Duration;

use super::*;
use crate::vtep::{Hold, HoldState, HoldTimes, Notice, Standing};

const HOLD: Duration = Duration::from_secs(300);
const TIMES: HoldTimes = HoldTimes { unreachable: Some(HOLD), emptied: HOLD };

fn at_second(second: u64) -> Duration {
    Duration::from_secs(second)
}

/// Database, and its rows in force.
struct Held {
    world: World,
    hold: Hold,
}

impl Held {
    /// Returns a filled database, seen in second 0.
    fn new() -> Self {
        let mut held = Self { world: World::filled(), hold: Hold::new(TIMES, Duration::ZERO) };
        assert_eq!(held.update(0), None);
        assert_eq!(held.hold.state(Duration::ZERO), HoldState::Following);
        held
    }

    fn update(&mut self, second: u64) -> Option<Notice> {
        let standing = Standing::of(&self.world.mirror, &identity());
        self.hold.update(self.world.mapping.rows(), standing, at_second(second))
    }

    fn change(&mut self, second: u64, changes: Vec<Change<Row>>) -> Option<Notice> {
        self.world.change(changes);
        self.update(second)
    }

    fn red(&self) -> Option<&gateway_config::rows::LogicalSwitch> {
        self.hold.rows().switches.get("red").map(|switch| &**switch)
    }

    /// Applies the changes of a controller that exits.
    fn exit(&mut self, second: u64, key: TunnelKey) -> Option<Notice> {
        self.change(
            second,
            vec![
                switch(RED, "red", key),
                gone(tables::UCAST_MACS_REMOTE, uuid(7, 1)),
                gone(tables::UCAST_MACS_REMOTE, uuid(7, 2)),
                gone(tables::MCAST_MACS_REMOTE, uuid(6, 1)),
            ],
        )
    }
}

fn forwarding(switch: Option<&gateway_config::rows::LogicalSwitch>) -> (Option<Vni>, usize, usize, usize) {
    switch.map_or((None, 0, 0, 0), |switch| (switch.vni, switch.macs.len(), switch.flood.len(), switch.bindings.len()))
}

const AS_BEFORE: (Option<Vni>, usize, usize, usize) = (Vni::new(5), 2, 2, 1);

#[test]
fn nothing_is_known_before_the_first_rows() {
    let mut hold = Hold::new(TIMES, at_second(10));
    assert_eq!(hold.state(at_second(20)), HoldState::Waiting { remaining: Some(at_second(290)) });
    assert_eq!(hold.gone(at_second(11)), None);
    assert_eq!(hold.tick(at_second(309)), None);
    assert_eq!(hold.tick(at_second(310)), Some(Notice::Expired));
    assert_eq!(hold.state(at_second(310)), HoldState::Expired);
}

#[test]
fn rows_stay_while_the_database_is_gone() {
    let mut held = Held::new();
    assert_eq!(held.hold.gone(at_second(10)), Some(Notice::Gone(Some(HOLD))));
    assert_eq!(held.hold.deadline(), Some(at_second(310)));
    assert_eq!(held.hold.tick(at_second(309)), None);
    assert_eq!(forwarding(held.red()), AS_BEFORE);
    assert_eq!(held.hold.state(at_second(309)), HoldState::Gone { remaining: Some(at_second(1)) });
}

#[test]
fn rows_go_when_the_database_is_gone_for_too_long() {
    let mut held = Held::new();
    held.hold.gone(at_second(10));
    assert_eq!(held.hold.tick(at_second(310)), Some(Notice::Expired));
    assert_eq!(held.red(), None);
    assert_eq!((held.hold.state(at_second(310)), held.hold.deadline()), (HoldState::Expired, None));
}

#[test]
fn further_failures_to_connect_are_not_news_and_do_not_prolong() {
    let mut held = Held::new();
    held.hold.gone(at_second(10));
    assert_eq!(held.hold.gone(at_second(200)), None);
    assert_eq!(held.hold.deadline(), Some(at_second(310)));
}

#[test]
fn a_database_that_is_back_is_followed() {
    let mut held = Held::new();
    held.hold.gone(at_second(10));
    let notice = held.change(20, vec![station(3, mac(3), RED, AT_HV1)]);
    assert_eq!(notice, Some(Notice::Restored));
    assert_eq!(held.red().unwrap().macs.len(), 3);
    assert_eq!(held.hold.deadline(), None);
}

#[test]
fn a_database_that_is_back_after_the_hold_time_is_followed() {
    let mut held = Held::new();
    held.hold.gone(at_second(10));
    held.hold.tick(at_second(400));
    assert_eq!(held.update(500), Some(Notice::Restored));
    assert_eq!(forwarding(held.red()), AS_BEFORE);
}

#[test]
fn a_controller_that_exits_leaves_forwarding_as_it_was() {
    let mut held = Held::new();
    assert_eq!(held.exit(10, TunnelKey::Unset), Some(Notice::Withdrawn(1, HOLD)));
    assert_eq!(forwarding(held.red()), AS_BEFORE);
    assert_eq!(held.hold.state(at_second(20)), HoldState::Kept { switches: 1, remaining: at_second(290) });
    assert_eq!(held.hold.tick(at_second(310)), Some(Notice::Expired));
    assert_eq!(forwarding(held.red()), (None, 0, 0, 1));
}

#[test]
fn a_controller_that_exits_while_the_database_is_gone_does_too() {
    let mut held = Held::new();
    held.hold.gone(at_second(10));
    assert_eq!(held.exit(20, TunnelKey::Unset), Some(Notice::Withdrawn(1, HOLD)));
    assert_eq!(forwarding(held.red()), AS_BEFORE);
}

#[test]
fn a_controller_that_exits_step_by_step_does_too() {
    let mut held = Held::new();
    assert_eq!(held.change(10, vec![switch(RED, "red", TunnelKey::Unset)]), Some(Notice::Withdrawn(1, HOLD)));
    assert_eq!(held.exit(11, TunnelKey::Unset), None);
    assert_eq!(forwarding(held.red()), AS_BEFORE);
}

#[test]
fn one_network_that_is_unbound_is_gone_at_once() {
    let mut held = Held::new();
    assert_eq!(held.exit(10, TunnelKey::Zero), None);
    assert_eq!(forwarding(held.red()), (None, 0, 0, 1));
}

#[test]
fn one_network_of_two_that_is_unbound_is_gone_at_once() {
    let mut held = Held::new();
    held.change(1, vec![switch(BLUE, "blue", keyed(6))]);
    assert_eq!(held.exit(10, TunnelKey::Unset), None);
    assert_eq!(forwarding(held.red()), (None, 0, 0, 1));
}

#[test]
fn all_of_several_networks_that_are_unbound_are_held() {
    let mut held = Held::new();
    held.change(1, vec![switch(BLUE, "blue", keyed(6)), port(ETH1, "eth1", [(100, RED), (200, BLUE)])]);
    held.world.change(vec![switch(BLUE, "blue", TunnelKey::Zero)]);
    assert_eq!(held.exit(10, TunnelKey::Zero), Some(Notice::Withdrawn(2, HOLD)));
}

#[test]
fn bindings_that_an_operator_removes_are_gone_at_once() {
    let mut held = Held::new();
    held.change(1, vec![port(ETH1, "eth1", [(100, RED), (101, RED)])]);
    held.change(2, vec![port(ETH1, "eth1", [(100, RED)])]);
    assert_eq!(forwarding(held.red()), AS_BEFORE);
    held.exit(10, TunnelKey::Unset);
    assert_eq!(held.change(20, vec![port(ETH1, "eth1", [])]), Some(Notice::Restored));
    assert_eq!(forwarding(held.red()), (None, 0, 0, 0));
}

#[test]
fn bindings_that_an_operator_adds_meanwhile_are_there_at_once() {
    let mut held = Held::new();
    held.exit(10, TunnelKey::Unset);
    held.change(20, vec![port(ETH1, "eth1", [(100, RED), (101, RED)])]);
    assert_eq!(forwarding(held.red()), (Some(vni(5)), 2, 2, 2));
}

#[test]
fn an_operator_who_removes_it_all_at_once_is_followed() {
    let mut held = Held::new();
    held.world.change(vec![port(ETH1, "eth1", [])]);
    assert_eq!(held.exit(10, TunnelKey::Unset), None);
    assert_eq!(forwarding(held.red()), (None, 0, 0, 0));
}

#[test]
fn a_controller_that_is_back_is_followed_once_it_has_placed_stations() {
    let mut held = Held::new();
    held.exit(10, TunnelKey::Unset);
    assert_eq!(held.change(20, vec![switch(RED, "red", keyed(5))]), None);
    assert_eq!(forwarding(held.red()), AS_BEFORE);
    assert_eq!(held.change(21, vec![station(1, mac(1), RED, AT_HV1)]), Some(Notice::Restored));
    assert_eq!(forwarding(held.red()), (Some(vni(5)), 1, 0, 1));
    assert_eq!(held.hold.state(at_second(21)), HoldState::Following);
}

#[test]
fn a_controller_that_gives_another_vni_is_followed_at_once() {
    let mut held = Held::new();
    held.exit(10, TunnelKey::Unset);
    held.change(20, vec![switch(RED, "red", keyed(7))]);
    assert_eq!(forwarding(held.red()), (Some(vni(7)), 0, 0, 1));
}

#[test]
fn a_vni_that_moves_to_another_switch_is_not_held() {
    let mut held = Held::new();
    held.exit(10, TunnelKey::Unset);
    held.change(20, vec![switch(BLUE, "blue", keyed(5))]);
    assert_eq!(forwarding(held.red()), (None, 0, 0, 1));
}

#[test]
fn what_is_held_stays_one_and_the_same() {
    let mut held = Held::new();
    held.exit(10, TunnelKey::Unset);
    let before = held.hold.rows().switches["red"].clone();
    held.change(20, vec![switch(BLUE, "blue", TunnelKey::Zero)]);
    assert!(Arc::ptr_eq(&before, &held.hold.rows().switches["red"]));
}

fn emptied() -> Vec<Change<Row>> {
    vec![
        gone(tables::GLOBAL, uuid(0, 1)),
        gone(tables::PHYSICAL_SWITCH, GATEWAY),
        gone(tables::PHYSICAL_PORT, ETH1),
        gone(tables::LOGICAL_SWITCH, RED),
        gone(tables::UCAST_MACS_REMOTE, uuid(7, 1)),
        gone(tables::UCAST_MACS_REMOTE, uuid(7, 2)),
        gone(tables::MCAST_MACS_REMOTE, uuid(6, 1)),
    ]
}

#[test]
fn a_recreated_database_leaves_forwarding_as_it_was() {
    let mut held = Held::new();
    held.hold.gone(at_second(5));
    assert_eq!(held.change(10, emptied()), Some(Notice::Emptied(1, HOLD)));
    held.change(11, vec![global(), gateway(&[ETH1]), port(ETH1, "eth1", [])]);
    assert_eq!(forwarding(held.red()), AS_BEFORE);
}

#[test]
fn a_recreated_and_filled_database_is_followed() {
    let mut held = Held::new();
    held.change(10, emptied());
    held.change(11, vec![global(), gateway(&[ETH1]), port(ETH1, "eth1", [(100, RED)]), switch(RED, "red", keyed(8))]);
    assert_eq!(forwarding(held.red()), (Some(vni(8)), 0, 0, 1));
}

#[test]
fn a_vlan_that_moved_to_another_switch_is_not_held_for_the_old_one() {
    let mut held = Held::new();
    held.change(10, emptied());
    held.change(
        11,
        vec![global(), gateway(&[ETH1]), port(ETH1, "eth1", [(100, BLUE)]), switch(BLUE, "blue", keyed(8))],
    );
    assert_eq!(forwarding(held.red()).3, 0);
}

#[test]
fn a_hold_time_of_zero_holds_nothing_after_the_next_tick() {
    let mut held = Held::new();
    held.hold.set_times(HoldTimes { emptied: Duration::ZERO, ..TIMES });
    held.exit(10, TunnelKey::Unset);
    assert_eq!(held.hold.deadline(), Some(at_second(10)));
    held.hold.tick(at_second(10));
    assert_eq!(forwarding(held.red()), (None, 0, 0, 1));
}

/// The hold time of a kept switch starts at its first withdrawal: a controller that comes and goes does not extend it.
#[test]
fn the_hold_time_does_not_restart_at_each_withdrawal() {
    let mut held = Held::new();
    assert_eq!(held.exit(10, TunnelKey::Unset), Some(Notice::Withdrawn(1, HOLD)));
    // The controller sets the key, and exits again before it has written the stations.
    assert_eq!(held.change(100, vec![switch(RED, "red", keyed(5))]), None);
    assert_eq!(held.exit(200, TunnelKey::Unset), Some(Notice::Withdrawn(1, HOLD)));
    assert_eq!(held.hold.deadline(), Some(at_second(310)));
    assert_eq!(held.hold.state(at_second(200)), HoldState::Kept { switches: 1, remaining: at_second(110) });
    assert_eq!(held.hold.tick(at_second(310)), Some(Notice::Expired));
    assert_eq!(forwarding(held.red()), (None, 0, 0, 1));
}

#[test]
fn a_database_that_cannot_be_reached_is_waited_for_for_ever_unless_configured_otherwise() {
    let mut held = Held::new();
    held.hold.set_times(HoldTimes::default());
    assert_eq!(held.hold.gone(at_second(10)), Some(Notice::Gone(None)));
    let year = at_second(366 * 24 * 3600);
    assert_eq!((held.hold.deadline(), held.hold.tick(year)), (None, None));
    assert_eq!(held.hold.state(year), HoldState::Gone { remaining: None });
    assert_eq!(forwarding(held.red()), AS_BEFORE);
    let mut hold = Hold::new(HoldTimes::default(), Duration::ZERO);
    assert_eq!((hold.deadline(), hold.tick(year)), (None, None));
    assert_eq!(hold.state(year), HoldState::Waiting { remaining: None });
}

#[test]
fn a_database_that_was_emptied_is_not_waited_for_for_ever() {
    let mut held = Held::new();
    held.hold.set_times(HoldTimes { unreachable: None, emptied: at_second(60) });
    held.hold.gone(at_second(5));
    assert_eq!(held.change(10, emptied()), Some(Notice::Emptied(1, at_second(60))));
    assert_eq!(held.hold.deadline(), Some(at_second(70)));
    assert_eq!(held.hold.tick(at_second(70)), Some(Notice::Expired));
    assert_eq!(held.red(), None);
}

/// `vtep-ctl del-ps` deletes the row with its ports; logical switches, keys and MACs stay.
fn deleted() -> Vec<Change<Row>> {
    vec![gone(tables::GLOBAL, uuid(0, 1)), gone(tables::PHYSICAL_SWITCH, GATEWAY), gone(tables::PHYSICAL_PORT, ETH1)]
}

#[test]
fn a_row_of_this_gateway_that_is_deleted_leaves_forwarding_as_it_was() {
    let mut held = Held::new();
    assert_eq!(held.change(10, deleted()), Some(Notice::Deleted(1, HOLD)));
    held.change(11, vec![global(), gateway(&[ETH1]), port(ETH1, "eth1", [])]);
    assert_eq!(forwarding(held.red()), AS_BEFORE);
    assert_eq!(held.hold.state(at_second(11)), HoldState::Kept { switches: 1, remaining: at_second(299) });
    held.change(12, vec![station(3, mac(3), RED, AT_HV1)]);
    assert_eq!(forwarding(held.red()), (Some(vni(5)), 3, 2, 1), "the controller goes on");
    assert_eq!(held.hold.tick(at_second(310)), Some(Notice::Expired));
    assert_eq!(forwarding(held.red()).3, 0);
}

#[test]
fn a_row_of_this_gateway_that_is_deleted_and_bound_again_is_followed() {
    let mut held = Held::new();
    held.change(10, deleted());
    held.change(11, vec![global(), gateway(&[ETH1]), port(ETH1, "eth1", [(200, RED)])]);
    assert_eq!(held.hold.state(at_second(11)), HoldState::Following);
    assert_eq!(held.red().unwrap().bindings, [("eth1".to_owned(), vlan(200))].into());
}
