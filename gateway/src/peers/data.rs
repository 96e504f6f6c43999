//! What nodes tell each other of themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use gateway_common::net::{MacAddr, VlanId, Vni};

use crate::vrrp::Vrid;

/// A station that a node has learned behind an access port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Station {
    /// The logical switch it is in.
    pub vni: Vni,
    /// Its address.
    pub mac: MacAddr,
    /// The access port it is behind.
    pub port: Arc<str>,
    /// Its VLAN there.
    pub vlan: VlanId,
    /// The IP address it announced last.
    pub ip: Option<IpAddr>,
}

/// The stations of one virtual router.
pub type Stations = Arc<BTreeSet<Station>>;

/// A VLAN of an access port, and the logical switch it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bound {
    /// The access port.
    pub port: Arc<str>,
    /// The VLAN.
    pub vlan: VlanId,
    /// Name of the logical switch.
    pub switch: Arc<str>,
}

/// A virtual router, as one of its nodes has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Name of its physical switch.
    pub switch: String,
    /// Its tunnel addresses.
    pub tunnel_ips: BTreeSet<IpAddr>,
    /// Its bindings.
    pub bindings: Arc<BTreeSet<Bound>>,
    /// How many bindings it forwards, or could; `None`: it is of a release that does not say.
    pub able: Option<u32>,
    /// How often it has found that packets for the active node still come to it. Whenever it is another number, it asks the
    /// active node to announce the addresses again.
    pub misled: u32,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Its host name.
    pub node: String,
    /// The virtual routers it takes part in.
    pub instances: BTreeMap<Vrid, Instance>,
}

/// Where the active node of a virtual router is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Remote {
    /// Its address, as VRRP has it.
    pub address: IpAddr,
    /// For a link-local IPv6 address the index of the interface, else 0.
    pub scope: u32,
    /// This node's address to call from, that which the other node knows it by; where there is none, the kernel's choice.
    pub from: Option<IpAddr>,
}

/// An address of this node, to be called at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Local {
    /// The address.
    pub address: IpAddr,
    /// For a link-local IPv6 address the index of the interface, else 0.
    pub scope: u32,
}

/// A connected node, and what it could forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Able {
    /// Its name.
    pub node: String,
    /// How many bindings; `None`: it has not said.
    pub bindings: Option<u32>,
}

/// What the other nodes have told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Stations that the active node of each virtual router has learned. What a node has told that is gone since, or
    /// active no more, stays until another active node tells.
    pub stations: BTreeMap<Vrid, Stations>,
    /// Connected active nodes, by virtual router.
    pub active: BTreeMap<Vrid, String>,
    /// Connected nodes that follow this one, by virtual router and address: who could take over, and with what this node
    /// has learned.
    pub standbys: BTreeMap<Vrid, BTreeMap<IpAddr, String>>,
    /// The same nodes and the active ones, by virtual router and address, and what they could forward.
    pub able: BTreeMap<Vrid, BTreeMap<IpAddr, Able>>,
    /// How often nodes that follow this one have asked, since its start, that addresses be announced again.
    pub misled: BTreeMap<Vrid, u64>,
    /// What is wrong, for people: nodes that can't be reached, and what two nodes have differently.
    pub problems: BTreeSet<String>,
}
