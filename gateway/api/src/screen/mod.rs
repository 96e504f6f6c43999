//! What is shown, for people: [`crate::view`] as text.
//!
//! [`status`] is the one screen of `vtep-gateway status`, [`nouns`] has a table or list for each noun of `show`. Everything
//! fits 80 columns as far as its contents allow, and is written without borders, as `ip` and `ovs-vsctl` do. Names come
//! from a database that others fill, so what could steer a terminal is taken out of everything that is written here.

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
