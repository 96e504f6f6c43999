//! High availability: the driver of the virtual routers, on a thread of its own. [`gateway_vrrp`] makes the decisions.
//!
//! - `thread` starts the thread and is its interface; `run` is its loop, `virtual_router` one virtual router in it.
//! - `port` sends and receives advertisements by the sockets of `socket`.
//! - `addresses` adds and removes the virtual addresses (with `macvlan` and `sysctl` for those with a virtual MAC
//!   address).
//! - `announcing` schedules their announcements, and `frames` sends them.
//! - `leases` holds the leases under which the data plane forwards.
//! - `links` follows interfaces and addresses by netlink, and `tracking` derives the input of a
//!   [`Machine`](gateway_vrrp::Machine) from them.
//! - `observe` finds misconfiguration in the advertisements of other routers, and `status` is the published status.
//! - `clock_steps` wakes the loop when the machine comes back from a suspension.
//! - `withdraw` cleans up after a thread that is gone.
//!
//! The loop waits for nothing but its own events: a second thread (`net`) follows interfaces and changes addresses, and
//! a third (`log_queue`) writes log lines.

mod announcing;
mod clock_steps;
mod leases;
mod log_queue;
mod observe;
pub mod peers;
mod port;
mod run;
mod socket;
mod socket_setup;
mod status;
mod thread;
mod tracking;
mod tx_timestamps;
mod virtual_router;
mod withdraw;

pub use gateway_api::view::VrrpCounters as Counters;
pub use gateway_netdev::Family;
pub use leases::{Leases, LeasesError};
pub use observe::Other;
pub use observe::{Expected, Observer, Verdict};
pub use socket::{AdvertSocket, Received, SendError, SocketError, SocketOptions};
pub use status::VirtualRouterStatus;
pub use thread::{HaError, Handle, Setup, start};
pub use tx_timestamps::Transmission;
pub use withdraw::withdraw;
