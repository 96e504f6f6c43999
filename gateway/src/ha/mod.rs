//! High availability: the driver of the virtual routers, on a thread of its own. What is decided, [`crate::vrrp`] decides.
//!
//! `thread` starts it and is the way to talk to it; `run` is its loop, `instance` one virtual router in it. What a
//! [`Machine`](crate::vrrp::Machine) wants done is done here: `port` sends and receives advertisements by the sockets of
//! `socket`, `addresses` puts the virtual addresses on and takes them off (with `macvlan` and `sysctl` for those with a
//! virtual MAC address), `announcing` says when they are announced and `frames` sends that, `leases` holds what the data
//! plane forwards under. What a machine has to know comes from `links` (interfaces and addresses, followed by netlink) by
//! way of `tracking`. `observe` finds misconfiguration in what others send, `status` is what is told of it all. `withdraw` cleans up after a thread that is gone.
//!
//! Nothing in the loop waits for anything but the loop itself: interfaces are followed and addresses changed on a second
//! thread (`net`), and log lines are written by a third (`voice`).

mod addresses;
mod announcing;
mod departures;
mod frames;
mod instance;
mod interface;
mod leases;
mod links;
pub(crate) mod macvlan;
mod net;
mod observe;
mod opening;
mod port;
mod run;
mod socket;
mod status;
mod sysctl;
mod thread;
mod tracking;
mod voice;
mod withdraw;

pub(crate) use frames::link_address;
pub use frames::{FrameError, FrameSender};
pub use leases::{Leases, LeasesError};
pub use observe::Other;
pub(crate) use observe::{Expected, Observer, Verdict};
pub use socket::{AdvertSocket, Family, Received, SendError, SendId, SocketError, SocketOptions};
pub use status::{Counters, InstanceStatus};
pub use thread::{HaError, Handle, Setup, start};
pub use withdraw::withdraw;
