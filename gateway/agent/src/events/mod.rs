//! Keeps the latest events, and derives events from two successive states.

pub(crate) mod journal;
mod pace;
pub(crate) mod places;
pub(crate) mod standing;
