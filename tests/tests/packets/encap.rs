//! Into tunnels.

use etherparse::{NetHeaders, PacketHeaders, TransportHeader};
use gateway_common::{
    counters::{DropReason, PathCounter},
    headers::ETH_LEN,
};

use crate::{
    packets::*,
    world::{
        From, GATEWAY_V4, Hook, MAX_FRAME, NET, Outcome, REMOTE_TAGGED, REMOTE_V4, REMOTE_V6, Verdict, World, outer,
    },
};

/// Splits what left into outer headers and inner frame, checking everything that can be checked about the outer ones.
#[track_caller]
pub(crate) fn opened(bytes: &[u8], remote: &str, vni: u32) -> (u16, Vec<u8>) {
    let template = outer(remote).template().unwrap();
    let headers = PacketHeaders::from_ethernet_slice(bytes).unwrap();
    assert_eq!(bytes[..12], template.bytes[..12], "MACs");
    let Some(TransportHeader::Udp(udp)) = headers.transport else { panic!("no UDP header") };
    match headers.net.unwrap() {
        NetHeaders::Ipv4(ip, _) => {
            assert_eq!(ip.header_checksum, ip.calc_header_checksum(), "IPv4 checksum");
            assert!(ip.dont_fragment);
            assert_eq!((ip.time_to_live, ip.destination.into()), (61, remote.parse::<std::net::Ipv4Addr>().unwrap()));
            assert_eq!(std::net::Ipv4Addr::from(ip.source), GATEWAY_V4.parse::<std::net::Ipv4Addr>().unwrap());
            assert_eq!(usize::from(ip.total_len), bytes.len() - ETH_LEN - if template.len == 54 { 4 } else { 0 });
        }
        NetHeaders::Ipv6(ip, _) => {
            assert_eq!((ip.hop_limit, ip.destination.into()), (61, remote.parse::<std::net::Ipv6Addr>().unwrap()));
            assert_eq!(usize::from(ip.payload_length), bytes.len() - ETH_LEN - 40);
        }
        NetHeaders::Arp(_) => panic!("ARP"),
    }
    assert_eq!((udp.destination_port, udp.checksum), (4789, 0));
    assert!(udp.source_port >= 49152, "source port {}", udp.source_port);
    assert_eq!(usize::from(udp.length), bytes.len() - template.len + 16);
    let inner = bytes[template.len..].to_vec();
    assert_eq!(bytes[template.len - 8..template.len], vxlan(vni, &[])[..], "VXLAN header");
    (udp.source_port, inner)
}

#[track_caller]
fn is_sent(outcome: &Outcome, hook: Hook, remote: &str, inner: &[u8]) {
    assert_eq!((outcome.verdict, outcome.dropped()), (Verdict::Redirect, vec![]));
    let path = if hook == Hook::Xdp { PathCounter::XdpEncap } else { PathCounter::TcEncap };
    assert_eq!(outcome.counted(path), 1);
    assert_eq!(opened(&outcome.bytes, remote, NET).1, inner);
}

#[test]
fn a_tagged_frame_enters_the_tunnel_without_its_tag() {
    let mut world = World::new();
    for hook in [Hook::Xdp, Hook::Tc] {
        for inner in [udp(HOST1, VM1), tcp6(HOST1, VM1), arp(HOST1, VM1), frame(HOST1, VM1, 0x88b5, b"anything")] {
            let outcome = world.run(hook, From::PortA, &tagged(&inner, 100));
            is_sent(&outcome, hook, REMOTE_V4, &inner);
        }
    }
}

#[test]
fn an_untagged_frame_enters_the_tunnel_as_it_is() {
    let mut world = World::new();
    for hook in [Hook::Xdp, Hook::Tc] {
        for inner in [udp(HOST2, VM1), arp(HOST2, VM1)] {
            let outcome = world.run(hook, From::PortB, &inner);
            is_sent(&outcome, hook, REMOTE_V4, &inner);
        }
    }
}

