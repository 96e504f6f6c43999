//! A half-edited configuration file takes no verb of a running agent away.

use std::{fs, process::Output};

use anyhow::{Context, Result, ensure};
use lab::{
    crossing::{Crossing, EXT, Plan, VLAN, VM},
    gateway::command,
    process::text,
};
use serde_json::Value;

fn printed(output: &Output, code: i32) -> Result<String> {
    let text = text(output);
    ensure!(output.status.code() == Some(code), "exit code {:?}, not {code}:\n{text}", output.status.code());
    Ok(text)
}

/// All verbs, on an agent whose file has been made `broken`.
fn every_verb_works(broken: impl Fn(&str) -> String, place: &str) -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    let file = lab.gateway.file().to_owned();
    let sound = fs::read_to_string(&file)?;
    fs::write(&file, broken(&sound))?;
    let ask = |verb: &str| lab.gateway.try_ask(verb);
    ensure!(printed(&ask("check-config")?, 2)?.contains(place), "the file is not broken");

    ensure!(printed(&ask("status")?, 0)?.contains("healthy"));
    for noun in ["switches", "bindings", "macs", "tunnels", "neighbours", "vrrp", "counters", "drops"] {
        printed(&ask(&format!("show {noun}"))?, 0)?;
    }
    printed(&ask("top --once --interval 0.1")?, 0)?;
    printed(&ask("monitor --history --no-follow")?, 0)?;
    let frame = format!("--vlan {VLAN} --src {} --dst {}", EXT.mac(), VM.mac());
    let way = printed(&ask(&format!("trace --in a0 {frame} --expect forwarded"))?, 0)?;
    ensure!(way.contains("=> forwarded"), "{way}");
    ensure!(printed(&ask(&format!("trace --in a1 {frame}"))?, 2)?.contains("is a0 meant?"));
    // What they are refused for is not the file.
    ensure!(printed(&ask("handover")?, 1)?.contains("no [[vrrp]]"));
    let refused = printed(&ask("reload")?, 1)?;
    ensure!(refused.contains(place), "{refused}");

    // The doctor names the file's fault among the others, and looks at what is sound.
    let answer: Value = serde_json::from_slice(&ask("doctor --json --no-probe")?.stdout).context("the doctor")?;
    let findings = answer["findings"].as_array().context("no findings")?;
    let of = |check: &str| findings.iter().filter(|one| one["check"] == check).collect::<Vec<_>>();
    let file_findings = of("config-file");
    let bad = file_findings.iter().find(|one| one["mark"] == "bad").context("the file is not found bad")?;
    ensure!(bad.to_string().contains(place), "{bad:#}");
    ensure!(of("attached").iter().any(|one| one["subject"] == "a0"), "{findings:#?}");
    ensure!(of("agent").iter().all(|one| one["mark"] == "ok"), "{findings:#?}");

    // The agent is found by its socket, or by its run directory, too.
    let socket = lab.config.run_dir.join("vtep-gateway.ctl");
    for of in [socket.as_path(), &lab.config.run_dir] {
        printed(&command(&lab.gw, &format!("status -t {}", of.display()))?, 0)?;
    }
    lab.gateway.exit("--keep-role")?;
    ensure!(text(&command(&lab.gw, &format!("status --config {}", file.display()))?).contains("no agent is running"));
    Ok(())
}

#[test]
fn a_wrong_value_in_the_file_takes_no_verb_away() -> Result<()> {
    let more = "\n[[switch]]\nname = \"new\"\nvni = 7\nbindings = [{ port = \"a0\", vlan = 5000 }]\n";
    every_verb_works(|sound| format!("{sound}{more}"), "5000")
}

#[test]
fn a_file_that_is_no_toml_takes_no_verb_away() -> Result<()> {
    every_verb_works(|sound| format!("{sound}\n[[port]\nname = \n"), "toml:")
}
