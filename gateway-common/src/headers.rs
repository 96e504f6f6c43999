//! Header layout and arithmetic: offsets and lengths, the template of the outer headers, checksum, source port hash.

use core::net::IpAddr;

use crate::net::MacAddr;

/// Ethernet header without tag.
pub const ETH_LEN: usize = 14;
/// An 802.1Q tag.
pub const TAG_LEN: usize = 4;
/// IPv4 header without options.
pub const IPV4_LEN: usize = 20;
/// IPv6 header without extensions.
pub const IPV6_LEN: usize = 40;
/// UDP header.
pub const UDP_LEN: usize = 8;
/// VXLAN header (RFC 7348 section 5).
pub const VXLAN_LEN: usize = 8;
/// Length of the longest outer headers (Ethernet with tag, IPv6, UDP, VXLAN), rounded up to eight bytes.
pub const HEADER_MAX: usize = 80;

/// EtherType of IPv4.
pub const ETH_P_IP: u16 = 0x0800;
/// EtherType of ARP.
pub const ETH_P_ARP: u16 = 0x0806;
/// EtherType of IPv6.
pub const ETH_P_IPV6: u16 = 0x86dd;
/// EtherType of an 802.1Q tag.
pub const ETH_P_8021Q: u16 = 0x8100;
/// EtherType of an 802.1ad service tag.
pub const ETH_P_8021AD: u16 = 0x88a8;
/// IP protocol of UDP.
pub const IPPROTO_UDP: u8 = 17;
/// Next header: ICMPv6 (RFC 4443 section 1).
pub const IPPROTO_ICMPV6: u8 = 58;
/// IP protocol of TCP.
pub const IPPROTO_TCP: u8 = 6;
/// IP protocol of ICMP (RFC 792).
pub const IPPROTO_ICMP: u8 = 1;
/// Header of ICMP and of ICMPv6, as far as a quoted packet.
pub const ICMP_LEN: usize = 8;
/// ICMP type and code: fragmentation needed and Don't Fragment set (RFC 1191 section 4).
pub const FRAGMENTATION_NEEDED: [u8; 2] = [3, 4];
/// ICMPv6 type and code: packet too big (RFC 4443 section 3.2).
pub const PACKET_TOO_BIG: [u8; 2] = [2, 0];
/// ICMPv6 type of a neighbour solicitation (RFC 4861 section 4.3).
pub const NEIGHBOUR_SOLICITATION: u8 = 135;
/// ICMPv6 type of a neighbour advertisement (RFC 4861 section 4.4).
pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// The VNI field is valid (RFC 7348 section 5).
pub const VXLAN_FLAG_I: u8 = 0x08;
/// First byte of the VXLAN header: bits of other formats, which change the meaning of the payload. Group policy (G,
/// draft-smith-vxlan-group-policy); version, next protocol (P) and OAM (O) of VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe).
/// The other two bits are reserved and ignored (RFC 7348 section 5).
pub const VXLAN_EXTENDED: u8 = 0x80 | 0x30 | 0x04 | 0x01;

/// Length of outer headers over IPv4, without a VLAN tag on the underlay.
pub const V4_LEN: usize = ETH_LEN + IPV4_LEN + UDP_LEN + VXLAN_LEN;
/// Length of outer headers over IPv6, without a VLAN tag on the underlay.
pub const V6_LEN: usize = ETH_LEN + IPV6_LEN + UDP_LEN + VXLAN_LEN;
/// Possible lengths of outer headers.
pub const HEADER_LENGTHS: [usize; 4] = [V4_LEN, V4_LEN + TAG_LEN, V6_LEN, V6_LEN + TAG_LEN];

/// Lower end of the outer source ports: RFC 7348 section 5 asks for the dynamic range 49152 to 65535.
pub const SOURCE_PORT_BASE: u16 = 49152;

/// Fields of outer headers that are the same for all packets of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Source: the uplink's address.
    pub src_mac: MacAddr,
    /// Destination: the next hop's address.
    pub dst_mac: MacAddr,
    /// Tag on the underlay, 0 for none.
    pub vlan: u16,
    /// Source: an address of this gateway.
    pub src: IpAddr,
    /// Destination: the remote VTEP, of the same family.
    pub dst: IpAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// UDP destination port.
    pub port: u16,
}

