//! Stages of the data plane, and what they are made of. The programs that forward and those of `vtep-gateway trace` and
//! `vtep-gateway capture` compile this one tree.
//!
//! | modules | purpose |
//! |---|---|
//! | [`uplink`], [`access`] | the two stages: packets from the underlay, frames from the VLANs |
//! | [`frame`], [`xdp`], [`tc`] | access to a frame as a trait, and its implementation for each hook |
//! | [`outer`], [`header`], [`entropy`], [`unaligned`] | parser and writer of outer headers, source port hash, unaligned words |
//! | [`forward`], [`flood`], [`flood_state`] | known unicast, replication and its state |
//! | [`learn`], [`snoop`], [`path_mtu`], [`suppress_arp_nd`] | MAC learning, ARP and ND snooping, path MTU, ARP and ND of a standby |
//! | [`flow_cache`], [`clock`] | cache of decisions for the fast path, and its clock |
//! | [`member`] | members of bonds |
//! | [`lease`], [`count`], [`observer`] | leases, counters, observer of the steps of a packet |
//! | [`maps`], [`verdict`] | the maps, and the verdicts of the stages |

pub(crate) mod access;
pub(crate) mod clock;
pub(crate) mod count;
pub(crate) mod entropy;
pub(crate) mod flood;
pub(crate) mod flood_state;
pub(crate) mod flow_cache;
pub(crate) mod forward;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod learn;
pub(crate) mod lease;
pub(crate) mod maps;
pub(crate) mod member;
pub(crate) mod observer;
pub(crate) mod outer;
pub(crate) mod path_mtu;
pub(crate) mod snoop;
pub(crate) mod suppress_arp_nd;
pub(crate) mod tc;
pub(crate) mod unaligned;
pub(crate) mod uplink;
pub(crate) mod verdict;
pub(crate) mod xdp;
