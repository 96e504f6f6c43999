//! `vtep-gateway monitor`: what happens, as it happens.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Context, Result};
use gateway_common::net::MacAddr;
use lab::{
    Host,
    cluster::{Pair, Plan as PairPlan},
    config::{Config, Mode},
    crossing::{Crossing, EXT2, Plan, Site, Underlay, VLAN, VM, VNI},
    frame::Frame,
    gateway::{Gateway, binary},
    process::Process,
    vlan,
    wait::{SOON, wait_for, wait_some},
    wire::Wire,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// A monitor that runs while the test does what it does.
struct Monitor {
    process: Process,
}

impl Monitor {
    /// Starts one with these options, and `--json`.
    fn start(gateway: &Gateway, name: &str, options: &str) -> Result<Self> {
        let host = gateway.host();
        let log: PathBuf = host.lab().directory().join(format!("{}-{name}.log", host.name()));
        let config = gateway.file().display().to_string();
        let mut words = vec![binary()?, "monitor", "--json", "--config", &config];
        words.extend(options.split_whitespace());
        Ok(Self { process: Process::start(&words, &log)? })
    }

    /// Starts one that shows everything from the start of the agent on.
    fn all(gateway: &Gateway) -> Result<Self> {
        Self::start(gateway, "monitor", "--history")
    }

    /// Returns its output so far. Lines that are no objects are those on standard error.
    fn events(&self) -> Vec<Value> {
        self.process.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn of_kind(&self, kind: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == kind).collect()
    }

    /// The first event that `wanted` accepts, once it is there.
    fn expect(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_some(what, SOON, || self.events().into_iter().find(&wanted))
            .with_context(|| format!("what it showed:\n{}", self.process.log()))
    }

    fn expect_kind(&self, kind: &str) -> Result<Value> {
        self.expect(kind, |event| event["event"] == kind)
    }
}

/// An event without its number and time, to be compared.
fn bare(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(fields) = event.as_object_mut() {
        fields.remove("seq");
        fields.remove("time");
    }
    event
}

fn port(name: &str) -> Value {
    json!({ "where": "port", "port": name, "vlan": VLAN })
}

fn about(event: &Value, kind: &str, mac: MacAddr) -> bool {
    event["event"] == kind && event["mac"] == mac.to_string()
}

/// A gateway with two access ports in one switch, and the host behind the second one.
fn two_ports(ageing: Option<u32>) -> Result<(Crossing, Host)> {
    let site = Site::build(Plan::default())?;
    let other = vlan::host(&site.gw, "a1", VLAN, "ext2", &EXT2.mac().to_string(), &[])?;
    let mut config = site.config().port("a1", Mode::Xdp);
    config.ageing = ageing;
    config.switch_mut(VNI).bindings.push(("a1".to_owned(), VLAN));
    Ok((site.start(config)?, other))
}

#[test]
fn a_station_is_learned_moves_and_ages() -> Result<()> {
    let (lab, other) = two_ports(Some(2))?;
    let monitor = Monitor::all(&lab.gateway)?;
    let started = monitor.expect_kind("started")?;
    assert_eq!(
        (&started["bindings"], &started["adopted"], &started["pid"]),
        (&json!(2), &json!(false), &json!(lab.gateway.pid()))
    );

    let roamer = MacAddr([2, 0xcc, 0, 0, 0, 1]);
    let hello = Frame::text(roamer, MacAddr::BROADCAST, "here I am");
    Wire::open(&lab.ext, "eth0")?.send(&hello)?;
    let learned = monitor.expect("it is learned", |event| about(event, "learned", roamer))?;
    let station = json!({ "vni": VNI, "switch": format!("net-{VNI}"), "mac": roamer.to_string() });
    let expected = |event: &str, rest: Value| {
        let mut expected = station.clone();
        expected["event"] = event.into();
        rest.as_object().into_iter().flatten().for_each(|(key, value)| expected[key] = value.clone());
        expected
    };
    assert_eq!(bare(&learned), expected("learned", json!({ "at": port("a0") })));

    Wire::open(&other, "eth0")?.send(&hello)?;
    let moved = monitor.expect("it has moved", |event| about(event, "moved", roamer))?;
    assert_eq!(bare(&moved), expected("moved", json!({ "from": port("a0"), "at": port("a1") })));

    let aged = monitor.expect("it has aged", |event| about(event, "aged", roamer))?;
    assert_eq!(bare(&aged), expected("aged", json!({ "at": port("a1") })));

    // Numbers have no gaps, and time goes on.
    let events = monitor.events();
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    assert!(events.is_sorted_by_key(|event| event["time"].as_str().map(str::to_owned)));
    Ok(())
}

#[test]
fn an_address_that_a_station_announces_is_an_event() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let monitor = Monitor::start(&lab.gateway, "monitor", "--history --only announced")?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    let announced = monitor.expect_kind("announced")?;
    assert_eq!((&announced["ip"], &announced["at"]), (&json!(lab::crossing::EXT.v4()), &port("a0")));
    assert!(monitor.events().iter().all(|event| event["event"] == "announced"), "only these were asked for");
    Ok(())
}

