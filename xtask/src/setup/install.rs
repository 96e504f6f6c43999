//! Installs the needs that a survey found missing.

use anyhow::{Result, bail};
use nix::unistd::Uid;

use super::{
    apt,
    survey::Missing,
    tools::{self, CargoTool},
};
use crate::ebpf;

/// Installs all of `missing`: packages first, because cargo's tools are built with them.
pub(super) fn install(missing: &[Missing]) -> Result<()> {
    let wants_compiler = missing.contains(&Missing::BpfCompiler);
    let wants_linker = missing.contains(&Missing::Tool(CargoTool::BPF_LINKER));
    let mut packages: Vec<&str> = missing
        .iter()
        .filter_map(|missing| if let Missing::Package { name, .. } = missing { Some(*name) } else { None })
        .collect();

    if !packages.is_empty() || wants_compiler || wants_linker {
        if !apt::is_here() {
            bail!("this is no Debian or Ubuntu, so the list above has to be installed by hand");
        }
        if !Uid::effective().is_root() {
            bail!("installing packages takes root: run this as root, or install the list above by hand");
        }
        step("reading the lists of packages");
        apt::update()?;
    }

    let debian_compiler = wants_compiler && ebpf::DEBIAN_PACKAGES.iter().all(|package| apt::knows(package));
    if debian_compiler {
        packages.extend(ebpf::DEBIAN_PACKAGES);
    }
    if !packages.is_empty() {
        step(&format!("installing packages: {}", packages.join(" ")));
        apt::install(&packages)?;
    }
    if wants_compiler && !debian_compiler {
        step("apt has no compiler for BPF; installing a rustup nightly with rust-src");
        tools::install_nightly()?;
    }
    if wants_linker {
        let packages = tools::llvm_packages()?;
        step(&format!("installing packages to build bpf-linker with: {}", packages.join(" ")));
        apt::install(&packages)?;
    }

    for missing in missing {
        match missing {
            Missing::Tool(tool) => {
                step(&format!("building {} with cargo; this takes a minute or two", tool.name));
                tool.install()?;
            }
            Missing::Components(components) => {
                step(&format!("adding {components}"));
                components.install()?;
            }
            Missing::Package { .. } | Missing::BpfCompiler => {}
        }
    }
    Ok(())
}

fn step(what: &str) {
    eprintln!("xtask: {what}");
}
