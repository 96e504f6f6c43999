//! Builder of packets from a short description.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gateway_common::{
    headers::{
        ETH_LEN, ETH_P_8021Q, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, IPPROTO_UDP, IPV4_LEN, IPV6_LEN, Outer, TAG_LEN,
        UDP_LEN, VXLAN_LEN, ipv4_checksum,
    },
    net::{MacAddr, VlanId, Vni},
};

/// An Ethernet frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSpec {
    /// The sender.
    pub src: MacAddr,
    /// The receiver.
    pub dst: MacAddr,
    /// Its tag.
    pub vlan: VlanId,
    /// Its payload: ARP is a request, IP is UDP to port 9 (discard), anything else zeroes.
    pub ethertype: u16,
    /// The sender's IP address.
    pub src_ip: Option<IpAddr>,
    /// The receiver's IP address.
    pub dst_ip: Option<IpAddr>,
    /// Length without tag and frame check sequence; a packet that needs more is longer.
    pub length: usize,
}

/// Encapsulation of a frame on the underlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelSpec {
    /// The sending VTEP.
    pub from: IpAddr,
    /// The receiving VTEP, of the same family.
    pub to: IpAddr,
    /// Its logical switch.
    pub vni: Vni,
    /// Tag on the underlay.
    pub vlan: VlanId,
    /// UDP port of VXLAN.
    pub port: u16,
}

/// Default addresses, from the ranges for documentation (RFC 5737, RFC 3849).
const V4: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
const V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)];
const SOURCE_PORT: u16 = 50_000;
const DISCARD: u16 = 9;
const HOPS: u8 = 64;

impl FrameSpec {
    /// Returns its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.dst.0, self.src.0].concat();
        if self.vlan != VlanId::UNTAGGED {
            bytes.extend(ETH_P_8021Q.to_be_bytes());
            bytes.extend(self.vlan.get().to_be_bytes());
        }
        bytes.extend(self.ethertype.to_be_bytes());
        let payload = self.length.saturating_sub(ETH_LEN);
        match self.ethertype {
            ETH_P_ARP => bytes.extend(self.arp()),
            ETH_P_IP => bytes.extend(self.ipv4(payload)),
            ETH_P_IPV6 => bytes.extend(self.ipv6(payload)),
            _ => {}
        }
        let tag = if self.vlan == VlanId::UNTAGGED { 0 } else { TAG_LEN };
        bytes.resize(bytes.len().max(self.length + tag), 0);
        bytes
    }

    /// Returns an ARP request (RFC 826).
    fn arp(&self) -> Vec<u8> {
        let octets = |ip: Option<IpAddr>| match ip {
            Some(IpAddr::V4(ip)) => ip.octets(),
            _ => [0; 4],
        };
        [&[0, 1, 8, 0, 6, 4, 0, 1][..], &self.src.0, &octets(self.src_ip), &[0; 6], &octets(self.dst_ip)].concat()
    }

    fn ipv4(&self, length: usize) -> Vec<u8> {
        let octets = |ip: Option<IpAddr>, default: Ipv4Addr| match ip {
            Some(IpAddr::V4(ip)) => ip.octets(),
            _ => default.octets(),
        };
        let total = length.max(IPV4_LEN + UDP_LEN);
        let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, HOPS, IPPROTO_UDP, 0, 0];
        header.extend(octets(self.src_ip, V4[0]));
        header.extend(octets(self.dst_ip, V4[1]));
        let sum = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        header[2..4].copy_from_slice(&short(total).to_be_bytes());
        header[10..12].copy_from_slice(&ipv4_checksum(sum, short(total)).to_be_bytes());
        header.extend(udp(total - IPV4_LEN));
        header
    }

    fn ipv6(&self, length: usize) -> Vec<u8> {
        let octets = |ip: Option<IpAddr>, default: Ipv6Addr| match ip {
            Some(IpAddr::V6(ip)) => ip.octets(),
            _ => default.octets(),
        };
        let datagram = length.saturating_sub(IPV6_LEN).max(UDP_LEN);
        let mut header = vec![0x60, 0, 0, 0];
        header.extend(short(datagram).to_be_bytes());
        header.extend([IPPROTO_UDP, HOPS]);
        header.extend(octets(self.src_ip, V6[0]));
        header.extend(octets(self.dst_ip, V6[1]));
        header.extend(udp(datagram));
        header
    }
}

