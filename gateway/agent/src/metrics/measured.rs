//! Measurements of the agent and its data plane at one moment.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use gateway_api::view;
use gateway_common::{
    binding::Traffic,
    counters::{Drops, Paths},
    net::VlanId,
};
use gateway_vrrp::Time;

/// Bindings, tunnels and logical switches that have series of their own, at most of each. The database decides how many
/// there are. Those beyond the limit are only counted, in [`LeftOut`].
pub const MAX_SERIES: usize = 4096;

/// All measurements. A value that could not be read is missing, never zero.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Time of the measurement.
    pub at: Time,
    /// The programs are attached wherever they should be.
    pub attached: bool,
    /// Sizes of the programmed state.
    pub programmed: Programmed,
    /// Packets dropped.
    pub drops: Option<Drops>,
    /// Packets forwarded, MACs learned.
    pub paths: Option<Paths>,
    /// Traffic of each binding.
    pub bindings: Vec<Binding>,
    /// Number of bindings of the database in each state, by the name of the state.
    pub(crate) binding_states: BTreeMap<&'static str, u64>,
    /// Traffic of each tunnel.
    pub tunnels: Vec<Tunnel>,
    /// MACs of each logical switch.
    pub switches: Vec<Switch>,
    /// Objects without series.
    pub left_out: LeftOut,
    /// Sizes of the forwarding database.
    pub fdb: Fdb,
    /// The interfaces in the configuration.
    pub interfaces: Vec<view::Interface>,
    /// The programs in the kernel.
    pub programs: Vec<Program>,
    /// Databases, one for each instance of the configuration.
    pub databases: Vec<Database>,
    /// The virtual routers.
    pub routers: Vec<MeasuredRouter>,
    /// Standing problems.
    pub problems: Problems,
    /// Reads of the configuration since the start.
    pub reloads: Reloads,
}

/// Sizes of the programmed state, for comparison with the limits.
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
    /// VNI of the logical switch.
    pub vni: u32,
    /// Traffic of the binding.
    pub traffic: Traffic,
}

/// A tunnel.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel {
    /// Local VTEP.
    pub local: IpAddr,
    /// The remote VTEP.
    pub remote: IpAddr,
    /// Its next hop is known.
    pub resolved: bool,
    /// Traffic of the tunnel.
    pub traffic: Traffic,
}

/// MACs of a logical switch.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Name of the logical switch.
    pub name: String,
    /// VNI of the logical switch.
    pub vni: u32,
    /// Given by the database.
    pub static_macs: u64,
    /// Learned. MACs that were aged since the last FDB scan are still included.
    pub learned: u64,
    /// Number of MACs that may be learned.
    pub learn_limit: u64,
}

/// Numbers of objects without series of their own.
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
    /// Static MACs of the database.
    pub static_macs: u64,
    /// MACs learned.
    pub learned: u64,
    /// MACs that it has room for.
    pub size: u64,
}

/// A program in the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Name of the program.
    pub name: &'static str,
    /// Time that it has run. The kernel counts only while `kernel.bpf_stats_enabled` is 1.
    pub(crate) run_time: Duration,
    /// Number of runs, counted under the same condition.
    pub runs: u64,
}

/// A database.
#[derive(Clone, Debug)]
pub struct Database {
    /// Instance of the configuration that follows the database.
    pub name: String,
    /// State of the connection; `None` if the configuration file is the database.
    pub following: Option<view::Following>,
    /// Time of the last message from a server, since the zero of the wall clock. `None` if there never was one, or
    /// there is no server.
    pub last_received: Option<Duration>,
}

/// Virtual router, with the nodes that could take over.
#[derive(Clone, Debug)]
pub struct MeasuredRouter {
    /// State of the virtual router.
    pub view: view::Router,
    /// Other nodes that are connected to this one and could take over from it.
    pub standbys: usize,
}

/// Numbers of standing problems.
#[derive(Clone, Copy, Debug, Default)]
pub struct Problems {
    /// Problems that make the gateway unhealthy.
    pub faults: usize,
    /// Other problems.
    pub warnings: usize,
}

/// Outcomes of reloads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reloads {
    /// Reloads that were applied.
    pub applied: u64,
    /// Reloads that were refused.
    pub refused: u64,
    /// True if the last one was refused.
    pub(crate) last_refused: bool,
}
