//! Packets for people: built from the words of an operator ([`build`]), and decoded ([`decode`]).

pub mod build;
pub mod decode;
