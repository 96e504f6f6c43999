//! Two gateways that stand in for each other.
//!
//! ```text
//!                    ┌── u0 [gw1] a0 ──┐
//!   vm ── hv ── und ─┤                 ├── sw ── ext
//!                    └── u0 [gw2] a0 ──┘
//! ```
//!
//! The outside switch `sw` is Open vSwitch with a real MAC table: whoever takes over has to tell it where the VMs are now.
//! Opposite are a plain Linux VTEP ([`Pair::linux`]) or a cloud of real OVN ([`Pair::ovn`]), whose databases can be one
//! for each node or one for all.
//!
//! [`pair`] lays it out, [`events`] has what can happen to it, and [`probes`] sends numbered packets meanwhile, from which
//! [`outage`] works out what it cost. [`keepalived`] can be the other node.

pub mod events;
pub mod keepalived;
pub mod outage;
pub mod pair;
pub mod probes;
mod tap;

pub use outage::Report;
pub use pair::{Pair, Plan, World};
pub use probes::Probes;
