//! The control socket, as `ovs-appctl` of Open vSwitch talks to it.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, process::Output};

use anyhow::{Result, ensure};
use gateway_api::ctl::COMMANDS;
use lab::{
    crossing::{Crossing, EXT, Plan, Site},
    process,
    wait::{SOON, wait_for},
};
use serde_json::Value;

/// The socket of a lab's gateway.
fn socket(lab: &Crossing) -> String {
    lab.config.run_dir.join("vtep-gateway.ctl").display().to_string()
}

/// Runs `ovs-appctl`, and accepts any result.
fn appctl(lab: &Crossing, words: &[&str]) -> Result<Output> {
    process::attempt(&[&["ovs-appctl", "-t", &socket(lab)], words].concat())
}

/// Returns its output.
fn answer(lab: &Crossing, words: &[&str]) -> Result<String> {
    let output = appctl(lab, words)?;
    ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns its error output; it exits with 2 then.
fn refused(lab: &Crossing, words: &[&str]) -> Result<String> {
    let output = appctl(lab, words)?;
    assert_eq!(output.status.code(), Some(2), "{words:?}");
    Ok(String::from_utf8(output.stderr)?)
}

/// `name:value` pairs.
fn pairs(text: &str) -> BTreeMap<&str, u64> {
    text.split_whitespace().map(|pair| pair.split_once(':').unwrap()).map(|(k, v)| (k, v.parse().unwrap())).collect()
}

/// Totals by counter.
fn totals(text: &str) -> BTreeMap<&str, u64> {
    let lines = text.lines().filter_map(|line| line.split_once("total: "));
    lines.map(|(rest, total)| (rest.split_whitespace().next().unwrap(), total.parse().unwrap())).collect()
}

#[test]
fn ovs_appctl_is_answered_whatever_it_asks() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;

    let list = answer(&lab, &["list-commands"])?;
    let listed: Vec<&str> = list.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    let mut expected: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    expected.extend(["list-commands", "version"]);
    expected.sort_unstable();
    assert_eq!(listed, expected);

    // All but the one that ends it are answered, one way or the other.
    for command in COMMANDS.iter().filter(|command| command.name != "exit") {
        let params = vec!["x"; *command.params.start()];
        let output = appctl(&lab, &[&[command.name], params.as_slice()].concat())?;
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 2)), "{}: {complaint}", command.name);
        assert!(!complaint.contains("valid command"), "{complaint}");
    }
    assert!(refused(&lab, &["frobnicate"])?.contains("list-commands"));
    assert!(refused(&lab, &["status", "json", "more"])?.contains("at most 1"));

    assert_eq!(answer(&lab, &["version"])?.split_whitespace().next(), Some("vtep-gateway"));
    let status: Value = serde_json::from_str(&answer(&lab, &["status", "json"])?)?;
    assert_eq!(status["pid"].as_u64(), lab.gateway.pid().map(u64::from));
    assert!(refused(&lab, &["vrrp/handover"])?.contains("[[vrrp]]"));

    assert!(answer(&lab, &["exit"])?.trim().is_empty());
    let (status, log) = lab.gateway.wait_end()?;
    assert!(status.success(), "{log}");
    Ok(())
}

#[test]
fn memory_and_coverage_are_shown() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;

    let memory = answer(&lab, &["memory/show"])?;
    let memory = pairs(&memory);
    assert_eq!([memory["switches"], memory["bindings"], memory["tunnels"], memory["macs-given"]], [1, 1, 1, 1]);
    // The outside host has spoken; that is known at once.
    wait_for("the station that was learned", SOON, || {
        answer(&lab, &["memory/show"]).is_ok_and(|text| pairs(&text)["macs-learned"] == 1)
    })?;
    for kilobytes in ["heap-kB", "resident-kB", "maps-kB"] {
        assert!(memory[kilobytes] > 100, "{kilobytes}: {memory:?}");
    }

    let before = answer(&lab, &["coverage/show"])?;
    assert!(before.starts_with("Event coverage"));
    answer(&lab, &["reload"])?;
    let after = answer(&lab, &["coverage/show"])?;
    let (before, after) = (totals(&before), totals(&after));
    let more = |of: &str| after.get(of).copied().unwrap_or(0) - before.get(of).copied().unwrap_or(0);
    assert_eq!((more("turn_reload"), more("turn_request"), more("ctl_client")), (1, 2, 2), "{after:?}");
    assert!(more("plan") >= 1 && more("census") >= 1 && after["map_operation"] > 0 && after["learn_event"] > 0);
    Ok(())
}

#[test]
fn a_reload_answers_what_is_wrong_and_then_that_all_is_well() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    let good = lab.config.to_string();
    let file = lab.gateway.file().to_owned();

    fs::write(&file, good.replacen("vni = 5001", "vni = 0", 1))?;
    let complaint = refused(&lab, &["reload"])?;
    assert!(
        complaint.contains("vni: expected 1 to 16777215, found 0") && complaint.contains("gw.toml:"),
        "{complaint}"
    );

    fs::write(&file, good.replacen("[gateway]", "[gateway]\nudp_port = 4790", 1))?;
    let output = lab.gateway.try_ask("reload")?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr)?.contains("need a restart: gateway.udp_port (4789 -> 4790)"));
    lab.vm.wait_reaches(&EXT.v4().to_string())?;

    // What is new in the file has been done when the answer is there.
    let hv = lab.hv.vtep();
    lab.config.switches.push(lab::config::Switch::new(5002, &[hv]).bound("a0", 200));
    fs::write(&file, lab.config.to_string())?;
    assert_eq!(lab.gateway.ask("reload")?, format!("reloaded {}\n", file.display()));
    assert_eq!(pairs(&answer(&lab, &["memory/show"])?)["switches"], 2);
    Ok(())
}

#[test]
fn members_of_the_group_look_root_changes_and_nobody_else_is_let_in() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let config = lab::config::Config { control_group: Some("daemon".into()), ..site.config() };
    let run_dir = config.run_dir.clone();
    let lab = site.start(config)?;
    let socket = socket(&lab);
    let as_user = |group: &str, words: &[&str]| {
        let who = ["setpriv", "--reuid=nobody", group, "--clear-groups", "ovs-appctl", "-t", &socket];
        process::attempt(&[&who, words].concat())
    };

    let output = as_user("--regid=daemon", &["status", "json"])?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let status: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(status["pid"].as_u64(), lab.gateway.pid().map(u64::from));
    for change in [&["exit"][..], &["reload"], &["vlog/set", "dbg"], &["vrrp/handover", "--force"]] {
        let output = as_user("--regid=daemon", change)?;
        assert_eq!(output.status.code(), Some(2), "{change:?}");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaint.contains("for root alone"), "{complaint}");
    }

    let output = as_user("--regid=nogroup", &["status"])?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"));

    // What is beside the socket lets in no more than that.
    wait_for("the status file", SOON, || run_dir.join("status.json").exists())?;
    let mode = |name: &str| fs::metadata(run_dir.join(name)).map(|found| found.permissions().mode() & 0o777);
    assert_eq!((mode("vtep-gateway.ctl")?, mode("status.json")?), (0o660, 0o640));
    assert!(answer(&lab, &["status"]).is_ok() && lab.vm.reaches(&EXT.v4().to_string()));
    Ok(())
}
