//! Refusals of the agent: one clear line, and nothing attached.

use std::{fs, process::Output};

use anyhow::Result;
use lab::{
    Host,
    crossing::{Crossing, EXT, Plan, Site},
    gateway,
};

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Exit status 2, the words in the message, and no trace on the machine.
fn assert_refused(gw: &Host, output: &Output, words: &[&str]) -> Result<()> {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
    assert_nothing_attached(gw)
}

fn assert_nothing_attached(gw: &Host) -> Result<()> {
    let links = gw.lab().pins(gw.name()).join("links");
    assert!(fs::read_dir(&links).map_or(true, |mut links| links.next().is_none()));
    for dev in ["u0", "a0"] {
        assert!(gw.ip_json(&format!("link show dev {dev}"))?[0]["xdp"].is_null());
    }
    Ok(())
}

#[test]
fn a_wrong_configuration_is_named_by_file_line_and_field() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let good = site.config().to_string();
    for (from, to, words) in [
        ("[gateway]", "[gateway", vec!["gw-try.toml:1:"]),
        ("vni = 5001", "vni = 16777216", vec!["vni", "16777215"]),
        ("vni = 5001", "vni = 0", vec!["vni"]),
        ("vni = 5001", "", vec!["vni"]),
        ("vlan = 100", "vlan = 4095", vec!["vlan", "4094"]),
        ("port = \"a0\"", "port = \"a7\"", vec!["a7"]),
        ("learn_remote", "learn_remotely", vec!["learn_remotely"]),
        ("mode = \"xdp\"", "mode = \"fast\"", vec!["mode", "fast"]),
        ("02:aa:00:00:00:0b", "03:aa:00:00:00:0b", vec!["03:aa:00:00:00:0b"]),
        ("02:aa:00:00:00:0b", "02:aa:00:00:0b", vec!["02:aa:00:00:0b"]),
        ("flood = [\"172.31.0.11\"]", "flood = [\"172.31.0.300\"]", vec!["flood"]),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let output = gateway::try_run(&site.gw, &text)?;
        let words = [words, vec!["gw-try.toml"]].concat();
        assert_refused(&site.gw, &output, &words)?;
    }
    Ok(())
}

#[test]
fn check_config_reports_whether_a_file_is_good() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let file = site.lab.directory().join("check.toml");
    let check = format!("check-config --config {}", file.display());
    fs::write(&file, site.config().to_string())?;
    let output = gateway::command(&site.gw, &check)?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    fs::write(&file, "vtep = 7")?;
    assert_refused(&site.gw, &gateway::command(&site.gw, &check)?, &["check.toml"])
}

#[test]
fn a_missing_file_and_wrong_arguments_are_refused() -> Result<()> {
    let site = Site::build(Plan::default())?;
    assert_refused(&site.gw, &gateway::command(&site.gw, "run --config /nowhere.toml")?, &["/nowhere.toml"])?;
    assert_refused(&site.gw, &gateway::command(&site.gw, "run --konfig x")?, &["--konfig"])?;
    assert_refused(&site.gw, &gateway::command(&site.gw, "")?, &["Usage"])
}

#[test]
fn an_interface_that_is_not_there_is_named() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let output = gateway::try_run(&site.gw, &site.config().to_string().replace("\"u0\"", "\"u9\""))?;
    let text = stderr(&output);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{text}");
    assert!(text.lines().last().is_some_and(|line| line.contains("u9")), "{text}");
    assert_nothing_attached(&site.gw)
}

#[test]
fn a_second_agent_is_refused_and_the_first_goes_on() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let output = gateway::try_run(&lab.gw, &lab.config.to_string())?;
    let text = stderr(&output);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{text}");
    assert!(text.lines().last().is_some_and(|line| line.contains("another vtep-gateway")), "{text}");
    lab.vm.wait_reaches(&EXT.v4().to_string())
}

#[test]
fn without_root_it_lists_what_it_needs() -> Result<()> {
    let site = Site::build(Plan::default())?;
    // The program may be where only root can read.
    let program = site.lab.directory().join("vtep-gateway");
    fs::copy(gateway::binary()?, &program)?;
    let file = site.lab.directory().join("nobody.toml");
    fs::write(&file, site.config().to_string())?;
    let output = site.gw.attempt(&format!(
        "timeout 10 setpriv --reuid=65534 --regid=65534 --clear-groups {} run --config {}",
        program.display(),
        file.display()
    ))?;
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.lines().last().is_some_and(|line| line.contains("root") || line.contains("CAP_")), "{text}");
    assert_nothing_attached(&site.gw)
}
