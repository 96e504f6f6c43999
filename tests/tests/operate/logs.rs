//! The log: to standard error and to the journal, at levels that change while the agent runs, and never without end.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::{
        fs::MetadataExt,
        net::{UnixDatagram, UnixStream},
    },
    path::Path,
};

use anyhow::{Context, Result};
use lab::{
    crossing::{Crossing, EXT, Plan, Site},
    gateway::{Gateway, Surroundings, log_of},
    process,
    wait::{SOON, wait_for, wait_some},
};
use serde_json::Value;

fn vlog(lab: &Crossing, words: &[&str]) -> Result<String> {
    let socket = lab.config.run_dir.join("vtep-gateway.ctl").display().to_string();
    let output = process::run(&[&["ovs-appctl", "-t", &socket], words].concat())?;
    Ok(String::from_utf8(output.stdout)?)
}

/// The level of a module on standard error.
fn level(lab: &Crossing, module: &str) -> Result<String> {
    let list = vlog(lab, &["vlog/list"])?;
    let row = list.lines().find(|line| line.split_whitespace().next() == Some(module)).context("a row")?;
    Ok(row.split_whitespace().nth(1).context("a column")?.to_owned())
}

/// Puts a directory in the place of systemd's, for the agent alone.
fn with_systemd_at(directory: &Path) -> Surroundings {
    let bind = format!("mkdir -p /run/systemd && mount --bind {} /run/systemd && exec \"$@\"", directory.display());
    let before = ["unshare", "--mount", "--propagation", "private", "sh", "-c", &bind, "sh"];
    Surroundings { before: before.map(str::to_owned).to_vec(), options: Vec::new() }
}

/// A journal of the test's own, in a directory that is to be systemd's.
fn journal(site: &Site) -> Result<(UnixDatagram, Surroundings)> {
    let directory = site.lab.directory().join("systemd");
    fs::create_dir_all(directory.join("journal"))?;
    let socket = UnixDatagram::bind(directory.join("journal/socket"))?;
    socket.set_read_timeout(Some(SOON))?;
    Ok((socket, with_systemd_at(&directory)))
}

/// The line of the journal that has this field.
fn wait_line(journal: &UnixDatagram, field: &str) -> Result<Vec<String>> {
    let mut bytes = vec![0; 1 << 20];
    loop {
        let length = journal.recv(&mut bytes).with_context(|| format!("waiting for {field}"))?;
        let fields: Vec<String> = String::from_utf8_lossy(&bytes[..length]).lines().map(str::to_owned).collect();
        if fields.iter().any(|found| found.starts_with(field)) {
            return Ok(fields);
        }
    }
}

#[test]
fn each_line_of_json_is_an_object_with_its_values() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let mut gateway =
        Gateway::launch_in(&site.gw, &site.config(), Surroundings::default().options(&["--log-format", "json"]))?;
    gateway.wait_log(|line| line.contains("\"ready\""))?;
    let lines: Vec<Value> = gateway.log()?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let ready = lines.iter().find(|line| line["message"] == "ready").context("the line")?;
    assert_eq!((&ready["switches"], &ready["macs"], &ready["level"]), (&1.into(), &1.into(), &"INFO".into()));
    assert_eq!(ready["target"], "vtep_gateway::agent::forwarding");
    Ok(())
}

#[test]
fn the_journal_has_a_field_for_each_value() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let (journal, surroundings) = journal(&site)?;
    let _gateway = Gateway::launch_in(&site.gw, &site.config(), surroundings.options(&["--log-format", "journald"]))?;
    let ready = wait_line(&journal, "MESSAGE=ready")?;
    for field in
        ["PRIORITY=6", "SYSLOG_IDENTIFIER=vtep-gateway", "TARGET=vtep_gateway::agent::forwarding", "VTEP_SWITCHES=1"]
    {
        assert!(ready.iter().any(|found| found == field), "{field} in {ready:?}");
    }
    let message = ready.iter().find(|field| field.starts_with("MESSAGE=")).context("a message")?;
    assert!(message.contains("switches=1"), "{message}");
    Ok(())
}

