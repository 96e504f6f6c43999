//! What happens, as it happens: the events that `vtep-gateway monitor` shows.
//!
//! An [`Event`] is one thing that happened, a [`Record`] the same with its number and time; its JSON is a promise that
//! `docs/MONITOR.md` makes, kind by kind. [`Journal`] keeps the latest records, paced by [`Pace`] so that nobody on a VLAN
//! can make the agent do much or drive out what else it keeps, and gives them out in [`Page`]s. [`standing`] finds the
//! events between one look at the agent's state and the next, [`places`] those of stations. All of it is pure; the agent
//! passes time and facts in.

mod event;
mod kind;
mod page;
pub mod text;
mod time;

pub use event::{Event, Record, Source, Why};
pub use kind::Kind;
pub use page::{Cursor, Page};
pub use time::Timestamp;
