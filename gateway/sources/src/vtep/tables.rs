//! Names of tables and columns, and the selection that the gateway follows.

use gateway_ovsdb::TableSelect;

/// Name of the database.
pub const DATABASE: &str = "hardware_vtep";
/// `MAC` of the row in `Mcast_Macs_Local` and `Mcast_Macs_Remote` for all destinations without a row.
pub(super) const UNKNOWN_DST: &str = "unknown-dst";
/// `encapsulation_type` of VXLAN.
pub(super) const VXLAN: &str = "vxlan_over_ipv4";

pub(super) const GLOBAL: &str = "Global";
pub(super) const PHYSICAL_SWITCH: &str = "Physical_Switch";
pub(super) const PHYSICAL_PORT: &str = "Physical_Port";
pub(super) const LOGICAL_BINDING_STATS: &str = "Logical_Binding_Stats";
pub(super) const LOGICAL_SWITCH: &str = "Logical_Switch";
pub(super) const UCAST_MACS_LOCAL: &str = "Ucast_Macs_Local";
pub(super) const UCAST_MACS_REMOTE: &str = "Ucast_Macs_Remote";
pub(super) const MCAST_MACS_LOCAL: &str = "Mcast_Macs_Local";
pub(super) const MCAST_MACS_REMOTE: &str = "Mcast_Macs_Remote";
pub(super) const PHYSICAL_LOCATOR: &str = "Physical_Locator";
pub(super) const PHYSICAL_LOCATOR_SET: &str = "Physical_Locator_Set";

const UCAST: &[&str] = &["MAC", "logical_switch", "locator", "ipaddr"];
const MCAST: &[&str] = &["MAC", "logical_switch", "locator_set"];
const STATS: &[&str] = &["packets_from_local", "bytes_from_local", "packets_to_local", "bytes_to_local"];

const TABLES: &[(&str, &[&str])] = &[
    (GLOBAL, &["switches"]),
    (PHYSICAL_SWITCH, &["name", "description", "management_ips", "tunnel_ips", "ports", "switch_fault_status"]),
    (PHYSICAL_PORT, &["name", "vlan_bindings", "vlan_stats", "port_fault_status"]),
    (LOGICAL_BINDING_STATS, STATS),
    (LOGICAL_SWITCH, &["name", "tunnel_key", "replication_mode"]),
    (UCAST_MACS_LOCAL, UCAST),
    (UCAST_MACS_REMOTE, UCAST),
    (MCAST_MACS_LOCAL, MCAST),
    (MCAST_MACS_REMOTE, MCAST),
    (PHYSICAL_LOCATOR, &["encapsulation_type", "dst_ip", "tunnel_key"]),
    (PHYSICAL_LOCATOR_SET, &["locators"]),
];

/// Returns the tables and columns that the gateway follows.
pub fn tables() -> Vec<TableSelect> {
    TABLES.iter().map(|(name, columns)| TableSelect::new(name, columns)).collect()
}