#[test]
fn the_journal_is_chosen_where_standard_error_goes_there() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let (journal, mut surroundings) = journal(&site)?;
    // What the log file is, is what systemd would have connected to the journal.
    let file = File::create(log_of(&site.gw))?.metadata()?;
    surroundings.before.extend(["env".to_owned(), format!("JOURNAL_STREAM={}:{}", file.dev(), file.ino())]);
    let gateway = Gateway::launch_in(&site.gw, &site.config(), surroundings)?;
    wait_line(&journal, "MESSAGE=ready")?;
    assert_eq!(gateway.log()?, "");
    Ok(())
}

#[test]
fn where_there_is_no_journal_that_is_said_and_nothing_started() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let directory = site.lab.directory().join("systemd");
    fs::create_dir_all(&directory)?;
    let surroundings = with_systemd_at(&directory).options(&["--log-format", "journald"]);
    let (status, log) = Gateway::launch_in(&site.gw, &site.config(), surroundings)?.wait_end()?;
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("/run/systemd/journal/socket") && log.contains("--log-format text"), "{log}");
    Ok(())
}

#[test]
fn levels_change_while_the_agent_runs() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    // Each reload binds another VLAN, and what that took is a debug line of the agent.
    let mut vlan = 200;
    let mut debug_lines = |lab: &mut Crossing| -> Result<usize> {
        let mark = lab.gateway.log()?.lines().count();
        vlan += 1;
        lab.config.switches[0].bindings.push(("a0".into(), vlan));
        lab.gateway.reload(&lab.config)?;
        Ok(lab.gateway.log()?.lines().skip(mark).filter(|line| line.contains("DEBUG")).count())
    };
    assert_eq!((level(&lab, "agent")?, debug_lines(&mut lab)?), ("INFO".to_owned(), 0));
    assert_eq!(vlog(&lab, &["vlog/set", "agent:console:dbg", "ctl:warn"])?.trim(), "");
    assert_eq!(
        (level(&lab, "agent")?, level(&lab, "ctl")?, level(&lab, "ha")?),
        ("DBG".into(), "WARN".into(), "INFO".into())
    );
    assert!(debug_lines(&mut lab)? > 0);
    // One that is wrong, and none is applied.
    assert!(vlog(&lab, &["vlog/set", "agent:off", "agent:file:dbg"]).is_err());
    assert_eq!(level(&lab, "agent")?, "DBG");
    vlog(&lab, &["vlog/set", "info"])?;
    assert_eq!((level(&lab, "agent")?, level(&lab, "ctl")?, debug_lines(&mut lab)?), ("INFO".into(), "INFO".into(), 0));
    Ok(())
}

#[test]
fn repeated_lines_are_left_out_and_counted() -> Result<()> {
    const TIMES: usize = 300;
    let mut lab = Crossing::build(Plan::default())?;
    let socket = lab.config.run_dir.join("vtep-gateway.ctl");
    let complain = || -> Result<()> {
        for _ in 0..TIMES {
            // The agent hangs up, whether or not it was all written.
            let mut stream = UnixStream::connect(&socket)?;
            let _ = stream.write_all(b"garbage");
            std::io::copy(&mut stream, &mut std::io::sink()).ok();
        }
        Ok(())
    };
    let complaints = |lab: &Crossing| -> Result<usize> {
        Ok(lab.gateway.log()?.lines().filter(|line| line.contains("hung up on a client: it does not speak")).count())
    };
    complain()?;
    let left_out = |lab: &Crossing| -> Option<u64> {
        let text = vlog(lab, &["coverage/show"]).ok()?;
        let line = text.lines().find(|line| line.starts_with("log_line_left_out"))?;
        line.rsplit(' ').next()?.parse().ok()
    };
    let count = wait_some("lines to be left out", SOON, || left_out(&lab))?;
    let written = complaints(&lab)?;
    assert!((20..60).contains(&written) && count > 200, "{written} written, {count} left out");

    // A log level shows all of it.
    vlog(&lab, &["vlog/disable-rate-limit"])?;
    complain()?;
    wait_for("all lines to be written", SOON, || complaints(&lab).is_ok_and(|now| now >= written + TIMES))?;
    vlog(&lab, &["vlog/enable-rate-limit"])?;
    complain()?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;

    vlog(&lab, &["exit"])?;
    let (_, log) = lab.gateway.wait_end()?;
    let line = log.lines().find(|line| line.contains("more like this left out in")).context("what was left out")?;
    assert!(line.contains("hung up on a client"), "{line}");
    Ok(())
}
