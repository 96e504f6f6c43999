//! Calls the cargo that runs xtask, for everything that is built for the host.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{child, ebpf};

/// Selects the packages that are built for the host. All verbs select the same ones: otherwise cargo would unify
/// features differently and build the dependencies again.
pub(crate) const HOST_PACKAGES: [&str; 3] = ["--workspace", "--exclude", "gateway-ebpf"];

/// Environment variable with the path of the agent's binary, for tests and the demo.
pub(crate) const AGENT_ENV: &str = "VTEP_GATEWAY";

/// Makes the command `cargo ARGS` in the workspace at `root`.
pub(crate) fn cargo<'a>(root: &Path, args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(ebpf::cargo());
    command.current_dir(root).args(args);
    // The inner cargo must not see the variables that `cargo run` has set for xtask, but those of the user.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a cargo that builds. Returns the executables that it built or found fresh, by target name.
pub(crate) fn executables<'a>(
    root: &Path,
    args: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeMap<String, PathBuf>> {
    executables_of(&mut cargo(root, args))
}

/// Runs `command`, which is a cargo that builds, likewise.
pub(crate) fn executables_of(command: &mut Command) -> Result<BTreeMap<String, PathBuf>> {
    let output = child::output(command.arg("--message-format=json-render-diagnostics"))?;
    Ok(executables_in(&String::from_utf8_lossy(&output)))
}

/// Returns the version of the agent.
pub(crate) fn version(root: &Path) -> Result<String> {
    let output = child::output(&mut cargo(root, ["metadata", "--format-version=1", "--no-deps", "--locked"]))?;
    let metadata: Value = serde_json::from_slice(&output)?;
    let packages = metadata["packages"].as_array();
    let agent = packages.into_iter().flatten().find(|package| package["name"] == "gateway");
    let version =
        agent.and_then(|agent| agent["version"].as_str()).context("the workspace has no package `gateway`")?;
    Ok(version.to_owned())
}

/// Returns the integration tests of the workspace at `root` that `cargo test` runs by default, by target name.
pub(crate) fn integration_tests(root: &Path) -> Result<Vec<String>> {
    let output = child::output(&mut cargo(root, ["metadata", "--format-version=1", "--no-deps", "--locked"]))?;
    Ok(integration_tests_in(&serde_json::from_slice(&output)?))
}

fn integration_tests_in(metadata: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            if target["kind"][0] == "test" && target["test"] == true {
                names.extend(target["name"].as_str().map(str::to_owned));
            }
        }
    }
    names.sort();
    names
}

fn executables_in(messages: &str) -> BTreeMap<String, PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter_map(|message| {
            let path = message["executable"].as_str()?;
            Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(path)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_about_executables_name_one() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"gateway"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"packets"},"executable":"/t/packets-1"}
{"reason":"build-finished","success":true}"#;
        let expected = BTreeMap::from([("packets".to_owned(), PathBuf::from("/t/packets-1"))]);
        assert_eq!(executables_in(messages), expected);
    }

    #[test]
    fn only_tests_that_are_run_unasked_are_integration_tests() {
        let target =
            |kind: &str, name: &str, test: bool| serde_json::json!({"kind": [kind], "name": name, "test": test});
        let targets = [target("test", "packets", true), target("test", "apart", false), target("lib", "lab", true)];
        let metadata =
            serde_json::json!({"packages": [{"targets": targets}, {"targets": [target("test", "e2e", true)]}]});
        assert_eq!(integration_tests_in(&metadata), ["e2e", "packets"]);
    }
}
