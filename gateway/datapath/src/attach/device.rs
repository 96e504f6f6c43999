//! Interfaces to attach to, and the names that their programs, pins and marks have.

use gateway_netdev::nic::Role;

/// An interface to attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// The direction it faces.
    pub role: Role,
    /// True for a bond: the kernel runs its XDP program on its members.
    pub bond: bool,
}

/// Names of the XDP programs: on any interface, on a bond.
const XDP_UPLINK: [&str; 2] = ["xdp_uplink", "xdp_uplink_bond"];
const XDP_ACCESS: [&str; 2] = ["xdp_access", "xdp_access_bond"];

pub(super) const fn xdp_programs(role: Role) -> [&'static str; 2] {
    match role {
        Role::Uplink => XDP_UPLINK,
        Role::Access => XDP_ACCESS,
    }
}

pub(super) const fn xdp_program(device: &Device) -> &'static str {
    xdp_programs(device.role)[device.bond as usize]
}

pub(super) const fn tc_program(role: Role) -> &'static str {
    match role {
        Role::Uplink => "tc_uplink",
        Role::Access => "tc_access",
    }
}

/// Removes dots, which the file system does not allow. Interface names have no colons.
pub(super) fn without_dots(name: &str) -> String {
    name.replace('.', ":")
}

/// Returns the name of an interface's directory entries: the name and the index.
pub(super) fn file_name(device: &Device) -> String {
    format!("{}-{}", without_dots(&device.name), device.ifindex)
}
