//! Sizes of the maps and bounds of the loops over them.

/// VTEP addresses of this gateway.
pub const MAX_VTEPS: u32 = 64;
/// Leases: one for each VRID, 1 to 255, and number 0, without high availability.
pub const MAX_LEASES: u32 = 256;
/// Tunnels: remote VTEPs times the local addresses they talk to.
pub const MAX_TUNNELS: u32 = 8192;
/// Logical switches.
pub const MAX_SWITCHES: u32 = 16_384;
/// (port, VLAN) bindings.
pub const MAX_BINDINGS: u32 = 16_384;
/// Flood members of all logical switches together; memory is allocated as they are added.
pub const MAX_FLOOD: u32 = 1 << 20;
/// Flood members of one logical switch: the copies that one broadcast frame may cost.
pub const MAX_FLOOD_SLOTS: u32 = 4096;
/// Interfaces that XDP may redirect to.
pub const MAX_PORTS: u32 = 1024;
/// Active members of all bonds in use together.
pub const MAX_MEMBERS: u32 = 1024;
/// Flow cache entries of each CPU, a power of two; 64 bytes each, so that they fit its L2 cache.
pub const FLOWS: u32 = 16_384;
/// Lifetime of a flow cache entry, in nanoseconds.
pub const FLOW_NS: u64 = 1_000_000_000;
/// MAC addresses, unless configured otherwise.
pub const DEFAULT_FDB: u32 = 262_144;
/// Learned MACs of one logical switch, unless configured otherwise (the default of Open vSwitch).
pub const DEFAULT_LEARN_LIMIT: u64 = 8192;
/// Size of the ring buffer of learn events, bytes.
pub const EVENT_BYTES: u32 = 512 * 1024;
/// Age at which the last-seen time of a learned MAC is refreshed, in nanoseconds, by the next frame that takes the slow
/// path ([`FLOW_NS`]). Ageing counts in seconds, and a write to a shared cache line for each packet would be the most
/// expensive part of the path.
pub const REFRESH_NS: u64 = 1_000_000_000;
/// Maximum lag of a learned MAC's last-seen time behind the last frame of its station.
pub const SEEN_LAG_NS: u64 = REFRESH_NS + FLOW_NS;
/// Lifetime of a path MTU reported by a router, in nanoseconds, as in Linux (`mtu_expires`): the path may widen, and no
/// message reports that.
pub const PATH_MTU_NS: u64 = 600_000_000_000;
/// The UDP port of VXLAN (RFC 7348 section 5).
pub const VXLAN_PORT: u16 = 4789;
/// Pairs of MAC address and VLAN that packets for this gateway can have.
pub const MAX_ARRIVALS: u32 = 4096;
/// Pairs of MAC and IP address whose last report the kernel remembers.
pub const MAX_SNOOPED: u32 = 16_384;
/// Interval at which a pair of MAC and IP address is reported again, in nanoseconds: the agent may have missed it.
pub const SNOOP_AGAIN_NS: u64 = 60_000_000_000;
