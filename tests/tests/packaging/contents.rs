//! Contents of the package, without installing it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use lab::{
    package::make,
    process::{run, text},
};

use crate::packages::{OLD, directory, package};

/// Runs a command and gives what it writes, with a reason where it fails.
fn output(words: &[&str]) -> Result<String> {
    Ok(String::from_utf8_lossy(&run(words)?.stdout).into_owned())
}

#[test]
fn the_same_sources_make_the_same_package() -> Result<()> {
    let again = make(OLD, &directory().join("again"))?;
    ensure!(fs::read(package(OLD)?)? == fs::read(&again)?, "{} differs", again.display());
    Ok(())
}

#[test]
fn lintian_finds_nothing() -> Result<()> {
    let package = package(OLD)?.to_string_lossy();
    let words = ["lintian", "--no-cfg", "--allow-root", "--fail-on", "error,warning", &package];
    let found = output(&words).context("lintian")?;
    ensure!(found.trim().is_empty(), "{found}");
    Ok(())
}

#[test]
fn everything_an_operator_looks_for_is_in_it() -> Result<()> {
    let listing = output(&["dpkg-deb", "--contents", &package(OLD)?.to_string_lossy()])?;
    let files: Vec<&str> = listing.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    for file in [
        "./usr/sbin/vtep-gateway",
        "./usr/lib/systemd/system/vtep-gateway.service",
        "./etc/vtep-gateway/gateway.toml",
        "./usr/share/man/man8/vtep-gateway.8.gz",
        "./usr/share/man/man8/vtep-gateway-status.8.gz",
        "./usr/share/man/man5/vtep-gateway.toml.5.gz",
        "./usr/share/bash-completion/completions/vtep-gateway",
        "./usr/share/zsh/vendor-completions/_vtep-gateway",
        "./usr/share/fish/vendor_completions.d/vtep-gateway.fish",
        "./usr/share/doc/vtep-gateway/copyright",
        "./usr/share/doc/vtep-gateway/examples/gateway.toml",
        "./usr/share/doc/vtep-gateway/examples/hardware-vtep-db.service",
    ] {
        ensure!(files.contains(&file), "{file} is not in\n{listing}");
    }
    let strange = listing.lines().find(|line| !line.contains(" root/root "));
    ensure!(strange.is_none(), "not root's: {strange:?}");
    Ok(())
}

#[test]
fn the_configuration_is_a_conffile() -> Result<()> {
    let conffiles = output(&["dpkg-deb", "--info", &package(OLD)?.to_string_lossy(), "conffiles"])?;
    assert_eq!(conffiles, "/etc/vtep-gateway/gateway.toml\n");
    Ok(())
}

#[test]
fn systemd_rates_the_units_3_at_most() -> Result<()> {
    for unit in ["systemd/vtep-gateway", "ovn/hardware-vtep-db", "ovn/hardware-vtep-controller"] {
        // systemd-analyze looks for the program that the unit starts, which is installed nowhere here.
        let output = Command::new("systemd-analyze")
            .args(["security", "--no-pager", "--offline=true", "--threshold=30"])
            .arg(unit_file(unit))
            .output()?;
        let printed = text(&output);
        ensure!(output.status.success(), "{printed}");
        ensure!(printed.contains("Overall exposure level"), "{printed}");
    }
    Ok(())
}

#[test]
fn the_units_say_nothing_that_systemd_does_not_know() -> Result<()> {
    for unit in ["systemd/vtep-gateway", "ovn/hardware-vtep-db", "ovn/hardware-vtep-controller"] {
        let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(unit_file(unit)).output()?;
        let printed = String::from_utf8_lossy(&output.stderr);
        let strange = printed.lines().find(|line| line.contains("Unknown") || line.contains("ignoring"));
        ensure!(strange.is_none(), "{unit}: {strange:?}");
    }
    Ok(())
}

#[test]
fn the_image_is_healthy_whatever_is_in_its_configuration() -> Result<()> {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/oci/Containerfile");
    let recipe = fs::read_to_string(recipe)?;
    let (_, check) = recipe.split_once("HEALTHCHECK").context("no HEALTHCHECK")?;
    ensure!(check.contains("status --socket /run/vtep-gateway"), "{check}");
    Ok(())
}

fn unit_file(unit: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../packaging/{unit}.service"))
}

#[test]
fn manual_pages_are_without_mistakes() -> Result<()> {
    let tree = directory().join("pages");
    let _ = fs::remove_dir_all(&tree);
    run(&["dpkg-deb", "--extract", &package(OLD)?.to_string_lossy(), &tree.to_string_lossy()])?;
    for section in ["man5", "man8"] {
        for page in fs::read_dir(tree.join("usr/share/man").join(section))?.flatten() {
            let page = page.path();
            let shown = Command::new("man")
                .args(["--warnings", "--local-file"])
                .arg(&page)
                .envs([("MANROFFSEQ", ""), ("MANWIDTH", "80"), ("LC_ALL", "C.UTF-8")])
                .output()?;
            let mistakes = String::from_utf8_lossy(&shown.stderr);
            ensure!(shown.status.success() && mistakes.is_empty(), "{}: {mistakes}", page.display());
            ensure!(String::from_utf8_lossy(&shown.stdout).contains("DESCRIPTION"), "{}", page.display());
        }
    }
    Ok(())
}
