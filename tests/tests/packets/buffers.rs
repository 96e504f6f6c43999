//! Frames in several buffers: jumbo frames, and those of NICs that split headers from data.

use gateway_common::{
    counters::{DropReason, PathCounter},
    tunnel::NextHop,
};
use gateway_datapath::desired::TunnelPlan;

use crate::{
    flows::observed,
    packets::*,
    world::{
        From::{self, PortA, PortB, Uplink},
        Hook, NET, REMOTE_V4, REMOTE_V6, Verdict, World, outer,
    },
};

/// Longer than any first buffer, which is less than a page.
const JUMBO: usize = 6000;

/// An underlay and ports with room for jumbo frames.
fn wide() -> World {
    let mut world = World::new();
    let tunnels = [REMOTE_V4, REMOTE_V6].map(|remote| world.tunnel(remote));
    world.reprogram(|desired| {
        desired.settings.fits_every_port = 9014;
        for (ends, plan) in tunnels {
            let hop = NextHop { max_frame: 8950, ..plan.hop };
            desired.tunnels.insert(ends, TunnelPlan { hop, ..plan });
        }
    });
    world
}

fn jumbo_frames() -> Vec<(From, Vec<u8>)> {
    vec![
        (PortA, tagged(&udp_of(HOST1, VM1, JUMBO), 100)),
        (PortB, udp_of(HOST2, VM1, JUMBO)),
        (PortA, tagged(&udp_of(HOST1, VM6, JUMBO), 100)),
        (PortA, tagged(&udp_of(HOST1, HOST2, JUMBO), 100)),
        (Uplink, tunnelled(REMOTE_V4, NET, &udp_of(VM1, HOST1, JUMBO))),
        (Uplink, tunnelled(REMOTE_V6, NET, &udp_of(VM6, HOST2, JUMBO))),
    ]
}

/// Lengths in the outer headers of a packet over IPv4.
fn outer_lengths(packet: &[u8]) -> (usize, usize) {
    let word = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    (word(16), word(38))
}

#[test]
fn a_jumbo_frame_is_encapsulated_whole_on_both_paths() {
    let mut world = wide();
    let inner = udp_of(HOST1, VM1, JUMBO);
    for _ in 0..3 {
        let outcome = world.run(Hook::Xdp, PortA, &tagged(&inner, 100));
        assert_eq!(outcome.verdict, Verdict::Redirect);
        assert_eq!(outer_lengths(&outcome.bytes), (inner.len() + 36, inner.len() + 16));
        assert_eq!(outcome.bytes[50..], inner);
        // A short frame of the flow between them.
        assert_eq!(world.run(Hook::Xdp, PortA, &tagged(&udp(HOST1, VM1), 100)).verdict, Verdict::Redirect);
    }
    assert_eq!(outer(REMOTE_V4).template().unwrap().len, 50);
}

#[test]
fn a_jumbo_frame_is_decapsulated_whole_on_both_paths() {
    let mut world = wide();
    let inner = udp_of(VM1, HOST1, JUMBO);
    for surplus in [0, 0, 60] {
        let packet = [tunnelled(REMOTE_V4, NET, &inner), vec![0xa5; surplus]].concat();
        let outcome = world.run(Hook::Xdp, Uplink, &packet);
        assert_eq!((outcome.verdict, outcome.bytes), (Verdict::Redirect, tagged(&inner, 100)));
    }
}

#[test]
fn a_jumbo_frame_of_a_cached_flow_goes_as_the_first_one_did() {
    let mut world = wide();
    for (from, packet) in jumbo_frames() {
        let first = world.run(Hook::Xdp, from, &packet);
        assert_eq!(first.verdict, Verdict::Redirect, "{from:?}");
        assert_eq!(observed(&world.run(Hook::Xdp, from, &packet)), observed(&first));
    }
}

