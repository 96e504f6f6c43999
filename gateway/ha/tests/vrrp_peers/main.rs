//! Virtual routers among themselves, and with other implementations: real sockets, real addresses, in network
//! namespaces. Needs root; keepalived and FRR's vrrpd have to be installed.
#![allow(clippy::unwrap_used, reason = "what a test does not expect fails it")]

#[path = "../../../netdev/tests/netns/mod.rs"]
mod netns;

mod authenticated;
mod frr;
mod keepalived;
mod killed;
mod lab;
mod map;
mod ours;
mod virtual_mac;