#[test]
fn a_problem_is_an_event_when_it_appears_and_when_it_is_gone() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let monitor = Monitor::all(&lab.gateway)?;
    monitor.expect_kind("started")?;
    lab.gw.ip("link set a0 down")?;
    let down = |event: &Value| event["problem"].as_str().is_some_and(|text| text.contains("a0 is down"));
    let problem = monitor.expect("the port is down", |event| event["event"] == "problem" && down(event))?;
    assert_eq!(problem["source"], "forwarding");
    lab.gw.ip("link set a0 up")?;
    let gone = monitor.expect("it is up again", |event| event["event"] == "problem_gone" && down(event))?;
    assert_eq!(gone["problem"], problem["problem"]);
    Ok(())
}

#[test]
fn a_next_hop_that_is_lost_and_found_is_an_event() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let monitor = Monitor::all(&lab.gateway)?;
    monitor.expect_kind("started")?;
    lab.gw.ip("link set u0 down")?;
    let lost = monitor.expect_kind("next_hop_lost")?;
    assert_eq!(lost["remote"], json!(lab.hv.vtep()));
    lab.gw.ip("link set u0 up")?;
    let resolved = monitor.expect_kind("next_hop_resolved")?;
    assert_eq!((&resolved["remote"], &resolved["uplink"]), (&json!(lab.hv.vtep()), &json!("u0")));
    Ok(())
}

#[test]
fn bindings_and_switches_that_come_and_go_with_a_reload_are_events() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    let monitor = Monitor::all(&lab.gateway)?;
    monitor.expect_kind("started")?;
    let hv = lab.hv.vtep();
    let more = lab.config.clone().switch(lab::config::Switch::new(5002, &[hv]).bound("a0", 200));
    lab.gateway.reload(&more)?;
    monitor.expect_kind("reloaded")?;
    let added = monitor.expect_kind("binding_added")?;
    let binding = json!({ "port": "a0", "vlan": 200, "vni": 5002, "switch": "net-5002" });
    let expected = |event: &str| {
        let mut event_of_binding = binding.clone();
        event_of_binding["event"] = event.into();
        event_of_binding
    };
    assert_eq!(bare(&added), expected("binding_added"));
    assert_eq!(monitor.expect_kind("switch_added")?["switch"], "net-5002");

    lab.gateway.reload(&lab.config)?;
    assert_eq!(bare(&monitor.expect_kind("binding_removed")?), expected("binding_removed"));
    assert_eq!(monitor.expect_kind("switch_removed")?["vni"], 5002);

    lab.gateway.reload_text("nonsense")?;
    monitor.expect_kind("reload_refused")?;
    Ok(())
}