/// Template of the outer headers of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// The bytes; length, checksum, source port and VNI are zero.
    pub bytes: [u8; HEADER_MAX],
    /// Length of the headers.
    pub len: usize,
    /// See [`crate::tunnel::NextHop::ip_sum`].
    pub ip_sum: u32,
}

impl Outer {
    /// Builds the template. `None` if the addresses are of different families.
    ///
    /// Don't Fragment is set: a VTEP must not fragment (RFC 7348 section 4.3). The UDP checksum is zero, which RFC 6935
    /// section 5 allows for tunnels over IPv6 too.
    pub fn template(&self) -> Option<Template> {
        let mut out = Writer { bytes: [0; HEADER_MAX], len: 0 };
        out.put(&self.dst_mac.0);
        out.put(&self.src_mac.0);
        if self.vlan != 0 {
            out.put(&ETH_P_8021Q.to_be_bytes());
            out.put(&self.vlan.to_be_bytes());
        }
        let mut ip_sum = 0;
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                out.put(&ETH_P_IP.to_be_bytes());
                let start = out.len;
                // Version and header length, service, length, identification, Don't Fragment, TTL, protocol, checksum.
                out.put(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, self.ttl, IPPROTO_UDP, 0, 0]);
                out.put(&src.octets());
                out.put(&dst.octets());
                ip_sum = sum_words(&out.bytes[start..out.len]);
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                out.put(&ETH_P_IPV6.to_be_bytes());
                out.put(&[0x60, 0, 0, 0, 0, 0, IPPROTO_UDP, self.ttl]);
                out.put(&src.octets());
                out.put(&dst.octets());
            }
            _ => return None,
        }
        out.put(&[0, 0]);
        out.put(&self.port.to_be_bytes());
        out.put(&[0; 4]);
        out.put(&[VXLAN_FLAG_I, 0, 0, 0, 0, 0, 0, 0]);
        Some(Template { bytes: out.bytes, len: out.len, ip_sum })
    }
}

struct Writer {
    bytes: [u8; HEADER_MAX],
    len: usize,
}

impl Writer {
    fn put(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }
}

/// Sum of big-endian 16-bit words, not folded (RFC 1071).
fn sum_words(bytes: &[u8]) -> u32 {
    bytes.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum()
}

