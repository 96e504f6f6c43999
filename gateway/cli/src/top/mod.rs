//! Live rates: the data and the screen of `vtep-gateway top`.
//!
//! Counters of [`gateway_api::view`] only grow. [`rates`] computes [`Rates`] from two [`Sample`]s and the time between
//! them; [`History`] keeps as many as a sparkline is wide. [`model`] holds the state of the full screen and handles
//! keys, with the rows of [`table`]; [`text`] formats numbers, and one sample of rates as text. All of this is pure. The
//! feature `top` adds `screen`, which draws the model, and `terminal`, which handles the real terminal, keys, signals
//! and the agent.

mod history;
mod model;
mod rates;
#[cfg(feature = "top")]
mod screen;
mod table;
#[cfg(feature = "top")]
pub mod terminal;
pub mod text;

#[cfg(test)]
mod fixtures;

pub use history::History;
pub use rates::{BindingRate, DropRate, Fill, Rate, Rates, Sample, TunnelRate};
