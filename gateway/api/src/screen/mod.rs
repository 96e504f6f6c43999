//! Text output for people: [`crate::view`] as text.
//!
//! [`status`] renders the screen of `vtep-gateway status`; `nouns` renders a table or list for each noun of `show`.
//! Everything fits 80 columns as far as its contents allow, and has no borders, as with `ip` and `ovs-vsctl`. Names
//! come from a database that others fill. Therefore control characters are removed from everything that is written
//! here.

mod look;
mod nouns;
mod quantities;
mod status;
mod table;
pub mod text;

pub use look::Look;
pub use nouns::{bindings, counters, drops, macs, neighbours, switches, tunnels, vrrp};
pub use quantities::{Rates, bytes, span};
pub use status::status;
pub use text::clean;
