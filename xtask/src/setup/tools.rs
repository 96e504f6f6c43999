//! Tools that cargo and rustup install.

use std::{fmt, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use super::needs::on_path;
use crate::{
    child,
    ebpf::{self, Compiler},
};

/// A program that cargo builds. The version is pinned, so that all machines have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CargoTool {
    pub(super) name: &'static str,
    pub(super) why: &'static str,
    version: &'static str,
}

impl CargoTool {
    pub(super) const BPF_LINKER: Self =
        Self { name: "bpf-linker", version: "0.13.0", why: "links the BPF programs and writes their BTF" };
    pub(super) const CARGO_DENY: Self =
        Self { name: "cargo-deny", version: "0.20.2", why: "checks licences, sources and bans of dependencies" };

    pub(super) fn is_there(&self) -> bool {
        on_path(self.name) || ebpf::cargo_home().join("bin").join(self.name).is_file()
    }

    /// Builds and installs it. Its libraries have to be installed: see [`llvm_packages`].
    pub(super) fn install(&self) -> Result<()> {
        let mut command = Command::new(ebpf::cargo());
        ebpf::forget_outer_cargo(&mut command);
        command.args(["install", self.name, "--locked", "--version", self.version]);
        if *self == Self::BPF_LINKER {
            let llvm = llvm_major(&ebpf::find_compiler()?)?;
            command
                .args(["--no-default-features", "--features", &format!("llvm-{llvm}")])
                .env("LLVM_PREFIX", format!("/usr/lib/llvm-{llvm}"));
        } else {
            // Optimising it would take far longer than its slower runs ever cost.
            command.arg("--debug");
        }
        child::run(&mut command).with_context(|| format!("cannot install {}", self.name))
    }
}

/// Returns the packages that `bpf-linker` is built with. Its LLVM has to read the output of the compiler's LLVM, so
/// both have the same version.
pub(super) fn llvm_packages() -> Result<Vec<String>> {
    let llvm = llvm_major(&ebpf::find_compiler()?)?;
    if !(21..=23).contains(&llvm) {
        let name = CargoTool::BPF_LINKER.name;
        bail!("the BPF compiler has LLVM {llvm}, which {name} {} doesn't know", CargoTool::BPF_LINKER.version);
    }
    let mut packages = vec![format!("llvm-{llvm}-dev"), format!("libpolly-{llvm}-dev")];
    packages.extend(["zlib1g-dev", "libzstd-dev"].map(str::to_owned));
    Ok(packages)
}

/// Returns the major version of the LLVM in a compiler.
fn llvm_major(compiler: &Compiler) -> Result<u32> {
    let mut command = match compiler {
        Compiler::Nightly(name) => {
            let mut command = Command::new("rustup");
            command.args(["run", name, "rustc"]);
            command
        }
        Compiler::Debian => Command::new(ebpf::DEBIAN_RUSTC),
    };
    let output = child::output(command.arg("-vV"))?;
    parse_llvm_major(&String::from_utf8_lossy(&output))
        .with_context(|| format!("`{}` does not print its LLVM version", child::shown(&command)))
}

fn parse_llvm_major(version: &str) -> Option<u32> {
    let line = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    line.split('.').next()?.parse().ok()
}

/// Components to add to a rustup toolchain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RustupComponents {
    /// The toolchain; `None`: the one in use.
    toolchain: Option<String>,
    components: &'static [&'static str],
}

impl RustupComponents {
    /// Returns the components for style and lints that the cargo in use lacks, if any.
    pub(super) fn of_cargo() -> Option<Self> {
        let cargo = ebpf::cargo();
        let beside = |name: &str| cargo.with_file_name(name).is_file() || on_path(name);
        let complete = beside("cargo-fmt") && beside("cargo-clippy");
        (!complete).then_some(Self { toolchain: None, components: &["rustfmt", "clippy"] })
    }

    /// Returns the components for lints that a nightly lacks, if any.
    pub(super) fn of_nightly(name: &str) -> Option<Self> {
        let clippy = ebpf::rustup_home().join("toolchains").join(name).join("bin/cargo-clippy");
        (!clippy.is_file()).then(|| Self { toolchain: Some(name.to_owned()), components: &["clippy"] })
    }

    pub(super) fn install(&self) -> Result<()> {
        let mut command = Command::new("rustup");
        command.args(["component", "add"]).args(self.components);
        if let Some(toolchain) = &self.toolchain {
            command.args(["--toolchain", toolchain]);
        }
        child::run(&mut command).context("cannot add components to a rustup toolchain")
    }
}

impl fmt::Display for RustupComponents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let toolchain = self.toolchain.as_deref().unwrap_or("toolchain in use");
        write!(f, "{} (component of rustup's {toolchain})", self.components.join(" "))
    }
}

/// Installs a nightly that can build `core` for BPF, for distributions without a compiler for BPF.
pub(super) fn install_nightly() -> Result<()> {
    if !on_path("rustup") && !Path::new(&ebpf::cargo_home()).join("bin/rustup").is_file() {
        bail!(
            "neither this distribution nor rustup can provide a BPF compiler: apt knows no {}, and there is no rustup",
            ebpf::DEBIAN_PACKAGES.join(" ")
        );
    }
    let components = ["--profile", "minimal", "--component", "rust-src,clippy"];
    child::run(Command::new("rustup").args(["toolchain", "install", "nightly"]).args(components))
        .context("cannot install a nightly with rust-src")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_of_llvm_is_read_from_the_output_of_rustc() {
        let printed = "rustc 1.96.0\nbinary: rustc\nLLVM version: 22.1.2\n";
        assert_eq!(parse_llvm_major(printed), Some(22));
        assert_eq!(parse_llvm_major("rustc 1.96.0\n"), None);
    }
}
