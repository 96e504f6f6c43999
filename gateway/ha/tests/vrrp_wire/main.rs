//! Advertisements and announcements on a real cable between two namespaces, and those of keepalived and FRR. Each test
//! has its own network namespaces, and needs root for them.
#![allow(clippy::unwrap_used, reason = "what a test does not expect fails it")]

mod advertise;
mod announce;
mod departure;
mod lab;
mod macvlan;
#[path = "../../../netdev/tests/netns/mod.rs"]
mod netns;
mod others;
