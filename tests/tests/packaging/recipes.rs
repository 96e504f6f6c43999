//! The Ansible role, as far as that goes without two servers: Ansible reads it, and what its template makes of the example's
//! variables is a configuration.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use lab::{gateway::binary, process::run};

use crate::packages::directory;

fn ansible() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/ansible")
}

#[test]
fn ansible_reads_the_role() -> Result<()> {
    let (inventory, play) = (ansible().join("inventory.ini"), ansible().join("site.yml"));
    let (inventory, play) = (inventory.to_string_lossy(), play.to_string_lossy());
    run(&["ansible-playbook", "--syntax-check", "--inventory", &inventory, &play]).map(drop)
}

/// Fills the template in as Ansible does for a node, with `more` variables, and has it checked.
fn configuration(name: &str, more: &str) -> Result<String> {
    fs::create_dir_all(directory())?;
    let file = directory().join(name);
    let role = ansible().join("roles/vtep_gateway");
    let template = format!("src={} dest={}", role.join("templates/gateway.toml.j2").display(), file.display());
    let defaults = format!("@{}", role.join("defaults/main.yml").display());
    let group = format!("@{}", ansible().join("group_vars/gateways.yml").display());
    let words = ["ansible", "localhost", "--connection", "local", "--module-name", "ansible.builtin.template"];
    let rest = ["--args", &template, "--extra-vars", &defaults, "--extra-vars", &group, "--extra-vars", more];
    run(&[&words[..], &rest[..]].concat())?;
    run(&[binary()?, "check-config", "--config", &file.to_string_lossy()])?;
    Ok(fs::read_to_string(file)?)
}

#[test]
fn what_the_role_writes_is_a_configuration() -> Result<()> {
    let text = configuration("plain.toml", r#"{"vtep_gateway_priority": 150}"#)?;
    assert!(text.contains("\npriority = 150\n") && text.contains("\nvtep = [\"172.31.0.100\"]\n"), "{text}");
    Ok(())
}

#[test]
fn further_options_of_the_role_are_in_what_it_writes() -> Result<()> {
    let more = r#"{
        "vtep_gateway_options": {"ageing": 600},
        "vtep_gateway_vrrp_options": {"preempt": false, "peers": ["172.31.0.22"], "track_database": -20},
        "vtep_gateway_ports": [{"name": "eth1", "mode": "tc", "track": "ignore"}, {"name": "eth2", "track": -10}]
    }"#;
    let text = configuration("more.toml", more)?;
    for line in ["ageing = 600", "preempt = false", "peers = [\"172.31.0.22\"]", "mode = \"tc\"", "track = -10"] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    Ok(())
}
