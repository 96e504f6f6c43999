//! Out of tunnels.

use gateway_common::{
    counters::{DropReason, PathCounter},
    headers::{ETH_LEN, VXLAN_EXTENDED},
};

use crate::{
    packets::*,
    world::{From, Hook, NET, Outcome, REMOTE_V4, REMOTE_V6, Verdict, World},
};

/// `expected` is what leaves in XDP; at TC a tag is beside the frame, and a short frame is padded.
#[track_caller]
fn is_delivered(outcome: &Outcome, hook: Hook, vlan: u16, inner: &[u8]) {
    assert_eq!((outcome.verdict, outcome.dropped()), (Verdict::Redirect, vec![]));
    match hook {
        Hook::Xdp => {
            assert_eq!(outcome.counted(PathCounter::XdpDecap), 1);
            let expected = if vlan == 0 { inner.to_vec() } else { tagged(inner, vlan) };
            assert_eq!(outcome.bytes, expected);
        }
        Hook::Tc => {
            assert_eq!(outcome.counted(PathCounter::TcDecap), 1);
            assert_eq!(outcome.bytes[..inner.len()], *inner);
            assert!(outcome.bytes[inner.len()..].iter().all(|byte| *byte == 0), "padding is zero");
            assert_eq!(outcome.bytes.len(), inner.len().max(60));
        }
    }
}

#[test]
fn a_frame_leaves_with_the_tag_of_its_binding() {
    let mut world = World::new();
    for hook in [Hook::Xdp, Hook::Tc] {
        for inner in [udp(VM1, HOST1), tcp6(VM1, HOST1), arp(VM1, HOST1), udp_of(VM1, HOST1, 1400)] {
            let outcome = world.run(hook, From::Uplink, &tunnelled(REMOTE_V4, NET, &inner));
            is_delivered(&outcome, hook, 100, &inner);
        }
    }
}

#[test]
fn a_frame_leaves_untagged_where_the_binding_has_no_tag() {
    let mut world = World::new();
    for hook in [Hook::Xdp, Hook::Tc] {
        let inner = udp(VM1, HOST2);
        let outcome = world.run(hook, From::Uplink, &tunnelled(REMOTE_V4, NET, &inner));
        is_delivered(&outcome, hook, 0, &inner);
    }
}

#[test]
fn a_tunnel_over_ipv6_is_opened_too() {
    let mut world = World::new();
    for hook in [Hook::Xdp, Hook::Tc] {
        for inner in [udp(VM6, HOST1), arp(VM6, HOST1)] {
            let outcome = world.run(hook, From::Uplink, &tunnelled(REMOTE_V6, NET, &inner));
            is_delivered(&outcome, hook, 100, &inner);
        }
    }
}

#[test]
fn a_tag_of_the_underlay_goes_with_the_outer_headers() {
    let mut world = World::new();
    let inner = udp(VM1, HOST1);
    for hook in [Hook::Xdp, Hook::Tc] {
        let outcome = world.run(hook, From::Uplink, &tagged(&tunnelled(REMOTE_V4, NET, &inner), 77));
        is_delivered(&outcome, hook, 100, &inner);
    }
}

#[test]
fn a_tag_inside_is_taken_off_if_it_is_the_bindings_own() {
    let mut world = World::new();
    let inner = udp(VM1, HOST1);
    for hook in [Hook::Xdp, Hook::Tc] {
        let outcome = world.run(hook, From::Uplink, &tunnelled(REMOTE_V4, NET, &tagged(&inner, 100)));
        is_delivered(&outcome, hook, 100, &inner);
        let foreign = world.run(hook, From::Uplink, &tunnelled(REMOTE_V4, NET, &tagged(&inner, 101)));
        foreign.is_dropped(DropReason::InnerTagged);
    }
}

#[test]
fn reserved_bits_and_a_udp_checksum_do_not_matter() {
    let mut world = World::new();
    let inner = udp(VM1, HOST1);
    let mut payload = vxlan(NET, &inner);
    // All that no other format has taken.
    payload[..4].copy_from_slice(&[!VXLAN_EXTENDED, 0xff, 0xff, 0xff]);
    payload[7] = 0xff;
    for hook in [Hook::Xdp, Hook::Tc] {
        let packet = to_gateway(REMOTE_V4, &payload);
        assert_ne!(packet[40..42], [0, 0], "this packet has a checksum");
        is_delivered(&world.run(hook, From::Uplink, &packet), hook, 100, &inner);
    }
}

#[test]
fn bytes_behind_the_packet_are_not_part_of_the_frame() {
    let mut world = World::new();
    let inner = udp(VM1, HOST1);
    let mut packet = tunnelled(REMOTE_V4, NET, &inner);
    packet.extend([0xcc; 12]);
    for hook in [Hook::Xdp, Hook::Tc] {
        is_delivered(&world.run(hook, From::Uplink, &packet), hook, 100, &inner);
    }
}

#[test]
fn a_frame_as_long_as_the_ports_mtu_is_delivered_and_one_byte_more_is_not() {
    let mut world = World::new();
    let headers = udp_of(VM1, HOST1, 0).len();
    for hook in [Hook::Xdp, Hook::Tc] {
        for mtu in [2000, 1400] {
            world.set_mtu(From::PortA, mtu);
            let longest = mtu as usize + ETH_LEN - headers;
            let fits = udp_of(VM1, HOST1, longest);
            is_delivered(&world.run(hook, From::Uplink, &tunnelled(REMOTE_V4, NET, &fits)), hook, 100, &fits);
            let over = udp_of(VM1, HOST1, longest + 1);
            world.run(hook, From::Uplink, &tunnelled(REMOTE_V4, NET, &over)).is_dropped(DropReason::TooBig);
        }
    }
}

#[test]
fn what_is_not_vxlan_for_this_gateway_passes_untouched() {
    let mut world = World::new();
    let inner = vxlan(NET, &udp(VM1, HOST1));
    let others = [
        arp(VM1, HOST1),
        tcp6(VM1, HOST1),
        underlay(REMOTE_V4, "172.31.0.99", 4789, &inner),
        underlay(REMOTE_V4, crate::world::GATEWAY_V4, 4790, &inner),
        underlay(REMOTE_V6, "fd00::99", 4789, &inner),
        vec![0; 20],
    ];
    for hook in [Hook::Xdp, Hook::Tc] {
        for packet in &others {
            world.run(hook, From::Uplink, packet).is_passed(packet);
        }
    }
}