#[test]
fn changes_of_roles_are_events_on_both_nodes_of_a_pair() -> Result<()> {
    let mut pair = Pair::linux(&PairPlan::steady())?;
    pair.start()?;
    let monitors =
        pair.members.iter().map(|member| Monitor::all(member.started()?)).collect::<Result<Vec<Monitor>>>()?;
    let role = |event: &Value, to: &str| event["event"] == "role_changed" && event["to"] == to;
    let active = monitors[0].expect("the first is active", |event| role(event, "active"))?;
    assert_eq!((&active["vrid"], &active["priority"]), (&json!(20), &json!(150)));
    monitors[1].expect("the second is its backup", |event| {
        role(event, "backup") && event["active_node"] == json!(Underlay::V4.ip(21))
    })?;
    pair.members[0].gateway()?.ask("handover")?;
    let left = monitors[0].expect("the first has left", |event| role(event, "backup") && event["from"] == "active")?;
    let took = monitors[1].expect("the second is active", |event| role(event, "active"))?;
    assert_eq!(took["instance"], left["instance"]);
    // It gave the role away; it did not lose it.
    assert!(monitors.iter().all(|monitor| monitor.of_kind("lease_lost").is_empty()));
    Ok(())
}

#[test]
fn a_lease_that_runs_out_is_an_event() -> Result<()> {
    let mut pair = Pair::linux(&PairPlan::default())?;
    // Alone, so that nobody takes over and it becomes active again.
    pair.members[0].start()?;
    pair.vm.wait_reaches(&lab::crossing::EXT.v4().to_string())?;
    let monitor = Monitor::all(pair.members[0].started()?)?;
    monitor.expect_kind("started")?;
    let gateway = pair.members[0].gateway()?;
    gateway.signal(Signal::SIGSTOP)?;
    let vm = pair.vm.clone();
    wait_for("nothing is forwarded any more", SOON, || !vm.reaches(&lab::crossing::EXT.v4().to_string()))?;
    pair.members[0].gateway()?.signal(Signal::SIGCONT)?;
    let lost = monitor.expect_kind("lease_lost")?;
    assert_eq!(lost["vrid"], 20);
    Ok(())
}

#[test]
fn an_agent_that_is_started_again_is_followed() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    let mut monitor = Monitor::start(&lab.gateway, "monitor", "")?;
    // It begins with what comes after it: something has to come for it to show that it is there.
    wait_for("it watches", SOON, || {
        lab.gateway.reload(&lab.config).is_ok() && !monitor.of_kind("reloaded").is_empty()
    })?;
    lab.gateway.kill()?;
    monitor.process.wait_line(0, SOON, |line| line.contains("waiting for it"))?;
    lab.gateway.resume()?;
    let started = monitor
        .expect("the new agent", |event| event["event"] == "started" && event["pid"] == json!(lab.gateway.pid()))?;
    assert_eq!((&started["seq"], &started["adopted"]), (&json!(1), &json!(true)));
    monitor.process.wait_line(0, SOON, |line| line.contains("started again"))?;
    assert!(monitor.process.runs());
    monitor.process.signal(Signal::SIGINT)?;
    monitor.process.wait(SOON)?;
    Ok(())
}

#[test]
fn what_the_journal_has_is_shown_from_wherever_it_is_wanted() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    for _ in 0..2 {
        lab.gateway.reload(&lab.config)?;
    }
    let shown = |options: &str| -> Result<Vec<Value>> {
        let text = lab.gateway.ask(&format!("monitor --json --no-follow --only started,reloaded {options}"))?;
        Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    };
    let all = shown("--history")?;
    let kinds: Vec<&Value> = all.iter().map(|event| &event["event"]).collect();
    assert_eq!(kinds, ["started", "reloaded", "reloaded"]);
    assert_eq!(shown(&format!("--since {}", all[1]["seq"]))?, all[1..]);
    assert_eq!(shown(&format!("--since {}", all[2]["time"].as_str().unwrap()))?, all[2..]);
    assert_eq!(shown("--since 1d")?, all);
    assert_eq!(shown("--since 9999-01-01T00:00:00Z")?, [Value::Null; 0]);
    assert_eq!(shown("")?, [Value::Null; 0]);

    // For people, each on a line that begins with the time and the kind.
    let text = lab.gateway.ask("monitor --no-follow --history --only started")?;
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!((words[0], words[1]), (all[0]["time"].as_str().unwrap(), "started"));
    Ok(())
}

