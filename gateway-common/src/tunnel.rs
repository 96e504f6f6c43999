//! Tunnel ends, next hops and leases.

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

/// Value of map `vteps`, keyed by [`Addr`]: an address that others tunnel to and this gateway answers for.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Vtep {
    /// Index in map `leases`.
    pub lease: u32,
}

/// Key of map `peers`: the two ends of a tunnel as an arriving packet shows them. The value is the tunnel's number.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct PeerKey {
    /// Address of this gateway.
    pub local: Addr,
    /// Address of the remote VTEP.
    pub remote: Addr,
}

/// Value of map `tunnels`, indexed by tunnel number.
///
/// An array element is written byte by byte while other CPUs read it, so a tunnel has two banks: the agent writes the
/// idle one, then turns `bank`. No packet leaves with half of an old header and half of a new one.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Tunnel {
    /// The bank in force, 0 or 1.
    pub bank: u32,
    /// Index in map `leases` of the lease it forwards under.
    pub lease: u32,
    /// The banks.
    pub next_hop: [NextHop; 2],
}

/// How packets leave for a remote VTEP.
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

/// A value of map `leases`: forward while the coarse monotonic clock, in nanoseconds, is below it.
pub const LEASE_FOREVER: u64 = u64::MAX;

crate::map_types!(Addr, Vtep, PeerKey, Tunnel, NextHop);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_round_trip() {
        for text in ["172.31.0.11", "2001:db8::1", "fe80::1"] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(IpAddr::from(Addr::from(ip)), ip);
        }
    }
}
