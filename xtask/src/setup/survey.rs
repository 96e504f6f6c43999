//! Compares the needs with the machine.

use std::fmt;

use super::{
    needs::{PROGRAMS, Purpose},
    tools::{CargoTool, RustupComponents},
};
use crate::ebpf;

/// A need that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// A Debian package.
    Package { name: &'static str, why: &'static str },
    /// A compiler for the BPF programs: Debian's packages, or a rustup nightly if there are none.
    BpfCompiler,
    /// A program that cargo builds and installs.
    Tool(CargoTool),
    /// Components of a rustup toolchain.
    Components(RustupComponents),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package { name, why } => write!(f, "{name} (package): {why}"),
            Self::BpfCompiler => write!(
                f,
                "{}: a compiler for the BPF programs (or a rustup nightly with rust-src)",
                ebpf::DEBIAN_PACKAGES.join(" ")
            ),
            Self::Tool(tool) => write!(f, "{} (cargo install): {}", tool.name, tool.why),
            Self::Components(components) => write!(f, "{components}: style and lints"),
        }
    }
}

/// Returns the unmet needs of these purposes, in the order of installing.
pub(super) fn survey(purposes: &[Purpose]) -> Vec<Missing> {
    let wanted = |purpose| purposes.contains(&purpose);
    let mut missing: Vec<_> = PROGRAMS
        .iter()
        .filter(|program| program.purpose.iter().copied().any(wanted) && !program.is_there())
        .map(|program| Missing::Package { name: program.package, why: program.why })
        .collect();

    let compiler = ebpf::find_compiler();
    if wanted(Purpose::Bpf) {
        if compiler.is_err() {
            missing.push(Missing::BpfCompiler);
        }
        if ebpf::find_linker().is_err() {
            missing.push(Missing::Tool(CargoTool::BPF_LINKER));
        }
    }
    if wanted(Purpose::Checks) {
        missing.extend(RustupComponents::of_cargo().map(Missing::Components));
        match compiler {
            Ok(ebpf::Compiler::Debian) if !std::path::Path::new(ebpf::DEBIAN_CLIPPY).is_file() => {
                missing.push(Missing::Package { name: "rust-web-clippy", why: "lints the BPF programs" });
            }
            Ok(ebpf::Compiler::Nightly(name)) => {
                missing.extend(RustupComponents::of_nightly(&name).map(Missing::Components));
            }
            // A compiler that is yet to be installed includes its clippy.
            Ok(ebpf::Compiler::Debian) | Err(_) => {}
        }
        if !CargoTool::CARGO_DENY.is_there() {
            missing.push(Missing::Tool(CargoTool::CARGO_DENY));
        }
    }
    missing
}
