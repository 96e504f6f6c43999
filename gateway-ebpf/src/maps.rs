//! The maps, and the one global. Names, keys and values are the ABI with the agent; it pins them by these names.

use aya_ebpf::{
    Global,
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    btf_maps::{Array, DevMapHash, HashMap, LruHashMap, PerCpuArray, RingBuf},
    macros::btf_map,
};
use gateway_common::{
    binding::{Binding, BindingKey, Settings, Traffic},
    budget::{BUDGETS as PLACES, Budget},
    counters::{Drops, Paths},
    event::{LearnEvent, SnoopKey},
    fdb::{FdbEntry, FdbKey, Target},
    flow::Generation,
    headers::HEADER_MAX,
    limits,
    logical_switch::{FloodKey, SwitchEntry},
    path_mtu::PathMtu,
    tunnel::{Addr, Arrival, RemoteVtepKey, Tunnel, Vtep},
};

/// UDP port of VXLAN; the agent sets it at load time.
#[unsafe(no_mangle)]
pub(crate) static UDP_PORT: Global<u16> = Global::new(limits::VXLAN_PORT);

/// What the agent knows of the interfaces as a whole.
#[btf_map(name = "settings")]
pub(crate) static SETTINGS: Array<Settings, 1> = Array::new();

/// What was decided for a flow holds while this stands still, see [`crate::flows`]. The agent counts in memory that it
/// shares with the kernel.
#[btf_map(name = "generation")]
pub(crate) static GENERATION: Array<Generation, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// Addresses this gateway is a tunnel end with.
#[btf_map(name = "vteps")]
pub(crate) static VTEPS: HashMap<Addr, Vtep, { limits::MAX_VTEPS as usize }> = HashMap::new();

/// Until when the VTEP addresses of each virtual router may be forwarded for: CLOCK_MONOTONIC nanoseconds.
#[btf_map(name = "leases")]
pub(crate) static LEASES: Array<u64, { limits::MAX_LEASES as usize }> = Array::new();

/// Known pairs of tunnel ends, giving the tunnel's number.
#[btf_map(name = "remote_vteps")]
pub(crate) static REMOTE_VTEPS: HashMap<RemoteVtepKey, u32, { limits::MAX_TUNNELS as usize }> = HashMap::new();

/// What is outermost in packets for this gateway; the value says nothing.
#[btf_map(name = "arrivals")]
pub(crate) static ARRIVALS: HashMap<Arrival, u32, { limits::MAX_ARRIVALS as usize }> = HashMap::new();

/// Next hop and headers by tunnel number.
#[btf_map(name = "tunnels")]
pub(crate) static TUNNELS: Array<Tunnel, { limits::MAX_TUNNELS as usize }> = Array::new();

/// Traffic by tunnel number.
#[btf_map(name = "tunnel_stats")]
pub(crate) static TUNNEL_STATS: PerCpuArray<Traffic, { limits::MAX_TUNNELS as usize }> = PerCpuArray::new();

/// Tunnel packets by the lease that does not run here: somebody sends them to the wrong node.
#[btf_map(name = "strays")]
pub(crate) static STRAYS: PerCpuArray<u64, { limits::MAX_LEASES as usize }> = PerCpuArray::new();

/// Logical switches by VNI.
#[btf_map(name = "switches")]
pub(crate) static SWITCHES: HashMap<u32, SwitchEntry, { limits::MAX_SWITCHES as usize }> = HashMap::new();

/// Learned MACs by VNI, ever: the kernel only counts up (see [`SwitchEntry::learn_ceiling`]).
#[btf_map(name = "learned")]
pub(crate) static LEARNED: HashMap<u32, u64, { limits::MAX_SWITCHES as usize }> = HashMap::new();

/// Flood members of the logical switches.
#[btf_map(name = "flood")]
pub(crate) static FLOOD: HashMap<FloodKey, Target, { limits::MAX_FLOOD as usize }, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();

/// Which logical switch a VLAN of a port belongs to.
#[btf_map(name = "bindings")]
pub(crate) static BINDINGS: HashMap<BindingKey, Binding, { limits::MAX_BINDINGS as usize }> = HashMap::new();

/// Traffic by binding number.
#[btf_map(name = "binding_stats")]
pub(crate) static BINDING_STATS: PerCpuArray<Traffic, { limits::MAX_BINDINGS as usize }> = PerCpuArray::new();

/// What each binding and each tunnel may still have learned, moved and told, see [`gateway_common::budget::place`].
#[btf_map(name = "budgets")]
pub(crate) static BUDGETS: Array<Budget, { PLACES as usize }> = Array::new();

/// Where each MAC of each logical switch is.
#[btf_map(name = "fdb")]
pub(crate) static FDB: HashMap<FdbKey, FdbEntry, { limits::DEFAULT_FDB as usize }> = HashMap::new();

/// Dropped packets by reason.
#[btf_map(name = "drops")]
pub(crate) static DROPS: PerCpuArray<Drops, 1> = PerCpuArray::new();

/// Packets and other happenings by path.
#[btf_map(name = "paths")]
pub(crate) static PATHS: PerCpuArray<Paths, 1> = PerCpuArray::new();

/// Interfaces XDP may redirect to, by index. What is not here is reached through TC.
#[btf_map(name = "devmap")]
pub(crate) static DEVMAP: DevMapHash<{ limits::MAX_PORTS as usize }> = DevMapHash::new();

/// Those of them that take frames in several buffers.
#[btf_map(name = "devmap_sg")]
pub(crate) static DEVMAP_SG: DevMapHash<{ limits::MAX_PORTS as usize }> = DevMapHash::new();

/// Access ports that are down, by index.
#[btf_map(name = "down")]
pub(crate) static DOWN: HashMap<u32, u32, { limits::MAX_PORTS as usize }> = HashMap::new();

/// What routers have said of the paths to remote VTEPs.
#[btf_map(name = "path_mtu")]
pub(crate) static PATH_MTU: HashMap<
    RemoteVtepKey,
    PathMtu,
    { limits::MAX_TUNNELS as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

/// Learning events for the agent.
#[btf_map(name = "events")]
pub(crate) static EVENTS: RingBuf<LearnEvent, { limits::EVENT_BYTES as usize }> = RingBuf::new();

/// When the agent was last told that a station has an IP address; not part of the ABI.
#[btf_map(name = "snooped")]
pub(crate) static SNOOPED: LruHashMap<SnoopKey, u64, { limits::MAX_SNOOPED as usize }> = LruHashMap::new();

/// Room for outer headers in the making, which would not fit the stack; not part of the ABI.
#[btf_map(name = "header")]
pub(crate) static HEADER: PerCpuArray<[u8; HEADER_MAX], 1> = PerCpuArray::new();
