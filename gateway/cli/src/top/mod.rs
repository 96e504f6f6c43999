//! Live rates: what `vtep-gateway top` shows.
//!
//! Counters of [`gateway_api::view`] only grow. Two [`Sample`]s of them and the time between make [`Rates`] ([`rates`]), which
//! [`History`] keeps for as long as a sparkline is wide. [`model`] is what the full screen shows of them and how keys
//! change that; [`text`] has numbers as people read them, and one sample of rates as tables. All of this is pure.
//! With the feature `top` there are also `screen`, which draws the model, and `terminal`, which has the real terminal,
//! keys, signals and the agent.

mod history;
mod model;
mod rates;
#[cfg(feature = "top")]
mod screen;
#[cfg(feature = "top")]
pub mod terminal;
pub mod text;

#[cfg(test)]
mod fixtures;

pub use history::History;
pub use rates::{BindingRate, DropRate, Fill, Rate, Rates, Sample, TunnelRate};
