//! Instructions per packet, counted exactly: what each path through the programs costs, helpers and all.
//!
//! `BPF_PROG_TEST_RUN` reports how long a program took. In a virtual machine whose clock moves by one nanosecond with each
//! instruction that is the number of instructions, the same at every run. `cargo xtask instructions` makes such a machine
//! and holds the counts against those that are checked in beside this file. Elsewhere nanoseconds are only that, so this
//! first looks whether the clock counts, and goes no further if it does not.
//!
//! Each line `instructions: PATH COUNT` is a result.
#![expect(clippy::unwrap_used, reason = "all of this is test code, outside `#[test]` functions too")]

mod clock;
#[path = "../packets/packets.rs"]
#[allow(dead_code, reason = "shared with the packet tests, which use all of it")]
mod packets;
mod paths;
#[path = "../packets/plane.rs"]
#[allow(dead_code, reason = "shared with the packet tests, which use all of it")]
mod plane;
#[path = "../packets/world/mod.rs"]
#[allow(dead_code, reason = "shared with the packet tests, which use all of it")]
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let clock = match clock::Clock::find() {
        Ok(clock) => clock,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    for (path, count) in paths::all(&clock) {
        println!("instructions: {path} {count}");
    }
    ExitCode::SUCCESS
}
