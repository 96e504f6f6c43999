//! Messages of routers about path MTUs, and those that are not believed.

use gateway_common::{
    counters::PathCounter,
    tunnel::{Addr, RemoteVtepKey},
};

use crate::{
    packets::*,
    world::{From, GATEWAY_MAC, GATEWAY_V4, GATEWAY_V6, Hook, REMOTE_V4, REMOTE_V6, ROUTER_MAC, World},
};

const ROUTER_V4: &str = "172.31.9.1";
const ROUTER_V6: &str = "fd00::9:1";

fn octets4(ip: &str) -> [u8; 4] {
    ip.parse::<std::net::Ipv4Addr>().unwrap().octets()
}

fn octets6(ip: &str) -> [u8; 16] {
    ip.parse::<std::net::Ipv6Addr>().unwrap().octets()
}

/// A packet of the gateway's to `remote`, as it left, without Ethernet.
fn sent(world: &mut World, remote: &str) -> Vec<u8> {
    let vm = if remote == REMOTE_V4 { VM1 } else { VM6 };
    let bytes = world.run(Hook::Xdp, From::PortA, &tagged(&udp_of(HOST1, vm, 1480), 100)).bytes;
    bytes[14..].to_vec()
}

/// Fragmentation needed, or packet too big, from a router to `to`, with what it quotes.
fn too_big(to: &str, mtu: u32, quoted: &[u8]) -> Vec<u8> {
    let quoted = &quoted[..quoted.len().min(548)];
    let mut bytes = Vec::new();
    let ethernet = etherparse::PacketBuilder::ethernet2(ROUTER_MAC.0, GATEWAY_MAC.0);
    if to.contains(':') {
        let ip = ethernet.ipv6(octets6(ROUTER_V6), octets6(to), 64);
        ip.icmpv6_raw(2, 0, mtu.to_be_bytes()).write(&mut bytes, quoted).unwrap();
    } else {
        let [_, _, high, low] = mtu.to_be_bytes();
        let ip = ethernet.ipv4(octets4(ROUTER_V4), octets4(to), 64);
        ip.icmpv4_raw(3, 4, [0, 0, high, low]).write(&mut bytes, quoted).unwrap();
    }
    bytes
}

fn ends(remote: &str) -> RemoteVtepKey {
    let local = if remote == REMOTE_V4 { GATEWAY_V4 } else { GATEWAY_V6 };
    let addr = |ip: &str| Addr::from(ip.parse::<std::net::IpAddr>().unwrap());
    RemoteVtepKey { local: addr(local), remote: addr(remote) }
}

fn noted(world: &World) -> Vec<(RemoteVtepKey, u32)> {
    world.maps.path_mtus().unwrap().into_iter().map(|(ends, entry)| (ends, entry.mtu)).collect()
}

fn with(packet: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    packet
}

#[test]
fn a_message_that_quotes_a_packet_of_ours_is_recorded_and_goes_on_up_the_stack() {
    for (remote, local) in [(REMOTE_V4, GATEWAY_V4), (REMOTE_V6, GATEWAY_V6)] {
        for hook in [Hook::Xdp, Hook::Tc] {
            for on_vlan in [false, true] {
                let mut world = World::new();
                let message = too_big(local, 1400, &sent(&mut world, remote));
                let message = if on_vlan { tagged(&message, 77) } else { message };
                let outcome = world.run(hook, From::Uplink, &message);
                if hook == Hook::Xdp {
                    outcome.is_passed(&message);
                }
                assert_eq!(outcome.counted(PathCounter::PathMtu), 1);
                assert_eq!(noted(&world), [(ends(remote), 1400)]);
            }
        }
    }
}

#[test]
fn a_path_becomes_narrower_by_word_of_a_router_and_never_wider() {
    let mut world = World::new();
    let quoted = sent(&mut world, REMOTE_V4);
    for (reported, expected) in [(1450, 1450), (1300, 1300), (1400, 1300), (1200, 1200)] {
        world.run(Hook::Xdp, From::Uplink, &too_big(GATEWAY_V4, reported, &quoted));
        assert_eq!(noted(&world), [(ends(REMOTE_V4), expected)]);
    }
}

#[test]
fn a_message_that_quotes_no_packet_of_ours_is_not_recorded() {
    let mut world = World::new();
    let (v4, v6) = (sent(&mut world, REMOTE_V4), sent(&mut world, REMOTE_V6));
    let cases = [
        ("another source", too_big(GATEWAY_V4, 1400, &with(&v4, 12, &octets4("172.31.0.99")))),
        ("a VTEP that is not known", too_big(GATEWAY_V4, 1400, &with(&v4, 16, &octets4("172.31.0.99")))),
        ("a message to another host", too_big("172.31.0.99", 1400, &v4)),
        ("another port", too_big(GATEWAY_V4, 1400, &with(&v4, 22, &53_u16.to_be_bytes()))),
        ("a source port that is none of ours", too_big(GATEWAY_V4, 1400, &with(&v4, 20, &4789_u16.to_be_bytes()))),
        ("a checksum, which we do not send", too_big(GATEWAY_V4, 1400, &with(&v4, 26, &[1, 2]))),
        ("TCP", too_big(GATEWAY_V4, 1400, &with(&v4, 9, &[6]))),
        ("a packet that may be fragmented", too_big(GATEWAY_V4, 1400, &with(&v4, 6, &[0]))),
        ("a packet shorter than what fits", too_big(GATEWAY_V4, 1400, &with(&v4, 2, &900_u16.to_be_bytes()))),
        ("no MTU, as before RFC 1191", too_big(GATEWAY_V4, 0, &v4)),
        ("a quote cut before the ports", too_big(GATEWAY_V4, 1400, &v4[..22])),
        ("another code", with(&too_big(GATEWAY_V4, 1400, &v4), 35, &[1])),
        ("another source, IPv6", too_big(GATEWAY_V6, 1400, &with(&v6, 8, &octets6("fd00::99")))),
        ("a VTEP that is not known, IPv6", too_big(GATEWAY_V6, 1400, &with(&v6, 24, &octets6("fd00::99")))),
        ("a message to another host, IPv6", too_big("fd00::99", 1400, &v6)),
        ("a packet shorter than what fits, IPv6", too_big(GATEWAY_V6, 1400, &with(&v6, 4, &900_u16.to_be_bytes()))),
    ];
    for (name, message) in cases {
        let outcome = world.run(Hook::Xdp, From::Uplink, &message);
        outcome.is_passed(&message);
        assert_eq!((outcome.counted(PathCounter::PathMtu), noted(&world)), (0, vec![]), "{name}");
    }
}