#[test]
fn a_priority_tag_counts_as_none_and_goes() {
    let mut world = World::new();
    let inner = udp(HOST2, VM1);
    for hook in [Hook::Xdp, Hook::Tc] {
        let outcome = world.run(hook, From::PortB, &tagged_as(&inner, 0x8100, 5 << 13));
        is_sent(&outcome, hook, REMOTE_V4, &inner);
    }
}

#[test]
fn a_tunnel_over_ipv6_has_an_ipv6_header() {
    let mut world = World::new();
    for hook in [Hook::Xdp, Hook::Tc] {
        for inner in [udp(HOST1, VM6), tcp6(HOST1, VM6), arp(HOST1, VM6)] {
            let outcome = world.run(hook, From::PortA, &tagged(&inner, 100));
            is_sent(&outcome, hook, REMOTE_V6, &inner);
        }
    }
}

#[test]
fn a_tunnel_through_a_vlan_of_the_underlay_has_its_tag() {
    let mut world = World::new();
    let inner = udp(HOST1, VM_TAGGED);
    let outcome = world.run(Hook::Xdp, From::PortA, &tagged(&inner, 100));
    assert_eq!(outcome.bytes[12..16], [0x81, 0, 0, 77]);
    is_sent(&outcome, Hook::Xdp, REMOTE_TAGGED, &inner);
    // At TC the tag goes beside the packet, where a test run does not show it.
    let outcome = world.run(Hook::Tc, From::PortA, &tagged(&inner, 100));
    assert_eq!(outcome.verdict, Verdict::Redirect);
    is_sent(&Outcome { bytes: tagged(&outcome.bytes, 77), ..outcome }, Hook::Tc, REMOTE_TAGGED, &inner);
}

#[test]
fn flows_spread_over_source_ports_and_each_keeps_its_own() {
    let mut world = World::new();
    let mut port = |flow: u16| {
        let packet = tagged(&udp_from(HOST1, VM1, flow, 40), 100);
        let [xdp, tc] = [Hook::Xdp, Hook::Tc].map(|hook| {
            let bytes = world.run(hook, From::PortA, &packet).bytes;
            opened(&bytes, REMOTE_V4, NET).0
        });
        assert_eq!(xdp, tc, "both hooks must choose the same path for a flow");
        xdp
    };
    let ports: std::collections::BTreeSet<u16> = (1000..1064).map(&mut port).collect();
    assert!(ports.len() > 56, "64 flows on {} ports", ports.len());
    assert_eq!(port(1000), port(1000));
}

#[test]
fn the_longest_frame_that_fits_is_sent_and_one_byte_more_is_not() {
    let mut world = World::new();
    let headers = udp_of(HOST1, VM1, 0).len();
    for hook in [Hook::Xdp, Hook::Tc] {
        let fits = udp_of(HOST1, VM1, MAX_FRAME - headers);
        is_sent(&world.run(hook, From::PortA, &tagged(&fits, 100)), hook, REMOTE_V4, &fits);
        let over = udp_of(HOST1, VM1, MAX_FRAME - headers + 1);
        world.run(hook, From::PortA, &tagged(&over, 100)).is_dropped(DropReason::TooBig);
    }
}

#[test]
fn traffic_is_counted_by_binding_and_by_tunnel() {
    let mut world = World::new();
    let inner = udp(HOST1, VM1);
    for hook in [Hook::Xdp, Hook::Tc] {
        world.run(hook, From::PortA, &tagged(&inner, 100));
    }
    let programmed = world.maps.programmed().unwrap();
    let binding = programmed.bindings[&world.binding(From::PortA, 100)].id;
    let traffic = world.maps.binding_traffic(binding).unwrap();
    assert_eq!((traffic.rx_packets, traffic.rx_bytes, traffic.tx_packets), (2, 2 * inner.len() as u64, 0));
    let tunnel = programmed.static_macs.get(&gateway_common::fdb::FdbKey::new(NET, VM1.0)).unwrap().to.out;
    let traffic = world.maps.tunnel_traffic(tunnel).unwrap();
    assert_eq!((traffic.tx_packets, traffic.tx_bytes, traffic.rx_packets), (2, 2 * inner.len() as u64, 0));
}
