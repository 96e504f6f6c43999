//! Underlay: the next hop of every remote VTEP, resolved and followed live.
//!
//! The kernel has all the data (routes, neighbours, links) and reports changes by netlink. This module keeps a copy of
//! the relevant facts, derives one [`Resolution`] per remote from them, and publishes a new [`Snapshot`] whenever one
//! of them changes:
//!
//! ```text
//!   notifications ──netlink──▶ facts ──resolve──▶ Snapshot ──▶ watch channel
//!   dumps, route lookups ─kernel─▶ │
//!                                   └──keep──▶ neighbours the kernel is asked to keep resolved
//! ```
//!
//! The kernel drops the routers' reports about paths ("fragmentation needed", "packet too big"), because no socket of
//! its own sends tunnel packets. The programs of the data plane receive them instead, and `path_mtu` decides which of
//! them are valid.
//!
//! `facts`, `resolve`, `keep` and `path_mtu` are pure: they decide, and receive the time as an argument. `kernel` sends
//! requests, `follow` is the driver.
//!
//! Three rules follow from the kernel's behaviour:
//! - A socket that overflows has lost notifications, so everything is dumped again. That is also done once a minute,
//!   because some changes are never reported (a route that expires, IPv4 routes that vanish with their interface).
//! - One route change can affect any remote, so the routes of all remotes are requested again, once per burst.
//! - The kernel keeps neighbours (`NTF_EXT_MANAGED`, Linux 5.16). Older kernels take the same request as "use it now"
//!   (`NTF_USE`), and the request is repeated.

mod error;
mod facts;
mod follow;
mod keep;
mod kernel;
mod look;
mod path_mtu;
mod resolve;
mod snapshot;

pub use crate::netlink::Forbidden;
pub use error::UnderlayError;
pub use follow::{Follower, Tuning, open, open_with};
pub use look::look;
pub use path_mtu::{Narrow, PathMtus, is_over};
pub use resolve::{Hop, Resolution, Why};
pub use snapshot::{BondMember, LinkState, Snapshot, Wanted};
