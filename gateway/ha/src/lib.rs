//! High availability: the driver of the virtual routers, on a thread of its own. What is decided, [`gateway_vrrp`] decides.
//!
//! `thread` starts it and is the way to talk to it; `run` is its loop, `instance` one virtual router in it. What a
//! [`Machine`](gateway_vrrp::Machine) wants done is done here: `port` sends and receives advertisements by the sockets of
//! `socket`, `addresses` puts the virtual addresses on and takes them off (with `macvlan` and `sysctl` for those with a
//! virtual MAC address), `announcing` says when they are announced and `frames` sends that, `leases` holds what the data
//! plane forwards under. What a machine has to know comes from `links` (interfaces and addresses, followed by netlink) by
//! way of `tracking`. `observe` finds misconfiguration in what others send, `status` is what is told of it all. `withdraw` cleans up after a thread that is gone.
//!
//! Nothing in the loop waits for anything but the loop itself: interfaces are followed and addresses changed on a second
//! thread (`net`), and log lines are written by a third (`log_queue`).

mod announcing;
mod instance;
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
mod withdraw;

pub use gateway_api::view::VrrpCounters as Counters;
pub use gateway_netdev::Family;
pub use leases::{Leases, LeasesError};
pub use observe::Other;
pub use observe::{Expected, Observer, Verdict};
pub use socket::{AdvertSocket, Received, SendError, SendId, SocketError, SocketOptions};
pub use status::InstanceStatus;
pub use thread::{HaError, Handle, Setup, start};
pub use withdraw::withdraw;
