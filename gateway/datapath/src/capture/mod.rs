//! Capture of packets that the gateway drops or forwards.
//!
//! [`session`] asks the agent to replace the forwarding programs by programs that report packets, and reads those
//! packets. [`packet`] is one of them. [`file`](mod@file) writes them in the pcapng format; a line is for people.

pub mod file;
pub mod packet;
pub mod session;
