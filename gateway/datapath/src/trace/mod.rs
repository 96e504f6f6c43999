//! Trace of a packet: the programs of the data plane run on it, with the maps in force. Every step is reported, and
//! nothing changes.
//!
//! [`plane`] has the programs in the kernel, [`walk`] takes a packet through them as the kernel would, by XDP and then
//! TC. [`names`] translates numbers, [`step`] describes a step with those names, [`text`] formats a whole trace for
//! people. [`pcap`] reads packets from a file.

pub mod names;
pub mod pcap;
pub mod plane;
mod step;
pub mod text;
pub mod walk;
