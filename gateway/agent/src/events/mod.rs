//! Keeps the latest events, derives events from two successive states, and answers the clients that wait for events.

pub(crate) mod journal;
mod pace;
pub(crate) mod places;
pub(crate) mod readers;
pub(crate) mod standing;
