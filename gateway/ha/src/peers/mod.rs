//! Nodes that stand in for each other tell each other what they know.
//!
//! A standby node calls the active one of each virtual router, at the address that VRRP knows it by, and is told the
//! stations learned there: all of them first ([`Stations`]), then what changes. Both sides say who they are and what is
//! bound where, and compare; what differs is a problem on both.
//!
//! Each message is a line of JSON, over TCP (`message`), sealed with the nodes' key where there is one (`secure`). Both sides send with a TTL of 255 and take nothing that a router
//! has passed on (GTSM, RFC 5082); who may call is told by the agent. What can't be understood ends the conversation, and
//! the caller tries again later.
//!
//! `session` is one conversation, without socket or clock: `lines` and `message` are its form, `telling` is what this
//! side says, `hearing` what the other has said. `compare` finds what two nodes have differently. `driver` listens and
//! calls, `conversation` ties a session to a socket, and `board` sums up what all of them have heard.

mod compare;
mod conversation;
mod data;
mod driver;
#[cfg(any(fuzzing, test))]
#[allow(missing_docs, unreachable_pub, reason = "not part of the library")]
pub mod fuzzing;
mod handle;
mod line_framing;
mod message;
mod receiver;
mod secure;
mod sender;
pub mod session;
mod session_registry;
mod shared_map;
mod socket;

pub use data::{Able, Bound, Changes, Description, Followed, Instance, Local, Remote, Station, Stations};
pub use driver::open;
pub use handle::{Callers, Peers};
pub use secure::Keys;
