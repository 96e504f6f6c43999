//! Frames that announce the location of an address; pure.

mod neighbour;
mod station;

pub use neighbour::{gratuitous_arp, neighbour_advertisement, probe, takeover};
pub use station::rarp;
