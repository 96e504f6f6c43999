//! Bindings: map a VLAN of an access port to a logical switch.

use bytemuck::{Pod, Zeroable};

/// Key of map `bindings`: port and VLAN.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct BindingKey {
    /// Index of the access port's interface.
    pub ifindex: u32,
    /// VLAN of the frame, 0 for untagged.
    pub vlan: u16,
    /// Zero.
    pub reserved: u16,
}

/// Value of map `bindings`: the logical switch.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Binding {
    /// VNI of the logical switch.
    pub vni: u32,
    /// Index of this binding in map `binding_stats`.
    pub id: u32,
    /// Index in map `leases` of the lease it forwards under.
    pub lease: u32,
    /// Bits for the MACs learned here, see [`crate::fdb::CHECK_SENDER`] and [`crate::fdb::with_lease`].
    pub flags: u32,
}

/// The one value of map `settings`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Settings {
    /// Length of a frame, without tag and frame check sequence, that fits the MTU of every access port.
    pub fits_every_port: u32,
    /// Number of access ports in map `down`; with 0 the map need not be looked up.
    pub ports_down: u32,
}

/// Value of the per-CPU maps `binding_stats` and `tunnel_stats`, seen from the gateway: received from the VLAN or the
/// tunnel, sent to it. Bytes count the inner Ethernet frame without VLAN tag and frame check sequence, so both ends of
/// a tunnel count the same.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Traffic {
    /// Frames received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
}

crate::map_types!(BindingKey, Binding, Settings, Traffic);
