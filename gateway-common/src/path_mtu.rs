//! What routers say of the paths to remote VTEPs.

use bytemuck::{Pod, Zeroable};

/// Value of map `path_mtu`, keyed by the ends of a tunnel ([`crate::tunnel::RemoteVtepKey`]): a router on the path has said that a
/// packet of ours was too big.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct PathMtu {
    /// When it was said, CLOCK_MONOTONIC_COARSE nanoseconds.
    pub told: u64,
    /// The longest IP packet that it lets through, as it says: whoever reads it knows what is too little to be true.
    pub mtu: u32,
    /// Zero.
    pub reserved: u32,
}

/// The least MTU of an IPv4 path that is believed. Every host has to take packets this long (RFC 791 section 3.1), and
/// whoever forges such messages must not be able to bring a tunnel down to nothing.
pub const LEAST_V4: u32 = 576;
/// The least MTU of an IPv6 link (RFC 8200 section 5).
pub const LEAST_V6: u32 = 1280;

crate::map_types!(PathMtu);
