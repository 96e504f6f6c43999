//! VTEP addresses, tunnels, next hops and leases.

use core::net::{IpAddr, Ipv6Addr};

use bytemuck::{Pod, Zeroable};

use crate::headers::HEADER_MAX;

/// An IP address in 16 bytes, IPv4 as `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2).
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct Addr {
    /// In wire order.
    pub bytes: [u8; 16],
}

impl Addr {
    /// From the four bytes of an IPv4 address.
    #[inline(always)]
    pub const fn v4(a: [u8; 4]) -> Self {
        Self { bytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a[0], a[1], a[2], a[3]] }
    }
}

impl Addr {
    /// No address.
    pub const NONE: Self = Self { bytes: [0; 16] };

    /// True for an IPv4-mapped IPv6 address, which no IPv6 packet may have (draft-itojun-v6ops-v4mapped-harmful; the
    /// kernel's ip6_rcv_core refuses them too).
    #[inline(always)]
    pub const fn is_v4_mapped(&self) -> bool {
        let [high, low] = self.words();
        high == 0 && low >> 32 == 0xffff
    }

    /// Returns the address as two numbers: a comparison byte by byte takes many instructions.
    #[inline(always)]
    const fn words(&self) -> [u64; 2] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.bytes;
        [u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p])]
    }

    /// True for an address that one host on a network can have: not unspecified, loopback, a group, or reserved (RFC
    /// 6890; RFC 4291 sections 2.5 and 2.7).
    #[inline(always)]
    pub const fn is_host(&self) -> bool {
        let [high, low] = self.words();
        if self.is_v4_mapped() {
            let first = (low >> 24) as u8;
            return first != 0 && first != 127 && first < 224;
        }
        if high == 0 { low > 1 } else { high >> 56 != 0xff }
    }
}

impl From<IpAddr> for Addr {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::v4(ip.octets()),
            IpAddr::V6(ip) => Self { bytes: ip.octets() },
        }
    }
}

impl From<Addr> for IpAddr {
    fn from(addr: Addr) -> Self {
        Ipv6Addr::from(addr.bytes).to_canonical()
    }
}

/// Value of map `vteps`, keyed by [`Addr`]: a VTEP address of this gateway.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Vtep {
    /// Index in map `leases` of the lease that the address is used under.
    pub lease: u32,
}

/// Key of map `remote_vteps`: local VTEP and remote VTEP of a tunnel, as in an arriving packet. The value is the index
/// of the tunnel.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct RemoteVtepKey {
    /// Address of this gateway.
    pub local: Addr,
    /// Address of the remote VTEP.
    pub remote: Addr,
}

/// Key of map `arrivals`: outermost MAC and VLAN of packets for this gateway. An underlay that floods, or a host on
/// another VLAN of the uplink's trunk, sends packets with others. Those are not for this gateway, whatever their IP
/// header contains.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct Arrival {
    /// Destination MAC: the uplink's, a subinterface's or a virtual router's.
    pub mac: [u8; 6],
    /// VLAN on the underlay, 0 for none.
    pub vlan: u16,
}

/// Value of map `tunnels`, by tunnel index.
///
/// An array element is written byte by byte while other CPUs read it, so a tunnel has two banks: the agent writes the
/// idle one, then switches `bank`. No packet leaves with half of an old header and half of a new one.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Tunnel {
    /// The bank in force, 0 or 1.
    pub bank: u32,
    /// Index in map `leases` of the lease that the tunnel is used under.
    pub lease: u32,
    /// The banks.
    pub next_hop: [NextHop; 2],
}

/// Next hop of a remote VTEP, with the outer headers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct NextHop {
    /// Index of the uplink; 0 while the next hop is not resolved.
    pub ifindex: u32,
    /// Bytes of `header` in use: one of [`crate::headers::HEADER_LENGTHS`].
    pub header_len: u32,
    /// Longest inner frame, without frame check sequence, that fits the path's MTU once encapsulated.
    pub max_frame: u32,
    /// IPv4: sum of the outer header's 16-bit words with length and checksum zero ([`crate::headers::ipv4_checksum`]).
    pub ip_sum: u32,
    /// The outer headers; lengths, checksum, source port and VNI are filled in for each packet.
    pub header: [u8; HEADER_MAX],
}

impl NextHop {
    /// A next hop that is not known yet.
    pub const UNRESOLVED: Self = Self { ifindex: 0, header_len: 0, max_frame: 0, ip_sum: 0, header: [0; HEADER_MAX] };
}

/// Value of map `leases` for a lease without end. Other values are expiry times of the coarse monotonic clock, in
/// nanoseconds.
pub const LEASE_FOREVER: u64 = u64::MAX;

crate::map_types!(Addr, Vtep, RemoteVtepKey, Arrival, Tunnel, NextHop);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_no_host_has_are_recognized() {
        let is_host = |text: &str| Addr::from(text.parse::<IpAddr>().unwrap()).is_host();
        for text in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.5", "239.1.1.1", "240.0.0.1", "255.255.255.255"] {
            assert!(!is_host(text), "{text}");
        }
        for text in ["::", "::1", "ff02::1", "ff0e::1"] {
            assert!(!is_host(text), "{text}");
        }
        for text in
            ["10.0.0.1", "126.1.1.1", "128.0.0.1", "169.254.1.1", "223.255.255.254", "fe80::1", "fd00::1", "::2"]
        {
            assert!(is_host(text), "{text}");
        }
    }

    #[test]
    fn addresses_survive_the_round_trip() {
        for text in ["172.31.0.11", "2001:db8::1", "fe80::1"] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(IpAddr::from(Addr::from(ip)), ip);
        }
    }
}