#[test]
fn a_frame_in_several_buffers_whose_ip_header_claims_less_goes_as_long_as_it_is_both_ways() {
    let mut world = wide();
    // In a cached flow: one of its frames has gone before.
    world.run(Hook::Xdp, PortA, &tagged(&udp(HOST1, VM1), 100));
    let mut inner = udp_of(HOST1, VM1, JUMBO);
    inner[16..18].copy_from_slice(&100_u16.to_be_bytes());
    for _ in 0..2 {
        let outcome = world.run(Hook::Xdp, PortA, &tagged(&inner, 100));
        assert_eq!(outcome.verdict, Verdict::Redirect);
        assert_eq!(outer_lengths(&outcome.bytes), (inner.len() + 36, inner.len() + 16));
    }
    // And is too long for a path that all of it does not fit.
    let mut narrow = World::new();
    narrow.reprogram(|desired| desired.settings.fits_every_port = 9014);
    assert_eq!(narrow.run(Hook::Xdp, PortA, &tagged(&udp(HOST1, VM1), 100)).verdict, Verdict::Redirect);
    narrow.run(Hook::Xdp, PortA, &tagged(&inner, 100)).is_dropped(DropReason::TooBig);
}

#[test]
fn a_frame_in_several_buffers_to_a_port_without_scatter_gather_is_left_to_tc_whole() {
    let mut world = wide();
    world.reprogram(|desired| {
        desired.settings.fits_every_port = 9014;
        desired.xdp_sg_ports.clear();
        for plan in desired.tunnels.values_mut() {
            plan.hop.max_frame = plan.hop.max_frame.max(8950);
        }
    });
    for (from, packet) in jumbo_frames() {
        for _ in 0..2 {
            let outcome = world.run(Hook::Xdp, from, &packet);
            outcome.is_passed(&packet);
            assert_eq!(outcome.counted(PathCounter::XdpToTc), 1);
        }
    }
    // What lies in one buffer is still sent by XDP.
    for (from, packet) in [
        (PortA, tagged(&udp(HOST1, VM1), 100)),
        (PortA, tagged(&udp_of(HOST1, HOST2, 1400), 100)),
        (Uplink, tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1))),
    ] {
        assert_eq!(world.run(Hook::Xdp, from, &packet).verdict, Verdict::Redirect);
    }
}

#[test]
fn a_packet_whose_headers_end_in_another_buffer_is_left_to_tc_and_not_dropped() {
    let mut world = World::new();
    for (remote, outer, src) in [(REMOTE_V4, 50, VM1), (REMOTE_V6, 70, VM6)] {
        let packet = tunnelled(remote, NET, &udp_of(src, HOST2, 400));
        let Some(whole) = world.run_split(Uplink, &packet, packet.len()) else { return };
        assert_eq!(whole.verdict, Verdict::Redirect);
        // From the end of Ethernet on, wherever a NIC may split.
        for first in 14..packet.len() {
            let Some(outcome) = world.run_split(Uplink, &packet, first) else { return };
            assert_eq!(outcome.dropped(), [], "{remote}, split at {first}");
            if outcome.verdict == Verdict::Pass {
                assert_eq!(outcome.bytes, packet, "split at {first}");
                assert!(first < outer + 18, "split at {first} there is all to decide by");
            } else {
                assert_eq!((outcome.verdict, outcome.bytes), (Verdict::Redirect, whole.bytes.clone()));
            }
        }
        // TC has the headers put together.
        assert_eq!(world.run(Hook::Tc, Uplink, &packet).verdict, Verdict::Redirect);
    }
}

#[test]
fn a_frame_from_a_vlan_may_be_split_anywhere() {
    let mut world = World::new();
    let frame = tagged(&udp_of(HOST1, VM1, 400), 100);
    let Some(whole) = world.run_split(PortA, &frame, frame.len()) else { return };
    for first in 14..frame.len() {
        let Some(outcome) = world.run_split(PortA, &frame, first) else { return };
        assert_eq!(outcome.dropped(), [], "split at {first}");
        assert!(matches!(outcome.verdict, Verdict::Redirect | Verdict::Pass));
        if outcome.verdict == Verdict::Redirect {
            assert_eq!(outer_lengths(&outcome.bytes), outer_lengths(&whole.bytes), "split at {first}");
        }
    }
}
