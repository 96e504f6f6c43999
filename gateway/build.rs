//! Builds the BPF programs and embeds their objects in the agent: `VTEP_GATEWAY_BPF` and `VTEP_GATEWAY_CAPTURE_BPF` are
//! their paths at compile time.

#[path = "../xtask/src/ebpf.rs"]
#[expect(dead_code, reason = "xtask uses more of it")]
mod ebpf;

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    println!("cargo::rerun-if-env-changed={}", ebpf::OBJECT_ENV);
    for source in [
        "Cargo.lock",
        "Cargo.toml",
        "gateway-common/Cargo.toml",
        "gateway-common/src",
        "gateway-ebpf/Cargo.toml",
        "gateway-ebpf/src",
        "gateway-ebpf/capture",
        "xtask/src/ebpf.rs",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }

    let object = ebpf::build(&root)?;
    embed_as("VTEP_GATEWAY_BPF", &object, "vtep-gateway.bpf.o")?;
    embed_as("VTEP_GATEWAY_CAPTURE_BPF", &ebpf::capture_object(&object)?, "vtep-gateway-capture.bpf.o")
}

/// Copies `object` to the path that the compiler gets by the variable `name`.
fn embed_as(name: &str, object: &Path, file: &str) -> Result<(), Box<dyn Error>> {
    let embedded = PathBuf::from(env::var("OUT_DIR")?).join(file);
    fs::copy(object, &embedded).map_err(|error| format!("cannot copy {}: {error}", object.display()))?;
    println!("cargo::rustc-env={name}={}", embedded.display());
    Ok(())
}
