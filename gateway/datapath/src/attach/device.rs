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
}

pub(super) const fn xdp_program(role: Role) -> &'static str {
    match role {
        Role::Uplink => "xdp_uplink",
        Role::Access => "xdp_access",
    }
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
