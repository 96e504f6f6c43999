//! Desired forwarding: the product of the plan, free of map slots and numbers.

use std::collections::{BTreeMap, BTreeSet};

use gateway_common::{
    binding::{BindingKey, Settings},
    fdb::FdbKey,
    tunnel::{Addr, Arrival, NextHop, RemoteVtepKey},
};

/// Destination of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Out of an access port, into a VLAN.
    Local(BindingKey),
    /// Through the tunnel between these ends, with VNI `vni`.
    Remote {
        /// The tunnel.
        ends: RemoteVtepKey,
        /// The VNI to send with.
        vni: u32,
    },
}

/// Plan of a logical switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwitchPlan {
    /// Learn remote MACs from packets that arrive through tunnels.
    pub learn_remote: bool,
    /// Limit of learned MACs.
    pub learn_limit: u64,
    /// Number of the lease it forwards under.
    pub lease: u32,
    /// Refuse frames from tunnels if their source is known to be at another place.
    pub strict_sources: bool,
    /// Forward control protocols of switches from tunnels.
    pub control_protocols: bool,
}

/// Plan of a binding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BindingPlan {
    /// VNI of its logical switch.
    pub vni: u32,
    /// Number of the lease it forwards under.
    pub lease: u32,
    /// Look up senders behind tunnels, because the logical switch learns remote MACs.
    pub check_sender: bool,
    /// Refuse senders behind tunnels that are known to be at another place.
    pub strict_sender: bool,
}

/// Plan of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelPlan {
    /// Next hop of packets, or [`NextHop::UNRESOLVED`].
    pub hop: NextHop,
    /// Number of the lease it forwards under.
    pub lease: u32,
}

/// Desired forwarding as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Addresses of this gateway, each with the number of its lease.
    pub vteps: BTreeMap<Addr, u32>,
    /// Outermost headers of packets for them.
    pub arrivals: BTreeSet<Arrival>,
    /// Tunnels by their ends.
    pub tunnels: BTreeMap<RemoteVtepKey, TunnelPlan>,
    /// Logical switches by VNI.
    pub switches: BTreeMap<u32, SwitchPlan>,
    /// Bindings by port and VLAN.
    pub bindings: BTreeMap<BindingKey, BindingPlan>,
    /// Static MACs, placed by the configuration or the controller.
    pub macs: BTreeMap<FdbKey, Place>,
    /// Receivers of broadcast, unknown unicast and multicast, by VNI.
    pub flood: BTreeMap<u32, BTreeSet<Place>>,
    /// Interfaces (by index) that XDP may redirect to.
    pub xdp_ports: BTreeSet<u32>,
    /// Those of them that take frames in several buffers.
    pub xdp_sg_ports: BTreeSet<u32>,
    /// Access ports (by index) that are down.
    pub down: BTreeSet<u32>,
    /// Bonds by active member. Indices of interfaces.
    pub members: BTreeMap<u32, u32>,
    /// Settings of all access ports.
    pub settings: Settings,
}
