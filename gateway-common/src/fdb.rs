//! The forwarding database (FDB): location of each MAC of each logical switch.

use bytemuck::{Pod, Zeroable};

/// [`Target::kind`]: nothing; a free flood slot.
pub const NONE: u16 = 0;
/// [`Target::kind`]: behind an access port.
pub const LOCAL: u16 = 1;
/// [`Target::kind`]: behind a tunnel.
pub const REMOTE: u16 = 2;

/// [`FdbEntry::origin`]: static, placed by the configuration or the controller. The kernel never changes such an entry.
pub const STATIC: u32 = 1;
/// [`FdbEntry::origin`]: learned by the kernel from a frame's source address.
pub const LEARNED: u32 = 2;

/// [`FdbEntry::flags`] and [`crate::binding::Binding::flags`]: the logical switch learns from tunnels, so the source of
/// a frame from a tunnel to this station has to be looked up. The bit is a copy of the switch's, because this entry is
/// at hand and the switch is not.
pub const CHECK_SENDER: u32 = 1;
/// Same place: the logical switch has [`crate::logical_switch::STRICT_SOURCES`], so the source of a frame from a tunnel
/// to this station must not be known elsewhere.
pub const STRICT_SENDER: u32 = 2;

/// First bit of the lease index in the flags: the lease that the station's logical switch is forwarded under.
const LEASE_SHIFT: u32 = 16;

/// Adds a lease index to `flags`. An index that does not fit becomes one that no tunnel has.
pub const fn with_lease(flags: u32, lease: u32) -> u32 {
    let lease = if lease < 0xffff { lease } else { 0xffff };
    flags | lease << LEASE_SHIFT
}

/// Returns the lease index stored by [`with_lease`].
#[inline(always)]
pub const fn lease_of(flags: u32) -> u32 {
    flags >> LEASE_SHIFT
}

/// Place of a station: behind an access port, or behind a tunnel.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct Target {
    /// [`NONE`], [`LOCAL`] or [`REMOTE`].
    pub kind: u16,
    /// Local: the tag to send with, 0 for none.
    pub vlan: u16,
    /// Local: index of the interface. Remote: index of the tunnel.
    pub out: u32,
    /// Local: index of the binding, for its counters.
    pub binding: u32,
    /// Remote: the VNI to send with.
    pub vni: u32,
}

impl Target {
    /// Place behind binding `binding`: port `ifindex`, VLAN `vlan`.
    pub const fn local(ifindex: u32, vlan: u16, binding: u32) -> Self {
        Self { kind: LOCAL, vlan, out: ifindex, binding, vni: 0 }
    }

    /// Place behind tunnel `tunnel`, whose VNI for the logical switch is `vni`.
    pub const fn remote(tunnel: u32, vni: u32) -> Self {
        Self { kind: REMOTE, vlan: 0, out: tunnel, binding: 0, vni }
    }

    /// True if both are the same place, regardless of the fields for counters.
    pub const fn same_place(&self, other: &Self) -> bool {
        self.kind == other.kind && self.out == other.out && self.vlan == other.vlan
    }
}

/// Key of map `fdb`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct FdbKey {
    /// The logical switch.
    pub vni: u32,
    /// The station.
    pub mac: [u8; 6],
    /// Zero.
    pub reserved: u16,
}

impl FdbKey {
    /// `mac` in the logical switch `vni`.
    pub const fn new(vni: u32, mac: [u8; 6]) -> Self {
        Self { vni, mac, reserved: 0 }
    }
}

/// Value of map `fdb`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct FdbEntry {
    /// Place of the station.
    pub to: Target,
    /// Time at which the station last sent, CLOCK_MONOTONIC_COARSE nanoseconds, with an error of up to
    /// [`crate::limits::SEEN_LAG_NS`]. Zero for static entries.
    pub seen: u64,
    /// [`STATIC`] or [`LEARNED`].
    pub origin: u32,
    /// Local: bits, see [`CHECK_SENDER`], and a lease, see [`with_lease`].
    pub flags: u32,
}

crate::map_types!(Target, FdbKey, FdbEntry);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_carried_beside_the_bits_and_none_is_no_tunnels() {
        for lease in [0, 1, 255] {
            let flags = with_lease(CHECK_SENDER | STRICT_SENDER, lease);
            assert_eq!((lease_of(flags), flags & 0xffff), (lease, CHECK_SENDER | STRICT_SENDER));
        }
        assert!(lease_of(with_lease(0, u32::MAX)) >= crate::limits::MAX_LEASES);
    }
}
