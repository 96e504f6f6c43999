//! Where the tunnels leave this host: the next hop of every remote VTEP, resolved and followed live.
//!
//! The kernel knows it all (routes, neighbours, links) and tells of changes by netlink. This folder keeps a copy of
//! the facts that matter, draws from them one [`Resolution`] per remote, and publishes a new [`Snapshot`] whenever
//! one of them changes:
//!
//! ```text
//!   multicast events ──decode──▶ facts ──resolve──▶ Snapshot ──▶ watch channel
//!   dumps, route lookups ─kernel──▶ │
//!                                   └──keep──▶ neighbours the kernel is asked to keep resolved
//! ```
//!
//! What routers say of the paths ("fragmentation needed", "packet too big") the kernel throws away, since no socket of its
//! own sends tunnel packets: the programs of the data plane hear it, and `path_mtu` says what of it holds.
//!
//! `facts`, `resolve`, `keep` and `path_mtu` are pure: they decide, and receive the time as an argument. `kernel` asks, `follow`
//! drives. (`ha` speaks rtnetlink too, on a thread of its own: for the links and addresses of virtual routers.)
//!
//! Three rules came from the kernel's habits:
//! - A socket that overflows has lost news: everything is dumped again, and once a minute anyway, because some
//!   changes are never told (a route that expires, IPv4 routes that vanish with their interface).
//! - One route change can touch any remote, so the routes of all remotes are asked again, once per burst.
//! - Neighbours are kept by the kernel (`NTF_EXT_MANAGED`, Linux 5.16). Older kernels take the same request as "use
//!   it now" (`NTF_USE`), and the request is repeated.

pub mod decode;
mod facts;
mod follow;
mod keep;
mod kernel;
mod look;
mod path_mtu;
mod resolve;
mod snapshot;

pub use facts::{Answer, Change, Facts, Forbidden, Link, Neighbour, NeighbourKey, NeighbourState, Route, Vlan};
pub use follow::{Follower, Tuning, UnderlayError, open, open_with};
pub use look::look;
pub use path_mtu::{Narrow, PathMtus, is_over};
pub use resolve::{Hop, Resolution, Why};
pub use snapshot::{LinkState, Snapshot, Wanted};
