//! Events of a running agent, as `vtep-gateway monitor` shows them.
//!
//! An [`Event`] is one thing that happened; a [`Record`] adds its number and time; a [`Page`] is a part of the journal.
//! The JSON of each kind is a stable interface, described in `docs/MONITOR.md`. The crate `gateway-agent` produces the
//! events: its `standing` compares two states of the agent and returns the events between them, and `places` does this
//! for stations. Its `Journal` keeps the latest records, and `Pace` limits their rate, so that a station on a VLAN can
//! neither overload the agent nor displace the other records. All of it is pure; the agent passes time and facts in.

mod event;
mod kind;
mod page;
pub mod text;
mod time;

pub use event::{Event, Record, Source, Why};
pub use kind::Kind;
pub use page::{Cursor, Page};
pub use time::Timestamp;
