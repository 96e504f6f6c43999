//! Packet tests: the real programs, on the real kernel, run on one packet at a time with `BPF_PROG_TEST_RUN`.
//!
//! Packet in, then verdict, packet out and counter. They need root and nothing else, so they also run on other kernels
//! inside a virtual machine that has little more than this binary.
#![expect(clippy::unwrap_used, reason = "all of this is test code, outside `#[test]` functions too")]

mod abilities;
mod attached;
mod batch;
mod bonds;
mod budgets;
mod buffers;
mod capture_programs;
mod collisions;
mod decap;
mod drops;
mod encap;
mod flood;
mod flows;
mod isolation;
mod learning;
mod losses;
mod packets;
mod path_mtu;
mod plane;
mod ports;
mod standby;
mod switching;
mod time;
mod world;
