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

/// All a database says, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Logical switches by name: table `Logical_Switch`, column `name`. One that did not change from one set of rows to
    /// the next is the same one, so whoever follows can tell by the pointer.
    pub switches: BTreeMap<String, Arc<LogicalSwitch>>,
    /// Bindings that the database has and that no logical switch here can be given.
    pub refused: BTreeSet<RefusedBinding>,
}

/// A binding of the database that cannot be: an element of `vlan_bindings` of `Physical_Port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedBinding {
    /// Name of the port.
    pub port: String,
    /// The VLAN, as the database has it.
    pub vlan: u16,
    /// The logical switch.
    pub switch: String,
    /// The instance whose physical switch has it: an index into [`crate::Config::instances`].
    pub instance: usize,
    /// Why not.
    pub why: Refusal,
}

/// Why a binding of the database cannot be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The port is no access port of the configuration.
    NoPort,
    /// There is no such VLAN.
    NoVlan,
    /// The port has two rows, and the other one binds the VLAN to this logical switch.
    Taken(String),
}

/// The VNI of a logical switch is another one's, too, which has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contested {
    /// The VNI.
    pub vni: Vni,
    /// The logical switch that has it.
    pub holder: String,
}

/// A layer-2 network: a row of `Logical_Switch` and what refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalSwitch {
    /// Column `tunnel_key`. `None` where it is 0 or empty: the controller has not bound the switch yet, and it does not
    /// forward.
    pub vni: Option<Vni>,
    /// Why there is no VNI although the column has one.
    pub contested: Option<Contested>,
    /// The instance it belongs to: an index into [`crate::Config::instances`].
    pub instance: usize,
    /// Learn the MACs of remote stations from what arrives through tunnels. Not in the schema, where a controller tells
    /// them.
    pub learn_remote: bool,
    /// Learned MACs at most. Not in the schema.
    pub learn_limit: u64,
    /// Access ports by interface name, and VLANs on them, that belong to the switch: column `vlan_bindings` of
    /// `Physical_Port`.
    pub bindings: BTreeSet<(String, VlanId)>,
    /// Stations that the database places: tables `Ucast_Macs_Remote` and, where an operator puts one behind an access
    /// port, `Ucast_Macs_Local`.
    pub macs: Macs,
    /// Remote VTEPs that get a copy of broadcast, unknown unicast and multicast: the locator set of the `unknown-dst`
    /// row in `Mcast_Macs_Remote`.
    pub flood: BTreeSet<Remote>,
}

/// A switch that is not bound and has no members.
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

/// Where a station is.
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

/// A remote VTEP: a row of `Physical_Locator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Remote {
    /// Column `dst_ip`.
    pub address: IpAddr,
    /// Column `tunnel_key`: the VNI to use towards this VTEP in place of the switch's own.
    pub vni: Option<Vni>,
}
