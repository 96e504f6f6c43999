//! State synchronisation: nodes that can replace each other exchange the stations that they have learned.
//!
//! A standby node calls the active node of each virtual router, at the address that VRRP knows, and receives the
//! stations learned there: first all of them ([`Stations`]), then changes. Both sides send their names and their
//! bindings, and compare them. Differences are reported as problems on both nodes.
//!
//! Each message is a line of JSON over TCP (`message`), sealed with the nodes' key if there is one (`secure`). Both
//! sides send with a TTL of 255 and accept no packet that a router has forwarded (GTSM, RFC 5082). The agent sets the
//! nodes that may call. A message that can't be parsed ends the conversation, and the caller tries again later.
//!
//! - `session`: one conversation, without socket or clock. `line_framing` and `message` are its format.
//! - `sender`: the data that this side sends. `receiver`: the data that the other side has sent.
//! - `compare`: the differences between two nodes.
//! - `driver`: listens and calls. `conversation` connects a session to a socket.
//! - `session_registry`: the combined data of all conversations.

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

pub use data::{Able, Bound, Changes, Description, Followed, Local, Remote, RouterDescription, Station, Stations};
pub use driver::open;
pub use handle::{Callers, Peers};
pub use secure::Keys;
