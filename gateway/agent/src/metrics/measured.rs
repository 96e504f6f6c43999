//! What the agent measures of itself and its data plane, at one moment.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use gateway_api::view;
use gateway_common::{
    binding::Traffic,
    counters::{Drops, Paths},
    net::VlanId,
};
use gateway_vrrp::Time;

/// Bindings, tunnels and logical switches that have series of their own, at most of each. How many there are is up to the
/// database; what is beyond is only counted, in [`LeftOut`].
pub const MAX_SERIES: usize = 4096;

/// All of it. What could not be read is missing, never zero.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// When.
    pub at: Time,
    /// The programs are attached wherever they should be.
    pub attached: bool,
    /// How much is programmed.
    pub programmed: Programmed,
    /// Packets dropped.
    pub drops: Option<Drops>,
    /// Packets forwarded, MACs learned.
    pub paths: Option<Paths>,
    /// What each binding has carried.
    pub bindings: Vec<Binding>,
    /// How many bindings of the database there are in each state, by its name.
    pub(crate) binding_states: BTreeMap<&'static str, u64>,
    /// What each tunnel has carried.
    pub tunnels: Vec<Tunnel>,
    /// MACs of each logical switch.
    pub switches: Vec<Switch>,
    /// What has no series.
    pub left_out: LeftOut,
    /// MACs in all.
    pub fdb: Fdb,
    /// The interfaces in the configuration.
    pub interfaces: Vec<view::Interface>,
    /// The programs in the kernel.
    pub programs: Vec<Program>,
    /// The databases, one for each instance.
    pub databases: Vec<Database>,
    /// The virtual routers.
    pub routers: Vec<Router>,
    /// Problems that stand.
    pub problems: Problems,
    /// Reads of the configuration since the start.
    pub reloads: Reloads,
}

/// How much is programmed, of what there is room for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Programmed {
    /// Logical switches.
    pub switches: usize,
    /// Bindings.
    pub bindings: usize,
    /// Tunnels.
    pub tunnels: usize,
    /// Flood members of all logical switches.
    pub(crate) flood_members: usize,
    /// Tunnel addresses of this gateway.
    pub vteps: usize,
}

/// A VLAN of an access port.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The access port.
    pub port: String,
    /// The VLAN.
    pub vlan: VlanId,
    /// The logical switch, by name.
    pub switch: String,
    /// The same by VNI.
    pub vni: u32,
    /// What it has carried.
    pub traffic: Traffic,
}

/// A tunnel.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel {
    /// This end.
    pub local: IpAddr,
    /// The remote VTEP.
    pub remote: IpAddr,
    /// Its next hop is known.
    pub resolved: bool,
    /// What it has carried.
    pub traffic: Traffic,
}

/// MACs of a logical switch.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Its name.
    pub name: String,
    /// Its VNI.
    pub vni: u32,
    /// Given by the database.
    pub given: u64,
    /// Learned; since the last census none has been taken off.
    pub learned: u64,
    /// How many may be learned.
    pub learn_limit: u64,
}

/// How many have no series of their own.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeftOut {
    /// Bindings.
    pub bindings: usize,
    /// Tunnels.
    pub tunnels: usize,
    /// Logical switches.
    pub switches: usize,
}

/// The forwarding database as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fdb {
    /// MACs given by the database.
    pub given: u64,
    /// MACs learned.
    pub learned: u64,
    /// MACs it has room for.
    pub size: u64,
}

/// A program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Time that it has run. The kernel counts only while `kernel.bpf_stats_enabled` is 1.
    pub(crate) run_time: Duration,
    /// How often it has run, likewise.
    pub runs: u64,
}

/// A database.
#[derive(Clone, Debug)]
pub struct Database {
    /// The instance that follows it.
    pub name: String,
    /// How far it is followed; nothing where it is the configuration file.
    pub following: Option<view::Following>,
    /// When something last came from a server, since the zero of the wall clock; not if nothing ever did, or there is no
    /// server.
    pub heard: Option<Duration>,
}

/// A virtual router.
#[derive(Clone, Debug)]
pub struct Router {
    /// How it stands.
    pub view: view::Router,
    /// Other nodes that are connected to this one and could take over from it.
    pub standbys: usize,
}

/// How many problems stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Problems {
    /// Because of which the gateway is not healthy.
    pub faults: usize,
    /// Others.
    pub warnings: usize,
}

/// What became of reloads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reloads {
    /// Taken over.
    pub applied: u64,
    /// Refused.
    pub refused: u64,
    /// The last one was refused.
    pub(crate) last_refused: bool,
}