/// Returns a datagram of zeroes without a checksum.
fn udp(length: usize) -> Vec<u8> {
    let mut bytes = [SOURCE_PORT, DISCARD, short(length), 0].map(u16::to_be_bytes).concat();
    bytes.resize(length, 0);
    bytes
}

/// Converts a length, which the parser of the options has bounded.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

impl TunnelSpec {
    /// Returns the encapsulated `frame`, from `router` to `own`. Returns `None` if the two VTEPs are of two families.
    pub fn around(&self, frame: &[u8], router: MacAddr, own: MacAddr) -> Option<Vec<u8>> {
        let outer = Outer {
            src_mac: router,
            dst_mac: own,
            vlan: self.vlan.get(),
            src: self.from,
            dst: self.to,
            ttl: HOPS,
            port: self.port,
        };
        let template = outer.template()?;
        let mut bytes = template.bytes[..template.len].to_vec();
        let udp = template.len - VXLAN_LEN - UDP_LEN;
        let datagram = short(UDP_LEN + VXLAN_LEN + frame.len());
        if self.from.is_ipv4() {
            let ip = udp - IPV4_LEN;
            let total = datagram.saturating_add(IPV4_LEN as u16);
            bytes[ip + 2..ip + 4].copy_from_slice(&total.to_be_bytes());
            bytes[ip + 10..ip + 12].copy_from_slice(&ipv4_checksum(template.ip_sum, total).to_be_bytes());
        } else {
            bytes[udp - 36..udp - 34].copy_from_slice(&datagram.to_be_bytes());
        }
        bytes[udp..udp + 2].copy_from_slice(&SOURCE_PORT.to_be_bytes());
        bytes[udp + 4..udp + 6].copy_from_slice(&datagram.to_be_bytes());
        bytes[udp + UDP_LEN + 4..udp + UDP_LEN + 8].copy_from_slice(&(self.vni.get() << 8).to_be_bytes());
        bytes.extend(frame);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::decode::{Layer, layers};

    const FRAME: FrameSpec = FrameSpec {
        src: MacAddr([2, 0, 0, 0, 0, 1]),
        dst: MacAddr([2, 0, 0, 0, 0, 2]),
        vlan: VlanId::UNTAGGED,
        ethertype: ETH_P_IP,
        src_ip: None,
        dst_ip: None,
        length: 60,
    };

    #[test]
    fn a_frame_is_as_long_as_asked_and_a_tag_longer() {
        let tagged = FrameSpec { vlan: VlanId::new(100).unwrap(), ..FRAME };
        assert_eq!((FRAME.bytes().len(), tagged.bytes().len()), (60, 64));
        assert_eq!(FrameSpec { length: 0, ..FRAME }.bytes().len(), ETH_LEN + IPV4_LEN + UDP_LEN);
    }

    #[test]
    fn what_is_made_reads_back() {
        for ethertype in [ETH_P_IP, ETH_P_IPV6] {
            let frame = FrameSpec { ethertype, length: 100, ..FRAME };
            let Some(Layer::Udp { dst_port, .. }) = layers(&frame.bytes(), 4789).pop() else { panic!("no UDP") };
            assert_eq!(dst_port, DISCARD);
        }
    }

    #[test]
    fn a_frame_in_a_tunnel_has_outer_headers_before_it() {
        for (from, to) in [("172.31.0.11", "172.31.0.21"), ("fd00::11", "fd00::21")] {
            let spec = TunnelSpec {
                from: from.parse().unwrap(),
                to: to.parse().unwrap(),
                vni: Vni::new(5001).unwrap(),
                vlan: VlanId::UNTAGGED,
                port: 4789,
            };
            let bytes = spec.around(&FRAME.bytes(), FRAME.src, FRAME.dst).unwrap();
            let layers = layers(&bytes, 4789);
            assert!(layers.contains(&Layer::Vxlan { vni: 5001 }), "{layers:?}");
            assert_eq!(layers.iter().filter(|layer| matches!(layer, Layer::Ethernet { .. })).count(), 2);
        }
    }
}
