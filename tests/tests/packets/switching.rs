//! From one access port to another.

use gateway_common::counters::PathCounter;

use crate::{
    packets::*,
    world::{From, Hook, Verdict, World},
};

#[test]
fn the_tag_is_put_on_taken_off_or_changed_as_the_bindings_ask() {
    let mut world = World::new();
    let cases = [
        ("tagged to untagged", From::PortA, 100, HOST1, HOST2, 0),
        ("untagged to tagged", From::PortB, 0, HOST2, HOST1, 100),
        ("one tag to another", From::PortA, 100, HOST1, HOST3, 300),
        ("between VLANs of one port", From::PortB, 300, HOST3, HOST2, 0),
    ];
    for hook in [Hook::Xdp, Hook::Tc] {
        for (name, from, vlan, src, dst, out) in cases {
            for plain in [udp(src, dst), arp(src, dst)] {
                let with = |vlan: u16| if vlan == 0 { plain.clone() } else { tagged(&plain, vlan) };
                let outcome = world.run(hook, from, &with(vlan));
                assert_eq!((outcome.verdict, outcome.dropped()), (Verdict::Redirect, vec![]), "{name} at {hook:?}");
                // At TC the tag is beside the packet.
                let expected = if hook == Hook::Xdp { with(out) } else { plain.clone() };
                assert_eq!(outcome.bytes, expected, "{name} at {hook:?}");
                let path = if hook == Hook::Xdp { PathCounter::XdpLocal } else { PathCounter::TcLocal };
                assert_eq!(outcome.counted(path), 1);
            }
        }
    }
}

#[test]
fn frames_of_vlans_that_are_not_bound_pass_untouched() {
    let mut world = World::new();
    let untagged_on_a_trunk = udp(HOST1, VM1);
    let other_vlan = tagged(&udp(HOST1, VM1), 101);
    for hook in [Hook::Xdp, Hook::Tc] {
        for packet in [&untagged_on_a_trunk, &other_vlan] {
            world.run(hook, From::PortA, packet).is_passed(packet);
        }
    }
}

#[test]
fn link_local_groups_are_left_to_the_host() {
    let mut world = World::new();
    let lldp = frame(HOST2, gateway_common::net::MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x0e]), 0x88cc, &[0; 46]);
    for hook in [Hook::Xdp, Hook::Tc] {
        world.run(hook, From::PortB, &lldp).is_passed(&lldp);
    }
}

#[test]
fn a_port_xdp_cannot_send_to_is_left_to_tc_with_the_packet_whole() {
    let mut world = World::new();
    let mut without = world.maps.programmed().unwrap();
    for ifindex in std::mem::take(&mut without.xdp_ports) {
        world.maps.change().write(&gateway_datapath::op::Op::DelXdpPort(ifindex)).unwrap();
    }
    for packet in [tagged(&udp(HOST1, VM1), 100), tagged(&udp(HOST1, HOST2), 100)] {
        let outcome = world.run(Hook::Xdp, From::PortA, &packet);
        outcome.is_passed(&packet);
        assert_eq!(outcome.counted(PathCounter::XdpToTc), 1);
        assert_eq!(world.run(Hook::Tc, From::PortA, &packet).verdict, Verdict::Redirect);
    }
}
