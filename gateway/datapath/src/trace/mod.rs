//! What would happen to a packet: the programs of the data plane are run on it, against the maps in force, with every
//! step told and nothing changed.
//!
//! [`plane`] has the programs in the kernel, [`walk`] takes a packet through them as the kernel would, by XDP and then TC.
//! [`names`] knows what numbers stand for, [`step`] tells a step by them, [`text`] a whole way for people. [`pcap`] reads
//! packets from a file.

pub mod names;
pub mod pcap;
pub mod plane;
mod step;
pub mod text;
pub mod walk;
