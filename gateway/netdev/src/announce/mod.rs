//! Frames that tell others where an address is now; pure.

mod neighbour;
mod station;

pub use neighbour::{gratuitous_arp, neighbour_advertisement, probe, takeover};
pub use station::rarp;