#[test]
fn where_no_agent_runs_it_exits_with_3_and_a_message() -> Result<()> {
    let lab = lab::Lab::new()?;
    let host = lab.host("gw")?;
    let config = Config::new(&host, &[Underlay::V4.ip(21)]).uplink("u0", Mode::Tc).port("a0", Mode::Tc);
    let file = lab.directory().join("gw.toml");
    std::fs::write(&file, config.to_string())?;
    let output = lab::gateway::command(&host, &format!("monitor --config {}", file.display()))?;
    assert_eq!(output.status.code(), Some(3));
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(printed.contains("no agent is running") && printed.contains("vtep-gateway.ctl"), "{printed}");
    Ok(())
}

#[test]
fn a_kind_that_is_none_is_refused_with_those_there_are() {
    let output = super::basics::vtep_gateway(&["monitor", "--only", "learnt"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("learned"));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let errors = lab.lab.directory().join("errors");
    let script = format!(
        "{} monitor --history --config {} 2>{} | head -n 1",
        binary()?,
        lab.gateway.file().display(),
        errors.display()
    );
    // The shell waits for all of the pipe.
    let output = lab::process::run(&["sh", "-c", &script])?;
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    assert_eq!(std::fs::read_to_string(errors)?, "");
    Ok(())
}

/// A flood of forged sources on a VLAN is counted, and the rest is reported as always.
#[test]
fn a_flood_of_forged_sources_is_summed_up_and_hides_nothing() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let monitor = Monitor::all(&lab.gateway)?;
    monitor.expect_kind("started")?;
    let ext = Wire::open(&lab.ext, "eth0")?;
    const FORGED: u64 = 3000;
    for number in 0..FORGED {
        let [.., a, b] = number.to_be_bytes();
        ext.send(&Frame::text(MacAddr([2, 0xdd, 0, 0, a, b]), VM.mac(), "forged"))?;
    }
    lab.gw.ip("link set a0 mtu 1400")?;
    lab.gw.ip("link set u0 mtu 1440")?;
    monitor.expect("a problem among all that", |event| event["event"] == "problem")?;
    let learned = |events: &[Value]| {
        let reported: BTreeSet<String> =
            events.iter().filter(|event| event["event"] == "learned").map(|event| event["mac"].to_string()).collect();
        let left_out = events.iter().filter_map(|event| event["counts"]["learned"].as_u64()).sum::<u64>();
        (reported.len() as u64, left_out)
    };
    // Each is reported or counted. The outside host itself may have sent something, too.
    wait_for("all are accounted for", SOON, || {
        let (reported, left_out) = learned(&monitor.events());
        reported + left_out >= FORGED
    })?;
    let (reported, left_out) = learned(&monitor.events());
    assert!(left_out > 0 && (100..FORGED / 2).contains(&reported), "{reported} reported, {left_out} left out");
    assert!(monitor.of_kind("missed").is_empty());
    Ok(())
}

/// More readers than there is room for: those that come too late are refused, and those that go leave their place at once.
#[test]
fn readers_that_go_away_leave_room_for_others() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    for round in 0..3 {
        let mut monitors = Vec::new();
        for number in 0..10 {
            let monitor = Monitor::start(&lab.gateway, &format!("monitor-{round}-{number}"), "--history")?;
            monitor.expect_kind("started")?;
            monitors.push(monitor);
        }
        // Killed while each waits for something to happen.
    }
    let status = lab.gateway.status()?;
    assert_eq!(status["pid"], json!(lab.gateway.pid()));
    Ok(())
}
