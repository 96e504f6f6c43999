//! Maps and the one global. Names, keys and values are the ABI with the agent, which pins the maps by these names.

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

/// Settings that concern all interfaces.
#[btf_map(name = "settings")]
pub(crate) static SETTINGS: Array<Settings, 1> = Array::new();

/// Generation of the flow cache, see [`crate::stages::flow_cache`]. The agent increments its half in memory shared with the
/// kernel.
#[btf_map(name = "generation")]
pub(crate) static GENERATION: Array<Generation, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// VTEP addresses of this gateway.
#[btf_map(name = "vteps")]
pub(crate) static VTEPS: HashMap<Addr, Vtep, { limits::MAX_VTEPS as usize }> = HashMap::new();

/// Lease expiry of each virtual router: CLOCK_MONOTONIC nanoseconds. The VTEP addresses of the router are forwarded for
/// until then.
#[btf_map(name = "leases")]
pub(crate) static LEASES: Array<u64, { limits::MAX_LEASES as usize }> = Array::new();

/// Tunnel index by pair of local VTEP and remote VTEP.
#[btf_map(name = "remote_vteps")]
pub(crate) static REMOTE_VTEPS: HashMap<RemoteVtepKey, u32, { limits::MAX_TUNNELS as usize }> = HashMap::new();

/// Outermost MAC and VLAN of packets for this gateway; the value has no meaning.
#[btf_map(name = "arrivals")]
pub(crate) static ARRIVALS: HashMap<Arrival, u32, { limits::MAX_ARRIVALS as usize }> = HashMap::new();

/// Next hop and outer headers by tunnel index.
#[btf_map(name = "tunnels")]
pub(crate) static TUNNELS: Array<Tunnel, { limits::MAX_TUNNELS as usize }> = Array::new();

/// Traffic by tunnel index.
#[btf_map(name = "tunnel_stats")]
pub(crate) static TUNNEL_STATS: PerCpuArray<Traffic, { limits::MAX_TUNNELS as usize }> = PerCpuArray::new();

/// Stray tunnel packets by lease: the lease is not held here, so the packets were sent to the wrong node.
#[btf_map(name = "strays")]
pub(crate) static STRAYS: PerCpuArray<u64, { limits::MAX_LEASES as usize }> = PerCpuArray::new();

/// Logical switches by VNI.
#[btf_map(name = "switches")]
pub(crate) static SWITCHES: HashMap<u32, SwitchEntry, { limits::MAX_SWITCHES as usize }> = HashMap::new();

/// MACs learned so far, by VNI; the kernel only counts up (see [`SwitchEntry::learn_ceiling`]).
#[btf_map(name = "learned")]
pub(crate) static LEARNED: HashMap<u32, u64, { limits::MAX_SWITCHES as usize }> = HashMap::new();

/// Flood members of the logical switches.
#[btf_map(name = "flood")]
pub(crate) static FLOOD: HashMap<FloodKey, Target, { limits::MAX_FLOOD as usize }, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();

/// Logical switch by port and VLAN.
#[btf_map(name = "bindings")]
pub(crate) static BINDINGS: HashMap<BindingKey, Binding, { limits::MAX_BINDINGS as usize }> = HashMap::new();

/// Traffic by binding index.
#[btf_map(name = "binding_stats")]
pub(crate) static BINDING_STATS: PerCpuArray<Traffic, { limits::MAX_BINDINGS as usize }> = PerCpuArray::new();

/// Budgets of each binding and each tunnel: learning, moves and snooping, see [`gateway_common::budget::place`].
#[btf_map(name = "budgets")]
pub(crate) static BUDGETS: Array<Budget, { PLACES as usize }> = Array::new();

/// Forwarding database: location of each MAC of each logical switch.
#[btf_map(name = "fdb")]
pub(crate) static FDB: HashMap<FdbKey, FdbEntry, { limits::DEFAULT_FDB as usize }> = HashMap::new();

/// Dropped packets by reason.
#[btf_map(name = "drops")]
pub(crate) static DROPS: PerCpuArray<Drops, 1> = PerCpuArray::new();

/// Packets and other events by path.
#[btf_map(name = "paths")]
pub(crate) static PATHS: PerCpuArray<Paths, 1> = PerCpuArray::new();

/// Interfaces that XDP may redirect to, by index. Any other interface is reached through TC.
#[btf_map(name = "devmap")]
pub(crate) static DEVMAP: DevMapHash<{ limits::MAX_PORTS as usize }> = DevMapHash::new();

/// Interfaces of `devmap` that take frames in several buffers.
#[btf_map(name = "devmap_sg")]
pub(crate) static DEVMAP_SG: DevMapHash<{ limits::MAX_PORTS as usize }> = DevMapHash::new();

/// Access ports that are down, by index.
#[btf_map(name = "down")]
pub(crate) static DOWN: HashMap<u32, u32, { limits::MAX_PORTS as usize }> = HashMap::new();

/// Bond by active member, for the programs of bonds. Indices of interfaces.
#[btf_map(name = "members")]
pub(crate) static MEMBERS: HashMap<u32, u32, { limits::MAX_MEMBERS as usize }> = HashMap::new();

/// Path MTU to remote VTEPs, as reported by routers.
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

/// Time at which an IP address of a station was last reported to the agent. Not part of the ABI.
#[btf_map(name = "snooped")]
pub(crate) static SNOOPED: LruHashMap<SnoopKey, u64, { limits::MAX_SNOOPED as usize }> = LruHashMap::new();

/// Scratch space for outer headers, which do not fit the stack. Not part of the ABI.
#[btf_map(name = "header")]
pub(crate) static HEADER: PerCpuArray<[u8; HEADER_MAX], 1> = PerCpuArray::new();
