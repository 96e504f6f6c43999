//! The Virtual Router Redundancy Protocol without input and output: RFC 9568 (version 3) and RFC 3768 (version 2).
//!
//! - `types`: the protocol's quantities.
//! - `packet`: advertisements on the wire.
//! - `machine`: the state machine of one virtual router, and the lease under which the data plane forwards.
//! - `turn`: the order in which a driver calls the [`Machine`].
//! - `auth`: signs advertisements that are sent and checks those that are received.
//!
//! Nothing here reads a clock or owns a socket. `gateway_ha` does both.

#![forbid(unsafe_code)]

mod action;
mod address_conflict;
mod auth;
pub mod checksum;
mod deaf;
#[cfg(fuzzing)]
#[allow(missing_docs, unreachable_pub, reason = "not part of the library")]
pub mod fuzzing;
mod lease_state;
mod machine;
pub mod packet;
#[cfg(test)]
mod packet_tests;
mod peer_leases;
pub mod turn;
mod types;

pub use action::{Action, Holdup, Leave, PeerAdvert, Role, Status, Token, Tracked};
pub use auth::arrived;
pub use auth::{
    AntiReplay, AuthError, AuthMode, AuthSettings, Authentic, Authenticator, KEY_BYTES, Keyring, Secret, UnixTime,
};
pub use gateway_base::clock::Time;
pub use lease_state::{CLAIM, DELAY, GUARD};
pub use machine::{Machine, Settings};
pub use packet::{Advertisement, Envelope, GROUP_V4, GROUP_V6, PROTOCOL, PacketError, TTL, Trailer, unwrap_ipv4};
pub use peer_leases::longest;
pub use turn::{Read, Sending, Worker, perform, turn};
pub use types::{Checksum, Interval, Priority, Version, Vrid};
