//! Decodes the layers of a packet that concern a gateway, as many as are there.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use gateway_common::{
    headers::{
        ETH_LEN, ETH_P_8021Q, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, IPPROTO_ICMPV6, IPPROTO_UDP, IPV4_LEN, IPV6_LEN,
        TAG_LEN, UDP_LEN, VXLAN_FLAG_I, VXLAN_LEN,
    },
    net::MacAddr,
};
use serde::Serialize;

const IPPROTO_ICMP: u8 = 1;
const IPPROTO_TCP: u8 = 6;

/// A layer of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "layer")]
#[expect(missing_docs, reason = "fields of headers, by the names they have there")]
pub enum Layer {
    /// Ethernet.
    Ethernet {
        #[serde(serialize_with = "text")]
        src: MacAddr,
        #[serde(serialize_with = "text")]
        dst: MacAddr,
        /// VLAN of the first tag; none without one.
        vlan: Option<u16>,
        ethertype: u16,
    },
    /// ARP over Ethernet, for IPv4.
    Arp { operation: u16, sender: Ipv4Addr, target: Ipv4Addr },
    /// IPv4 and IPv6.
    Ip { src: IpAddr, dst: IpAddr, protocol: u8, ttl: u8 },
    /// UDP.
    Udp { src_port: u16, dst_port: u16 },
    /// TCP.
    Tcp { src_port: u16, dst_port: u16 },
    /// VXLAN.
    Vxlan { vni: u32 },
}

fn text<S: serde::Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Returns the layers of a packet; a truncated layer ends them.
pub fn layers(bytes: &[u8], vxlan_port: u16) -> Vec<Layer> {
    let mut layers = Vec::new();
    let mut rest = Some(bytes);
    // A packet in a tunnel has another inside. Deeper nesting does not concern the gateway.
    for _ in 0..2 {
        rest = rest.and_then(|frame| ethernet(frame, vxlan_port, &mut layers));
    }
    layers
}

/// Decodes an Ethernet frame. Returns the frame inside a tunnel.
fn ethernet<'a>(frame: &'a [u8], vxlan_port: u16, layers: &mut Vec<Layer>) -> Option<&'a [u8]> {
    let (dst, src) = (MacAddr(array(frame, 0)?), MacAddr(array(frame, 6)?));
    let mut ethertype = short(frame, 12)?;
    let mut payload = ETH_LEN;
    let mut vlan = None;
    if ethertype == ETH_P_8021Q {
        vlan = Some(short(frame, 14)? & 0xfff);
        ethertype = short(frame, 16)?;
        payload += TAG_LEN;
    }
    layers.push(Layer::Ethernet { src, dst, vlan, ethertype });
    let packet = frame.get(payload..)?;
    let (protocol, payload) = match ethertype {
        ETH_P_ARP => {
            let (sender, target) = (array::<4>(packet, 14)?.into(), array::<4>(packet, 24)?.into());
            layers.push(Layer::Arp { operation: short(packet, 6)?, sender, target });
            return None;
        }
        ETH_P_IP => {
            let (src, dst) = (Ipv4Addr::from(array::<4>(packet, 12)?), Ipv4Addr::from(array::<4>(packet, 16)?));
            let protocol = packet[9];
            layers.push(Layer::Ip { src: src.into(), dst: dst.into(), protocol, ttl: packet[8] });
            let fragment = short(packet, 6)? & 0x1fff != 0;
            if fragment {
                return None;
            }
            (protocol, packet.get((usize::from(packet[0] & 0xf) * 4).max(IPV4_LEN)..)?)
        }
        ETH_P_IPV6 => {
            let (src, dst) = (Ipv6Addr::from(array::<16>(packet, 8)?), Ipv6Addr::from(array::<16>(packet, 24)?));
            let protocol = packet[6];
            layers.push(Layer::Ip { src: src.into(), dst: dst.into(), protocol, ttl: packet[7] });
            (protocol, packet.get(IPV6_LEN..)?)
        }
        _ => return None,
    };
    let (src_port, dst_port) = (short(payload, 0), short(payload, 2));
    match protocol {
        IPPROTO_TCP => layers.push(Layer::Tcp { src_port: src_port?, dst_port: dst_port? }),
        IPPROTO_UDP => {
            let (src_port, dst_port) = (src_port?, dst_port?);
            layers.push(Layer::Udp { src_port, dst_port });
            let vxlan = payload.get(UDP_LEN..)?;
            if dst_port == vxlan_port && *vxlan.first()? & VXLAN_FLAG_I != 0 {
                layers.push(Layer::Vxlan { vni: u32::from_be_bytes(array(vxlan, 4)?) >> 8 });
                return vxlan.get(VXLAN_LEN..);
            }
        }
        _ => {}
    }
    None
}

/// Moves a tag that the kernel keeps beside a packet to its place on the wire.
pub(crate) fn with_tag(bytes: &[u8], tag: Option<u16>) -> Vec<u8> {
    const MACS: usize = 12;
    match (tag, bytes.split_at_checked(MACS)) {
        (Some(tag), Some((macs, rest))) => [macs, &ETH_P_8021Q.to_be_bytes(), &tag.to_be_bytes(), rest].concat(),
        _ => bytes.to_vec(),
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ethernet { src, dst, vlan, ethertype } => {
                write!(f, "{src} > {dst}")?;
                if let Some(vlan) = vlan {
                    write!(f, " vlan {vlan}")?;
                }
                if matches!(*ethertype, ETH_P_IP | ETH_P_IPV6 | ETH_P_ARP) {
                    return Ok(());
                }
                write!(f, " type {ethertype:#06x}")
            }
            Self::Arp { operation: 1, sender, target } => write!(f, "ARP who has {target} tell {sender}"),
            Self::Arp { operation: 2, sender, .. } => write!(f, "ARP {sender} is here"),
            Self::Arp { operation, .. } => write!(f, "ARP operation {operation}"),
            Self::Ip { src, dst, protocol, .. } => {
                write!(f, "{src} > {dst}")?;
                match *protocol {
                    IPPROTO_UDP | IPPROTO_TCP => Ok(()),
                    IPPROTO_ICMP | IPPROTO_ICMPV6 => f.write_str(" ICMP"),
                    protocol => write!(f, " protocol {protocol}"),
                }
            }
            Self::Udp { src_port, dst_port } => write!(f, "UDP {src_port} > {dst_port}"),
            Self::Tcp { src_port, dst_port } => write!(f, "TCP {src_port} > {dst_port}"),
            Self::Vxlan { vni } => write!(f, "VXLAN {vni}"),
        }
    }
}

/// Formats all layers on a line.
pub fn line(layers: &[Layer]) -> String {
    layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>) {
            layers(&bytes, 4789);
        }

        #[test]
        fn a_packet_cut_anywhere_has_a_part_of_its_layers(cut in 0..60usize) {
            let frame = crate::packet::build::FrameSpec {
                src: MacAddr([2; 6]),
                dst: MacAddr([4; 6]),
                vlan: gateway_common::net::VlanId::new(7).unwrap(),
                ethertype: ETH_P_IPV6,
                src_ip: None,
                dst_ip: None,
                length: 80,
            };
            let bytes = frame.bytes();
            let (all, some) = (layers(&bytes, 4789), layers(&bytes[..cut], 4789));
            prop_assert_eq!(&all[..some.len()], &some[..]);
        }
    }
}
