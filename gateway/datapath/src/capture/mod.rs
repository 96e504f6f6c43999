//! Packets that the gateway drops or forwards, as it handles them.
//!
//! [`session`] puts programs that hand on packets in the place of those that forward, by way of the agent, and takes what
//! they hand on. [`packet`] is one of them, which [`file`](mod@file) writes in the pcapng format, and a line tells to people.

pub mod file;
pub mod packet;
pub mod session;
