//! Keeps the latest events, and finds out what has changed from one look to the next.

pub(crate) mod journal;
mod pace;
pub(crate) mod places;
pub(crate) mod standing;
