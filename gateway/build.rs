//! Builds the BPF programs and hands their object to the agent, which carries it inside: `VTEP_GATEWAY_BPF` is its path
//! at compile time.

#[path = "../xtask/src/ebpf.rs"]
#[expect(dead_code, reason = "xtask uses more of it")]
mod ebpf;

use std::{env, error::Error, fs, path::PathBuf, process::ExitCode};

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
        // The same cargo run builds them, and the benchmark takes them from where it leaves them.
        "gateway-ebpf/bench",
        "gateway-ebpf/src",
        "xtask/src/ebpf.rs",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }

    let object = ebpf::build(&root)?;
    let embedded = PathBuf::from(env::var("OUT_DIR")?).join("vtep-gateway.bpf.o");
    fs::copy(&object, &embedded).map_err(|error| format!("cannot copy {}: {error}", object.display()))?;
    println!("cargo::rustc-env=VTEP_GATEWAY_BPF={}", embedded.display());
    Ok(())
}
