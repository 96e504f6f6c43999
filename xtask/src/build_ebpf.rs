//! `cargo xtask build-ebpf`: the BPF objects alone, those of the agent and of the benchmark.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, Result};

use crate::{
    ebpf,
    setup::{self, Purpose},
};

pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Bpf])?;
    let object = ebpf::build(root)?;
    for object in [&object, &ebpf::capture_object(&object)?, &ebpf::build_bench(root)?] {
        let size = fs::metadata(object).with_context(|| format!("cannot look at {}", object.display()))?.len();
        println!("{} ({size} bytes)", object.display());
    }
    Ok(ExitCode::SUCCESS)
}
