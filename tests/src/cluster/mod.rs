//! Two redundant gateways.
//!
//! ```text
//!                    ┌── u0 [gw1] a0 ──┐
//!   vm ── hv ── und ─┤                 ├── sw ── ext
//!                    └── u0 [gw2] a0 ──┘
//! ```
//!
//! The outside switch `sw` is Open vSwitch with a real MAC table: a node that takes over has to announce the VMs to it.
//! On the other side is a plain Linux VTEP ([`Pair::linux`]) or a cloud of real OVN ([`Pair::ovn`]), whose databases
//! can be one for each node or one for all.
//!
//! [`pair`] builds the lab of two [`member`]s by a [`plan`], [`events`] has its faults, and [`probes`] sends numbered
//! packets meanwhile, from which [`outage`] computes the outage. [`keepalived`] can be the other node.

pub mod events;
pub mod keepalived;
pub mod member;
pub mod outage;
pub mod pair;
pub mod plan;
mod probe;
pub mod probes;
mod tap;

pub use member::Member;
pub use outage::Report;
pub use pair::{Pair, World};
pub use plan::Plan;
pub use probes::Probes;
