//! High availability: the driver of the virtual routers, on a thread of its own.
//!
//! `thread` starts it and is the way to talk to it; `run` is its loop, `instance` one virtual router in it. What a
//! [`Machine`](crate::vrrp::Machine) wants done is done here: `socket` sends and receives advertisements, `addresses`
//! puts the virtual addresses on and takes them off, `announcing` says when they are announced, `leases` holds what the
//! data plane forwards under. What a machine has to know comes from `links` (interfaces and addresses, followed by
//! netlink) by way of `tracking`. `observe` finds misconfiguration in what others send.
//!
//! Nothing in the loop waits for anything but the loop itself: requests to the kernel run as tasks beside it, and log
//! lines are written by another thread (`voice`).

mod addresses;
mod leases;
mod links;
mod macvlan;
mod observe;
mod sysctl;
mod tracking;

pub use leases::{Leases, LeasesError};
