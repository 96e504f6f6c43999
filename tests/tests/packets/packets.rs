//! Packets by name.

use std::net::IpAddr;

use etherparse::{ArpHardwareId, ArpOperation, ArpPacket, EtherType, PacketBuilder};
use gateway_common::{headers::VXLAN_FLAG_I, net::MacAddr};

use crate::world::{GATEWAY_MAC, GATEWAY_V4, GATEWAY_V6, ROUTER_MAC};

/// A VM behind the remote VTEP 172.31.0.11.
pub(crate) const VM1: MacAddr = MacAddr([2, 0xaa, 0, 0, 0, 1]);
/// A VM behind the remote VTEP fd00::11.
pub(crate) const VM6: MacAddr = MacAddr([2, 0xaa, 0, 0, 0, 6]);
/// A VM behind a remote VTEP that is reached through a VLAN of the underlay.
pub(crate) const VM_TAGGED: MacAddr = MacAddr([2, 0xaa, 0, 0, 0, 7]);
/// A VM behind a remote VTEP that can't be reached.
pub(crate) const VM_LOST: MacAddr = MacAddr([2, 0xaa, 0, 0, 0, 8]);
/// A host on VLAN 100 of port A.
pub(crate) const HOST1: MacAddr = MacAddr([2, 0xee, 0, 0, 0, 1]);
/// A host on port B, untagged.
pub(crate) const HOST2: MacAddr = MacAddr([2, 0xee, 0, 0, 0, 2]);
/// A host on VLAN 300 of port B.
pub(crate) const HOST3: MacAddr = MacAddr([2, 0xee, 0, 0, 0, 3]);
/// A station not seen before.
pub(crate) const STRANGER: MacAddr = MacAddr([2, 0xcc, 0, 0, 0, 9]);
/// All nodes on the link, IPv6 multicast.
pub(crate) const MULTICAST: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 1]);

/// An IPv4/UDP frame of some length, so that no two fields are alike.
pub(crate) fn udp(src: MacAddr, dst: MacAddr) -> Vec<u8> {
    udp_of(src, dst, 40)
}

/// The same with `payload` bytes inside.
pub(crate) fn udp_of(src: MacAddr, dst: MacAddr, payload: usize) -> Vec<u8> {
    udp_from(src, dst, 5353, payload)
}

/// The same from another port: another flow.
pub(crate) fn udp_from(src: MacAddr, dst: MacAddr, port: u16, payload: usize) -> Vec<u8> {
    let body: Vec<u8> = (0..payload).map(|at| at as u8).collect();
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2(src.0, dst.0)
        .ipv4([10, 0, 0, 101], [10, 0, 0, 11], 63)
        .udp(port, 53)
        .write(&mut bytes, &body)
        .unwrap();
    bytes
}

/// An IPv6/TCP frame.
pub(crate) fn tcp6(src: MacAddr, dst: MacAddr) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (a, b) = (0xfd_u128 << 120 | 1, 0xfd_u128 << 120 | 2);
    PacketBuilder::ethernet2(src.0, dst.0)
        .ipv6(a.to_be_bytes(), b.to_be_bytes(), 60)
        .tcp(40000, 22, 7, 1024)
        .write(&mut bytes, b"hello")
        .unwrap();
    bytes
}

/// An ARP request, 42 bytes long: shorter than Ethernet's shortest.
pub(crate) fn arp(src: MacAddr, dst: MacAddr) -> Vec<u8> {
    arp_about(src, dst, ArpOperation::REQUEST, "10.0.0.101", "10.0.0.11")
}

/// Any ARP packet.
pub(crate) fn arp_about(src: MacAddr, dst: MacAddr, operation: ArpOperation, sender: &str, target: &str) -> Vec<u8> {
    let octets = |text: &str| text.parse::<std::net::Ipv4Addr>().unwrap().octets();
    let (hardware, ip) = (ArpHardwareId::ETHERNET, EtherType::IPV4);
    let packet = ArpPacket::new(hardware, ip, operation, &src.0, &octets(sender), &[0; 6], &octets(target)).unwrap();
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2(src.0, dst.0).arp(packet).write(&mut bytes).unwrap();
    bytes
}

/// An Ethernet frame with nothing recognisable inside.
pub(crate) fn frame(src: MacAddr, dst: MacAddr, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&dst.0[..], &src.0[..], &ethertype.to_be_bytes()[..], payload].concat()
}

/// Puts a VLAN tag on.
pub(crate) fn tagged(frame: &[u8], vlan: u16) -> Vec<u8> {
    tagged_as(frame, 0x8100, vlan)
}

/// Puts a tag of any kind on.
pub(crate) fn tagged_as(frame: &[u8], kind: u16, tci: u16) -> Vec<u8> {
    [&frame[..12], &kind.to_be_bytes()[..], &tci.to_be_bytes()[..], &frame[12..]].concat()
}

/// The VXLAN header and the frame.
pub(crate) fn vxlan(vni: u32, inner: &[u8]) -> Vec<u8> {
    [&[VXLAN_FLAG_I, 0, 0, 0][..], &(vni << 8).to_be_bytes()[..], inner].concat()
}

/// From the remote VTEP `from` to the gateway, with `payload` behind the UDP header.
pub(crate) fn to_gateway(from: &str, payload: &[u8]) -> Vec<u8> {
    underlay(from, if from.contains(':') { GATEWAY_V6 } else { GATEWAY_V4 }, 4789, payload)
}

/// A UDP packet on the underlay.
pub(crate) fn underlay(from: &str, to: &str, port: u16, payload: &[u8]) -> Vec<u8> {
    let ethernet = PacketBuilder::ethernet2(ROUTER_MAC.0, GATEWAY_MAC.0);
    let mut bytes = Vec::new();
    let ip = match (from.parse().unwrap(), to.parse().unwrap()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ethernet.ipv4(from.octets(), to.octets(), 64),
        (IpAddr::V6(from), IpAddr::V6(to)) => ethernet.ipv6(from.octets(), to.octets(), 64),
        _ => panic!("two families"),
    };
    ip.udp(50000, port).write(&mut bytes, payload).unwrap();
    bytes
}

/// A VXLAN packet from the remote VTEP `from` with the frame `inner`.
pub(crate) fn tunnelled(from: &str, vni: u32, inner: &[u8]) -> Vec<u8> {
    to_gateway(from, &vxlan(vni, inner))
}

/// A neighbour solicitation (135) or advertisement (136).
pub(crate) fn neighbour(src: MacAddr, dst: MacAddr, kind: u8, hop_limit: u8, from: &str, target: &str) -> Vec<u8> {
    let octets = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2(src.0, dst.0)
        .ipv6(octets(from), octets("fd00::1"), hop_limit)
        .icmpv6_raw(kind, 0, [0; 4])
        .write(&mut bytes, &octets(target))
        .unwrap();
    bytes
}
