//! Network devices: the only crate that uses netlink, ethtool and raw frames.
//!
//! - [`netlink`] opens sockets, sends requests and decodes answers; all others use it.
//! - [`underlay`] follows links, routes and neighbours for the next hops of remote VTEPs.
//! - [`links`] follows interfaces and their addresses for the virtual routers.
//! - [`addresses`], [`macvlan`] and [`sysctl`] change them on a thread of their own ([`net_thread`]).
//! - [`nic`] has the settings of NICs.
//! - [`frames`] sends raw frames, and [`announce`] builds those that announce an address.

pub mod addresses;
pub mod announce;
mod family;
pub mod frames;
pub mod interface;
pub mod links;
pub mod macvlan;
pub mod net_thread;
pub mod netlink;
pub mod nic;
pub mod sysctl;
pub mod underlay;

pub use family::Family;
pub use netlink::Link;
