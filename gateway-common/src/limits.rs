//! Sizes of the maps and bounds of the loops over them.

/// VTEP addresses of this gateway.
pub const MAX_VTEPS: u32 = 64;
/// Leases: one for each number a virtual router can have, 1 to 255, and number 0, without high availability.
pub const MAX_LEASES: u32 = 256;
/// Remote VTEPs, times local addresses they talk to.
pub const MAX_TUNNELS: u32 = 8192;
/// Logical switches.
pub const MAX_SWITCHES: u32 = 16_384;
/// (port, VLAN) bindings.
pub const MAX_BINDINGS: u32 = 16_384;
/// Flood members of all logical switches together; their memory is taken only as they are added.
pub const MAX_FLOOD: u32 = 1 << 20;
/// Flood members of one logical switch: the copies that one broadcast frame may cost.
pub const MAX_FLOOD_SLOTS: u32 = 4096;
/// Interfaces that XDP may redirect to.
pub const MAX_PORTS: u32 = 1024;
/// Flows that each CPU remembers the decision about, a power of two; 64 bytes each, so they fit its second cache.
pub const FLOWS: u32 = 16_384;
/// A decision about a flow is used for this time, in nanoseconds, then made anew.
pub const FLOW_NS: u64 = 1_000_000_000;
/// MAC addresses, unless the configuration says otherwise.
pub const DEFAULT_FDB: u32 = 262_144;
/// Learned MACs of one logical switch, unless the configuration says otherwise (as many as Open vSwitch keeps).
pub const DEFAULT_LEARN_LIMIT: u64 = 8192;
/// Bytes of the ring buffer that carries learning events to the agent.
pub const EVENT_BYTES: u32 = 512 * 1024;
/// A learned MAC's time is written again once it is this old, in nanoseconds, at the next frame that is not of a flow
/// remembered ([`FLOW_NS`]): ageing counts in seconds, and a write to a shared cache line for each packet would be the
/// dearest thing on the path.
pub const REFRESH_NS: u64 = 1_000_000_000;
/// A learned MAC's time is older by this much at most than the last frame of its station.
pub const SEEN_LAG_NS: u64 = REFRESH_NS + FLOW_NS;
/// What a router says of a path's MTU holds for this time, in nanoseconds, as in Linux (`mtu_expires`): the path may have
/// become wider, and nobody tells of that.
pub const PATH_MTU_NS: u64 = 600_000_000_000;
/// The UDP port of VXLAN (RFC 7348 section 5).
pub const VXLAN_PORT: u16 = 4789;
/// Pairs of MAC address and VLAN that packets for this gateway can come in with.
pub const MAX_ARRIVALS: u32 = 4096;
/// Pairs of MAC and IP address that the kernel remembers having told.
pub const MAX_SNOOPED: u32 = 16_384;
/// A pair of MAC and IP address is told again after this time, in nanoseconds: the agent may have missed it.
pub const SNOOP_AGAIN_NS: u64 = 60_000_000_000;
