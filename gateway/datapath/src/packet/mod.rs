//! Packets as people see them: made from what an operator says ([`build`]), and read back ([`decode`]).

pub mod build;
pub mod decode;
