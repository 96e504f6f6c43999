//! What forwarding should be: the plan's product, free of map slots and numbers.

use std::collections::{BTreeMap, BTreeSet};

use gateway_common::{
    binding::{BindingKey, Settings},
    fdb::FdbKey,
    tunnel::{Addr, Arrival, NextHop, RemoteVtepKey},
};

/// Where frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Out of an access port, into a VLAN.
    Local(BindingKey),
    /// Through the tunnel between these ends, which calls the logical switch `vni`.
    Remote {
        /// The tunnel.
        ends: RemoteVtepKey,
        /// The VNI to send with.
        vni: u32,
    },
}

/// A logical switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwitchPlan {
    /// Learn remote MACs from what arrives through tunnels.
    pub learn_remote: bool,
    /// Learned MACs at most.
    pub learn_limit: u64,
    /// Number of the lease it forwards under.
    pub lease: u32,
    /// Refuse frames from tunnels whose source is known to be elsewhere.
    pub strict_sources: bool,
    /// Let control protocols of switches out of tunnels.
    pub control_protocols: bool,
}

/// A binding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BindingPlan {
    /// VNI of its logical switch.
    pub vni: u32,
    /// Number of the lease it forwards under.
    pub lease: u32,
    /// Whoever sends here through a tunnel is looked up, because the logical switch learns remote MACs.
    pub check_sender: bool,
    /// Whoever sends here through a tunnel must not be known to be elsewhere.
    pub strict_sender: bool,
}

/// A tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelPlan {
    /// How packets leave, or [`NextHop::UNRESOLVED`].
    pub hop: NextHop,
    /// Number of the lease it forwards under.
    pub lease: u32,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Addresses of this gateway, with the number of each one's lease.
    pub vteps: BTreeMap<Addr, u32>,
    /// What is outermost in packets for them.
    pub arrivals: BTreeSet<Arrival>,
    /// Tunnels by their ends.
    pub tunnels: BTreeMap<RemoteVtepKey, TunnelPlan>,
    /// Logical switches by VNI.
    pub switches: BTreeMap<u32, SwitchPlan>,
    /// Bindings by port and VLAN.
    pub bindings: BTreeMap<BindingKey, BindingPlan>,
    /// MACs given by configuration or controller.
    pub macs: BTreeMap<FdbKey, Place>,
    /// Who gets broadcast, unknown unicast and multicast, by VNI.
    pub flood: BTreeMap<u32, BTreeSet<Place>>,
    /// Interfaces (by index) that XDP may redirect to.
    pub xdp_ports: BTreeSet<u32>,
    /// Those of them that take frames in several buffers.
    pub xdp_sg_ports: BTreeSet<u32>,
    /// Access ports (by index) that are down.
    pub down: BTreeSet<u32>,
    /// What concerns all access ports.
    pub settings: Settings,
}
