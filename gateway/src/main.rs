//! The `vtep-gateway` command.

use std::process::ExitCode;

use clap::Parser;
use gateway::{cli::Cli, verbs};

fn main() -> ExitCode {
    verbs::carry_out(&Cli::parse())
}
