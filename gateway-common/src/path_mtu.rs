//! Path MTU to remote VTEPs, as reported by routers.

use bytemuck::{Pod, Zeroable};

/// Value of map `path_mtu`, keyed by the two ends of a tunnel ([`crate::tunnel::RemoteVtepKey`]): a router has reported
/// that a packet of ours was too big.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct PathMtu {
    /// Time of the report, CLOCK_MONOTONIC_COARSE nanoseconds.
    pub reported: u64,
    /// MTU in the report: the longest IP packet. Not checked; the reader ignores an MTU below the minimum.
    pub mtu: u32,
    /// Zero.
    pub reserved: u32,
}

/// Minimum MTU of an IPv4 path that is accepted. Every host has to take packets of this length (RFC 791 section 3.1). A
/// forged report must not make a tunnel useless.
pub const LEAST_V4: u32 = 576;
/// Minimum MTU of an IPv6 link (RFC 8200 section 5).
pub const LEAST_V6: u32 = 1280;

crate::map_types!(PathMtu);
