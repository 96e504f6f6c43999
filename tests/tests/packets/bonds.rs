//! Bonds: the kernel runs the XDP program of a bond on its members, with the index of the member. No kernel module is
//! needed: here a port of the world is the bond, and its members are further interfaces.

use gateway_common::{
    counters::{DropReason, PathCounter},
    net::MacAddr,
};

use crate::{
    flows::observed,
    packets::*,
    world::{From, Hook, LEARNING_NET, NET, Outcome, REMOTE_V4, Verdict, World, port},
};

const BROADCAST: MacAddr = MacAddr([0xff; 6]);
const LACP: (MacAddr, u16) = (MacAddr([0x01, 0x80, 0xc2, 0, 0, 2]), 0x8809);
const LLDP: (MacAddr, u16) = (MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x0e]), 0x88cc);

/// A world in which `bond` has two members.
struct Bond {
    world: World,
    bond: From,
    members: [u32; 2],
}

impl Bond {
    /// Both members are active.
    fn new(bond: From) -> Self {
        let world = World::new();
        let mut this = Self { world, bond, members: ["m0", "m1"].map(|name| port(name).ifindex) };
        this.active(&[0, 1]);
        this
    }

    /// As the agent writes it when only these members are active.
    fn active(&mut self, which: &[usize]) {
        let bond = self.world.ifindex(self.bond);
        let members = which.iter().map(|which| (self.members[*which], bond)).collect();
        self.world.reprogram(|desired| desired.members = members);
    }

    fn run(&mut self, member: usize, packet: &[u8]) -> Outcome {
        self.world.run_on_member(self.bond, self.members[member], packet)
    }

    #[track_caller]
    fn passes(&mut self, member: usize, packet: &[u8]) {
        self.run(member, packet).is_passed(packet);
    }
}

#[test]
fn known_unicast_from_a_bond_takes_xdp_and_is_from_the_bond() {
    let mut bond = Bond::new(From::PortA);
    let packet = tagged(&udp(HOST1, VM1), 100);
    let alone = bond.world.run(Hook::Xdp, From::PortA, &packet);
    assert_eq!((alone.verdict, alone.counted(PathCounter::XdpEncap)), (Verdict::Redirect, 1));
    // Of each member the first frame, then one that is cached.
    for member in [0, 1, 0, 1] {
        let outcome = bond.run(member, &packet);
        assert_eq!(observed(&outcome), observed(&alone));
    }
    // Between two ports.
    let outcome = bond.run(1, &tagged(&udp(HOST1, HOST2), 100));
    assert_eq!((outcome.verdict, outcome.counted(PathCounter::XdpLocal)), (Verdict::Redirect, 1));
}

#[test]
fn a_station_is_learned_behind_the_bond_and_does_not_move_between_members() {
    let mut bond = Bond::new(From::PortA);
    let packet = tagged(&udp(STRANGER, VM1), 100);
    assert_eq!(bond.run(0, &packet).counted(PathCounter::Learned), 1);
    let place = bond.world.mac(NET, STRANGER).unwrap().to;
    assert_eq!((place.out, place.vlan), (bond.world.ifindex(From::PortA), 100));
    for member in [1, 0, 1] {
        let outcome = bond.run(member, &packet);
        assert_eq!((outcome.verdict, outcome.counted(PathCounter::Moved)), (Verdict::Redirect, 0));
    }
    // TC sees the bond itself.
    let outcome = bond.world.run(Hook::Tc, From::PortA, &packet);
    assert_eq!((outcome.verdict, outcome.counted(PathCounter::Moved)), (Verdict::Redirect, 0));
    assert_eq!(bond.world.mac(NET, STRANGER).unwrap().to, place);
}

#[test]
fn a_frame_does_not_go_back_to_the_bond_by_another_member() {
    let mut bond = Bond::new(From::PortA);
    bond.run(0, &tagged(&udp(STRANGER, VM1), 100));
    bond.run(1, &tagged(&udp(HOST1, STRANGER), 100)).is_dropped(DropReason::SamePort);
}

#[test]
fn what_an_inactive_member_of_an_access_port_receives_is_left_to_the_bond() {
    let mut bond = Bond::new(From::PortA);
    bond.active(&[0]);
    let packet = tagged(&udp(HOST1, VM1), 100);
    assert_eq!(bond.run(0, &packet).verdict, Verdict::Redirect);
    // Flooded by the switch to both members.
    bond.passes(1, &packet);
    // Failover, with the flow in the cache.
    assert_eq!(bond.run(0, &packet).verdict, Verdict::Redirect);
    bond.active(&[1]);
    bond.passes(0, &packet);
    assert_eq!(bond.run(1, &packet).verdict, Verdict::Redirect);
    // No member is active.
    bond.active(&[]);
    bond.passes(0, &packet);
    bond.passes(1, &packet);
}

#[test]
fn what_an_inactive_member_of_an_uplink_receives_is_left_to_the_bond() {
    let mut bond = Bond::new(From::Uplink);
    let packets = [
        tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1)),
        // To all, and to a switch that is not known, which would be dropped.
        tunnelled(REMOTE_V4, NET, &udp(VM1, BROADCAST)),
        tunnelled(REMOTE_V4, 7777, &udp(VM1, HOST1)),
    ];
    bond.active(&[0]);
    for packet in &packets {
        let alone = bond.world.run(Hook::Xdp, From::Uplink, packet);
        for _ in 0..2 {
            let outcome = bond.run(0, packet);
            assert_eq!(observed(&outcome), observed(&alone));
            // The flow is cached by now, and the cache does not know members apart.
            bond.passes(1, packet);
        }
    }
    bond.active(&[1]);
    bond.passes(0, &packets[0]);
    assert_eq!(bond.run(1, &packets[0]).verdict, Verdict::Redirect);
}

#[test]
fn the_gateways_own_frame_that_a_switch_floods_back_moves_no_station() {
    let mut bond = Bond::new(From::PortA);
    bond.active(&[0]);
    // A station of the cloud is learned from its tunnel, and its frame leaves by the active member.
    let inner = udp(STRANGER, BROADCAST);
    bond.world.run(Hook::Tc, From::Uplink, &tunnelled(REMOTE_V4, LEARNING_NET, &inner));
    let place = bond.world.mac(LEARNING_NET, STRANGER).unwrap().to;
    bond.passes(1, &tagged(&inner, 200));
    assert_eq!(bond.world.mac(LEARNING_NET, STRANGER).unwrap().to, place);
}

#[test]
fn lacp_and_lldp_stay_between_the_member_and_its_partner() {
    // Untagged frames of port B are bound.
    let mut bond = Bond::new(From::PortB);
    bond.active(&[0]);
    for (group, ethertype) in [LACP, LLDP] {
        let frame = frame(STRANGER, group, ethertype, &[1; 46]);
        bond.passes(0, &frame);
        bond.passes(1, &frame);
    }
    assert!(bond.world.mac(NET, STRANGER).is_none(), "nothing is learned from them");
}
