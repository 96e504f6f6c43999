//! A cloud of real OVN, as Debian ships it, around the gateway.
//!
//! ```text
//!     ctl                          mgmt                                 10.99.0.0/24
//!   (central) ─────────┬───────────────┬──────────────────────┐
//!                      │               │                      │
//!       vm1 ── hv1 ────┤    vm2 ── hv2 ┤                   m0 │
//!               │               │                           [gw] a0 ── sw ── ext
//!               └───────────────┴────────── und ────────── u0 │
//!            172.31.0.11     172.31.0.12              172.31.0.21
//! ```
//!
//! [`central`] has OVN's two databases and `ovn-northd`. A [`hypervisor`] is Open vSwitch in userspace with
//! `ovn-controller`; it uses Geneve to other hypervisors and VXLAN to gateways. [`vtep`] has the programs beside the
//! gateway on its machine: the `hardware_vtep` database and an unchanged `ovn-controller-vtep` that fills it. [`cloud`]
//! puts them together by a [`deployment`], and has the operations of a cloud: add a network or a binding, and remove
//! them. [`vm`] has those of virtual machines.
//! [`translate`] converts the content of the database to a gateway's own configuration. [`tls`] makes keys and
//! certificates with `ovs-pki`.
//!
//! Management and underlay are two networks, so that either can fail without the other.

pub mod central;
pub mod cloud;
pub mod deployment;
pub mod hypervisor;
pub mod tls;
pub mod translate;
pub mod vm;
pub mod vtep;

pub use central::Central;
pub use cloud::Cloud;
pub use deployment::Deployment;
pub use hypervisor::Hypervisor;
pub use vm::Vm;
pub use vtep::Vtep;
