//! Typed rows, close to those of the `hardware_vtep` schema (ovs `vtep/vtep.xml`).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use gateway_common::{
    limits,
    net::{VlanId, Vni},
};

use crate::macs::Macs;

/// Contents of a database at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Logical switches by name: table `Logical_Switch`, column `name`. A switch that did not change between two sets
    /// of rows is the same `Arc` in both, so a consumer can compare pointers.
    pub switches: BTreeMap<String, Arc<LogicalSwitch>>,
    /// Bindings of the database that no logical switch can be given.
    pub refused: BTreeSet<RefusedBinding>,
}

/// Invalid binding of the database: an element of `vlan_bindings` of `Physical_Port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedBinding {
    /// Name of the port.
    pub port: String,
    /// The VLAN, as in the database.
    pub vlan: u16,
    /// The logical switch.
    pub switch: String,
    /// The instance whose physical switch has the binding: an index into [`crate::Config::instances`].
    pub instance: usize,
    /// The reason.
    pub why: Refusal,
}

/// Reasons for which a binding of the database is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The port is no access port of the configuration.
    NoPort,
    /// There is no such VLAN.
    NoVlan,
    /// The port has two rows, and the other row binds the VLAN to this logical switch.
    Taken(String),
}

/// VNI conflict: another logical switch already uses the VNI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contested {
    /// The VNI.
    pub vni: Vni,
    /// The logical switch that uses it.
    pub holder: String,
}

/// Logical switch, a layer-2 network: a row of `Logical_Switch` and the rows that refer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalSwitch {
    /// VNI: column `tunnel_key`. `None` if it is 0 or empty: the controller has not bound the switch yet, and it does
    /// not forward.
    pub vni: Option<Vni>,
    /// VNI conflict: the reason why there is no VNI although the column has one.
    pub contested: Option<Contested>,
    /// Its instance: an index into [`crate::Config::instances`].
    pub instance: usize,
    /// True if MACs of remote stations are learned from frames that arrive through tunnels. Not in the schema, where a
    /// controller publishes them.
    pub learn_remote: bool,
    /// Limit of learned MACs. Not in the schema.
    pub learn_limit: u64,
    /// Bindings: access ports by interface name, and VLANs on them. Column `vlan_bindings` of `Physical_Port`.
    pub bindings: BTreeSet<(String, VlanId)>,
    /// Stations given by the database: tables `Ucast_Macs_Remote` and, if an operator places one behind an access port,
    /// `Ucast_Macs_Local`.
    pub macs: Macs,
    /// Remote VTEPs that get a copy of broadcast, unknown unicast and multicast: the locator set of the `unknown-dst`
    /// row in `Mcast_Macs_Remote`.
    pub flood: BTreeSet<Remote>,
}

/// Switch that is not bound and has no members.
impl Default for LogicalSwitch {
    fn default() -> Self {
        Self {
            vni: None,
            contested: None,
            instance: 0,
            learn_remote: false,
            learn_limit: limits::DEFAULT_LEARN_LIMIT,
            bindings: BTreeSet::new(),
            macs: Macs::default(),
            flood: BTreeSet::new(),
        }
    }
}

/// Location of a station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// Behind a remote VTEP: column `locator` of `Ucast_Macs_Remote`.
    Remote(Remote),
    /// Behind an access port.
    Port {
        /// Name of the interface.
        name: String,
        /// VLAN on it.
        vlan: VlanId,
    },
}

/// Remote VTEP: a row of `Physical_Locator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Remote {
    /// Column `dst_ip`.
    pub address: IpAddr,
    /// Column `tunnel_key`: the VNI to use towards this VTEP in place of the switch's own.
    pub vni: Option<Vni>,
}
