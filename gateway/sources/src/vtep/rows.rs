//! Rows of the `hardware_vtep` schema, version 1.7.0 (`vtep(5)`), with the columns that the gateway uses.
//!
//! Some tables have 100,000 rows, so rare and large values are behind a pointer.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use gateway_common::{
    binding::Traffic,
    net::{MacAddr, Vni},
};
use gateway_ovsdb::{RowError, Uuid};

/// Row of any table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a row of the table it is named after")]
pub enum Row {
    Global(Arc<Global>),
    PhysicalSwitch(Arc<PhysicalSwitch>),
    PhysicalPort(Arc<PhysicalPort>),
    LogicalBindingStats(Counters),
    LogicalSwitch(Arc<LogicalSwitch>),
    UcastMacsLocal(Ucast),
    UcastMacsRemote(Ucast),
    McastMacsLocal(Mcast),
    McastMacsRemote(Mcast),
    PhysicalLocator(Locator),
    PhysicalLocatorSet(LocatorSet),
    /// A row of any table that does not hold what it should.
    Unreadable(Arc<RowError>),
}

/// Single row of `Global`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Global {
    /// Rows of `Physical_Switch`.
    pub switches: BTreeSet<Uuid>,
}

/// Row of `Physical_Switch`: a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhysicalSwitch {
    /// Its name, unique.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Management addresses, as they are written.
    pub management_ips: BTreeSet<String>,
    /// Tunnel addresses, as they are written.
    pub tunnel_ips: BTreeSet<String>,
    /// Rows of `Physical_Port`.
    pub ports: BTreeSet<Uuid>,
    /// Column `switch_fault_status`.
    pub faults: BTreeSet<String>,
}

/// Row of `Physical_Port`: an access port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhysicalPort {
    /// Name of the interface.
    pub name: String,
    /// Column `vlan_bindings`: VLAN, 0 to 4095 and not checked further, to row of `Logical_Switch`.
    pub bindings: BTreeMap<u16, Uuid>,
    /// Column `vlan_stats`: VLAN to row of `Logical_Binding_Stats`.
    pub stats: BTreeMap<u16, Uuid>,
    /// Column `port_fault_status`.
    pub faults: BTreeSet<String>,
}

/// Row of `Logical_Binding_Stats`: traffic of a VLAN of a port. "Local" is the side of the VLAN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that came from the VLAN.
    pub packets_from_local: u64,
    /// Bytes that came from the VLAN.
    pub bytes_from_local: u64,
    /// Frames that went to the VLAN.
    pub packets_to_local: u64,
    /// Bytes that went to the VLAN.
    pub bytes_to_local: u64,
}

impl From<Traffic> for Counters {
    fn from(traffic: Traffic) -> Self {
        Self {
            packets_from_local: traffic.rx_packets,
            bytes_from_local: traffic.rx_bytes,
            packets_to_local: traffic.tx_packets,
            bytes_to_local: traffic.tx_bytes,
        }
    }
}

/// Row of `Logical_Switch`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogicalSwitch {
    /// Its name, unique.
    pub name: String,
    /// Column `tunnel_key`.
    pub key: TunnelKey,
    /// Column `replication_mode`.
    pub replication: Replication,
}

/// Value of `tunnel_key` of a logical switch. Unset and zero both mean that the switch is not bound.
/// `ovn-controller-vtep` writes zero for a switch that it knows and that is not bound, and unsets the key when it
/// exits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TunnelKey {
    /// No value.
    #[default]
    Unset,
    /// Zero.
    Zero,
    /// The VNI.
    Vni(Vni),
}

impl TunnelKey {
    /// Returns the VNI, if the switch is bound.
    pub fn vni(self) -> Option<Vni> {
        if let Self::Vni(vni) = self { Some(vni) } else { None }
    }
}

/// Replication mode: the node that copies broadcast, unknown unicast and multicast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replication {
    /// A service node: it receives one copy. The default in `vtep(5)`.
    #[default]
    ServiceNode,
    /// The gateway: each member receives a copy.
    SourceNode,
}

/// Row of `Ucast_Macs_Local` or `Ucast_Macs_Remote`: the location of a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ucast {
    /// MAC of the station.
    pub mac: MacAddr,
    /// Row of `Logical_Switch`.
    pub switch: Uuid,
    /// Row of `Physical_Locator`.
    pub locator: Uuid,
    /// Address of the station, if it is known.
    pub ip: Option<IpAddr>,
}

/// Station of a logical switch: the row of the switch, and the MAC.
pub type Station = (Uuid, MacAddr);

/// Row of `Mcast_Macs_Local` or `Mcast_Macs_Remote`: the locations of the listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mcast {
    /// Group of the listeners.
    pub group: Group,
    /// Row of `Logical_Switch`.
    pub switch: Uuid,
    /// Row of `Physical_Locator_Set`.
    pub locators: Uuid,
}

/// Group of a [`Mcast`] row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// `unknown-dst`: all destinations without a row of their own.
    UnknownDst,
    /// A group address, or broadcast.
    Mac(MacAddr),
}

/// Row of `Physical_Locator`: the far end of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locator {
    /// Column `dst_ip`.
    pub address: IpAddr,
    /// Column `tunnel_key`: the VNI to use there, instead of that of the logical switch.
    pub vni: Option<Vni>,
    /// True for `vxlan_over_ipv4`, the only `encapsulation_type` in 1.7.0. Controllers use it for IPv6 too.
    pub vxlan: bool,
}

/// Row of `Physical_Locator_Set`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocatorSet {
    /// Rows of `Physical_Locator`.
    pub locators: Arc<[Uuid]>,
}
