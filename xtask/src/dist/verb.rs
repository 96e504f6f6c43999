//! `cargo xtask dist` itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};
use clap::Args;

use super::{
    control::{self, Control},
    epoch, tree,
};
use crate::{
    cargo, child,
    setup::{self, Purpose},
};

/// The Debian revision of the package, which is not part of the program's version.
const REVISION: &str = "1";

/// Compression of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    /// That of dpkg-deb.
    Default,
    /// None, for a package that is installed at once: compressing takes longer than all else.
    None,
}

/// Arguments of `cargo xtask dist`.
#[derive(Args)]
pub(crate) struct Options {
    /// Where to leave the package [default: target/dist]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Pack this program instead of building one, say a debug build for a test
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Version of the package [default: that of the workspace and a Debian revision]
    #[arg(long, value_name = "VERSION")]
    deb_version: Option<String>,
}

/// Builds the agent and makes the package; prints its path.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let binary = match &options.binary {
        Some(binary) => {
            setup::ensure(&[Purpose::Package])?;
            binary.canonicalize().with_context(|| format!("there is no program {}", binary.display()))?
        }
        None => {
            setup::ensure(&[Purpose::Bpf, Purpose::Package])?;
            build(root)?
        }
    };
    let output = options.output.clone().unwrap_or_else(|| root.join("target/dist"));
    let version = match &options.deb_version {
        Some(version) => version.clone(),
        None => format!("{}-{REVISION}", cargo::version(root)?),
    };
    let deb = make(root, &binary, &version, &output, Compression::Default)?;
    println!("{}", deb.display());
    Ok(ExitCode::SUCCESS)
}

fn build(root: &Path) -> Result<PathBuf> {
    eprintln!("xtask: building the agent, optimised");
    let args = ["build", "--release", "--locked", "--package", "gateway", "--bin", "vtep-gateway"];
    cargo::executables(root, args)?.remove("vtep-gateway").context("cargo built no binary `vtep-gateway`")
}

/// Makes the package of an agent in the folder `output`, and returns its path.
pub(crate) fn make(
    root: &Path,
    binary: &Path,
    version: &str,
    output: &Path,
    compression: Compression,
) -> Result<PathBuf> {
    fs::create_dir_all(output).with_context(|| format!("making {}", output.display()))?;
    let architecture = control::architecture()?;
    let epoch = epoch::find(root)?;
    let name = format!("vtep-gateway_{version}_{architecture}");
    let stage = output.join(format!("{name}.tree"));
    // Remains of an earlier run that was interrupted.
    remove(&stage)?;
    tree::lay_out(root, &stage, binary, version, epoch)?;
    control::write(&Control { root, stage: &stage, version, architecture: &architecture })?;

    let deb = output.join(format!("{name}.deb"));
    let mut command = Command::new("dpkg-deb");
    command.args((compression == Compression::None).then_some("-Znone"));
    command.args(["--root-owner-group", "--build"]).arg(&stage).arg(&deb).env("SOURCE_DATE_EPOCH", epoch.to_string());
    child::run(&mut command)?;
    remove(&stage)?;
    Ok(deb)
}

fn remove(stage: &Path) -> Result<()> {
    if stage.exists() {
        fs::remove_dir_all(stage).with_context(|| format!("removing {}", stage.display()))?;
    }
    Ok(())
}