/// The IPv4 header checksum for a packet of `total_len` bytes, from the sum of the rest of the header.
#[inline(always)]
pub const fn ipv4_checksum(ip_sum: u32, total_len: u16) -> u16 {
    let sum = ip_sum + total_len as u32;
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

/// Outer source port for an inner flow, a hash of up to six words that identify it.
///
/// Each word is multiplied, which spreads differences upwards, and the port is taken from the upper bits of the sum.
/// The products do not depend on each other, which is faster than a chain. (Any odd factors with well spread bits will
/// do: these are the golden ratio's and roots of small primes.)
#[inline(always)]
pub const fn source_port<const N: usize>(flow: [u64; N]) -> u16 {
    const FACTORS: [u64; 6] = [
        0x9e37_79b9_7f4a_7c15,
        0x6a09_e667_f3bc_c909,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
    ];
    let mut hash = 0u64;
    let mut at = 0;
    while at < N {
        hash = hash.wrapping_add(flow[at].wrapping_mul(FACTORS[at]));
        at += 1;
    }
    SOURCE_PORT_BASE | (hash >> 50) as u16
}

/// True for 01:80:c2:00:00:00 to :0f, which bridges do not forward (IEEE 802.1Q-2022 table 8-1).
#[inline(always)]
pub const fn is_link_local(mac: [u8; 6]) -> bool {
    matches!(mac, [0x01, 0x80, 0xc2, 0, 0, last] if last <= 0x0f)
}

/// True for groups of control protocols between switches that bridges do forward: CDP, VTP, DTP, PAgP and UDLD
/// (01:00:0c:cc:cc:cc), Cisco's per-VLAN spanning trees (:cd), and the registration protocols MVRP, MMRP, GVRP and GMRP
/// (01:80:c2:00:00:20 to :2f, IEEE 802.1Q-2022 table 10-1).
#[inline(always)]
pub const fn is_control_protocol(mac: [u8; 6]) -> bool {
    match mac {
        [0x01, 0x00, 0x0c, 0xcc, 0xcc, last] => matches!(last, 0xcc | 0xcd),
        [0x01, 0x80, 0xc2, 0, 0, last] => matches!(last, 0x20..=0x2f),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, vec::Vec};

    use super::*;

    fn outer(src: &str, dst: &str, vlan: u16) -> Outer {
        Outer {
            src_mac: MacAddr([2, 0, 0, 0, 0, 1]),
            dst_mac: MacAddr([2, 0, 0, 0, 0, 2]),
            vlan,
            src: src.parse().unwrap(),
            dst: dst.parse().unwrap(),
            ttl: 64,
            port: 4789,
        }
    }

    #[test]
    fn each_kind_of_header_has_its_length() {
        let lengths: Vec<usize> =
            [("10.0.0.1", "10.0.0.2", 0), ("10.0.0.1", "10.0.0.2", 7), ("::1", "::2", 0), ("::1", "::2", 7)]
                .into_iter()
                .map(|(src, dst, vlan)| outer(src, dst, vlan).template().unwrap().len)
                .collect();
        assert_eq!(lengths, HEADER_LENGTHS);
    }

    #[test]
    fn two_families_make_no_template() {
        assert_eq!(outer("10.0.0.1", "::2", 0).template(), None);
    }

    #[test]
    fn checksum_from_the_template_verifies() {
        let template = outer("172.31.0.21", "172.31.255.254", 0).template().unwrap();
        for total_len in [50, 1450, 9000, 65535] {
            let mut header: [u8; 20] = template.bytes[14..34].try_into().unwrap();
            header[2..4].copy_from_slice(&u16::to_be_bytes(total_len));
            header[10..12].copy_from_slice(&ipv4_checksum(template.ip_sum, total_len).to_be_bytes());
            let mut sum = sum_words(&header);
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            assert_eq!(sum, 0xffff, "length {total_len}");
        }
    }

    #[test]
    fn a_carry_of_the_carry_is_folded_too() {
        // The first fold of these gives 0x1_0000 or a little more; one in 20 000 pairs of tunnel and length does.
        for (sum, total_len) in [(0x1_ffff, 0), (0x2_fff0, 0x000e), (0x4_ff00, 0x00fe)] {
            let sum = sum + u32::from(total_len);
            assert!((sum & 0xffff) + (sum >> 16) > 0xffff, "{sum:#x} needs one fold only");
            let mut folded = u64::from(sum);
            while folded > 0xffff {
                folded = (folded & 0xffff) + (folded >> 16);
            }
            assert_eq!(ipv4_checksum(sum - u32::from(total_len), total_len), !(folded as u16));
        }
    }

    /// Number of different source ports among flows identified by `words`.
    fn ports<const N: usize>(words: impl Fn(u64) -> [u64; N]) -> usize {
        let ports: HashSet<u16> = (0..1000).map(|flow| source_port(words(flow))).collect();
        assert!(ports.iter().all(|port| *port >= SOURCE_PORT_BASE));
        ports.len()
    }

    #[test]
    fn source_ports_stay_in_the_dynamic_range_and_spread() {
        // In memory order: the last bytes of two addresses, the bytes of a port.
        let addresses = |flow: u64| 0x0200_000a_0100_000a ^ (flow & 0xff) << 24 ^ (flow >> 8) << 56;
        let port = |flow: u64| u64::from((40_000 + flow as u16).to_be()) | 17 << 32;
        assert!(ports(|flow| [addresses(flow), port(0)]) > 500);
        assert!(ports(|flow| [addresses(0), port(flow)]) > 900);
        assert!(ports(|flow| [addresses(flow), port(flow)]) > 900);
        assert!(ports(|flow| [0xfd, 1, 0xfd, flow << 56, port(flow)]) > 900);
    }

    #[test]
    fn sixteen_groups_are_link_local() {
        assert!(is_link_local([0x01, 0x80, 0xc2, 0, 0, 0x0e]));
        assert!(!is_link_local([0x01, 0x80, 0xc2, 0, 0, 0x10]));
    }

    #[test]
    fn control_protocols_differ_from_other_groups() {
        for last in [0xcc, 0xcd] {
            assert!(is_control_protocol([0x01, 0x00, 0x0c, 0xcc, 0xcc, last]));
        }
        assert!(is_control_protocol([0x01, 0x80, 0xc2, 0, 0, 0x21]));
        for other in [
            [0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xce],
            [0x01, 0x80, 0xc2, 0, 0, 0x0e],
            [0x01, 0x80, 0xc2, 0, 0, 0x30],
            [0x01, 0x00, 0x5e, 0, 0, 0x05],
            [0xff; 6],
        ] {
            assert!(!is_control_protocol(other), "{other:x?}");
        }
    }
}
