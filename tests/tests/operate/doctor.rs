//! `doctor`: nothing bad about a gateway that works; what is broken on purpose is found, with its remedy; and the remedy makes
//! it go.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use lab::{
    Host, bpf,
    cluster::{Pair, Plan as PairPlan},
    config::{Config, Mode},
    crossing::{Crossing, EXT, GW, HV, Plan, Site, UNDERLAY_MTU, Underlay},
    gateway::binary,
    node::Node,
    ovsdb::{Database, OVS_SCHEMAS},
    wait::{SOON, wait_for},
};
use serde_json::Value;

/// Findings of the doctor.
struct Findings {
    json: Value,
    code: Option<i32>,
}

/// Runs the doctor on `host` for the gateway of a configuration file.
fn doctor(host: &Host, file: &Path, options: &str) -> Result<Findings> {
    let output =
        host.attempt(&format!("timeout 90 {} doctor --json {options} --config {}", binary()?, file.display()))?;
    let json = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)))?;
    Ok(Findings { json, code: output.status.code() })
}

fn of(lab: &Crossing) -> Result<Findings> {
    doctor(&lab.gw, lab.gateway.file(), "")
}

impl Findings {
    fn all(&self) -> impl Iterator<Item = &Value> {
        self.json["findings"].as_array().unwrap().iter()
    }

    /// The findings of a check.
    fn of<'a>(&'a self, check: &'a str) -> impl Iterator<Item = &'a Value> {
        self.all().filter(move |finding| finding["check"] == check)
    }

    /// The one finding of a check about `subject` that is not fine.
    fn trouble<'a>(&'a self, check: &'a str, subject: &str) -> &'a Value {
        let found: Vec<&Value> = self
            .of(check)
            .filter(|finding| finding["mark"] != "ok" && (subject.is_empty() || finding["subject"] == subject))
            .collect();
        assert_eq!(found.len(), 1, "{check} {subject}: {:#}", self.json);
        found[0]
    }

    fn bad(&self, check: &str, subject: &str) -> String {
        let finding = self.trouble(check, subject);
        assert_eq!(finding["mark"], "bad", "{finding:#}");
        assert_eq!(self.code, Some(1));
        assert_eq!(self.json["worst"], "bad");
        finding["remedy"].as_str().unwrap().to_owned()
    }

    fn fine(&self, check: &str) {
        assert!(self.of(check).count() > 0, "{check}: {:#}", self.json);
        assert!(self.of(check).all(|finding| finding["mark"] == "ok"), "{check}: {:#}", self.json);
    }

    fn nothing_bad(&self) {
        let bad: Vec<&Value> = self.all().filter(|finding| finding["mark"] == "bad").collect();
        assert!(bad.is_empty(), "{bad:#?}");
        assert_eq!(self.code, Some(0));
    }
}

/// The first command in a remedy.
fn command(remedy: &str) -> &str {
    remedy.split('`').nth(1).unwrap()
}

fn hypervisor() -> String {
    Underlay::V4.ip(HV).to_string()
}

#[test]
fn a_gateway_that_works_has_nothing_bad() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    let findings = of(&lab)?;
    findings.nothing_bad();
    assert_eq!(findings.json["schema"], 1);
    for check in
        ["bpf-programs", "agent", "agent-problem", "pins", "attached", "nic-settings", "vtep-address", "address-clash"]
    {
        findings.fine(check);
    }
    findings.fine("remote-vtep");
    let path = findings.of("path-mtu").next().unwrap();
    assert_eq!((&path["mark"], &path["subject"]), (&"ok".into(), &hypervisor().into()), "{path:#}");
    assert!(path["what"].as_str().unwrap().contains("1550 bytes"), "{path:#}");
    Ok(())
}

#[test]
fn over_ipv6_it_sees_as_much() -> Result<()> {
    let lab = Crossing::build(Plan { underlay: Underlay::V6, ..Plan::default() })?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    let findings = of(&lab)?;
    findings.nothing_bad();
    for check in ["remote-vtep", "path-mtu", "vtep-address", "address-clash"] {
        findings.fine(check);
    }
    Ok(())
}

#[test]
fn before_the_first_start_a_warning_reports_that_there_was_none() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let file = written(&site.gw, &site.config())?;
    let findings = doctor(&site.gw, &file, "")?;
    findings.nothing_bad();
    assert_eq!(findings.trouble("agent", "")["mark"], "warn");
    findings.fine("path-mtu");
    assert_eq!(doctor(&site.gw, &file, "--strict")?.code, Some(1));
    Ok(())
}

fn written(host: &Host, config: &Config) -> Result<std::path::PathBuf> {
    let file = host.lab().directory().join("doctor.toml");
    fs::write(&file, config.to_string())?;
    Ok(file)
}

#[test]
fn a_link_too_narrow_on_the_far_side_is_found() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    lab.hv.host().ip("link set u0 mtu 1500")?;
    let remedy = of(&lab)?.bad("path-mtu", &hypervisor());
    assert!(remedy.contains("MTU 1550"), "{remedy}");
    lab.hv.host().ip("link set u0 mtu 1550")?;
    of(&lab)?.fine("path-mtu");
    Ok(())
}

#[test]
fn an_uplink_too_narrow_is_a_warning_with_the_command_that_helps() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.gw.ip("link set u0 mtu 1500")?;
    let findings = of(&lab)?;
    let warning = findings.trouble("uplink-mtu", "u0");
    assert_eq!(warning["mark"], "warn");
    lab.gw.run(command(warning["remedy"].as_str().unwrap()))?;
    of(&lab)?.fine("uplink-mtu");
    lab.gw.ip(&format!("link set u0 mtu {UNDERLAY_MTU}")).map(drop)
}

#[test]
fn a_setting_that_was_changed_is_found() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.gw.run("ethtool -K a0 rx-vlan-offload on")?;
    let remedy = of(&lab)?.bad("nic-settings", "a0");
    lab.gw.run(command(&remedy))?;
    of(&lab)?.fine("nic-settings");
    Ok(())
}

#[test]
fn a_next_hop_that_is_gone_is_found() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    let unresolved = |wanted: u64| {
        let status = lab.gateway.status();
        status.is_ok_and(|status| status["forwarding"]["tunnels_unresolved"] == wanted)
    };
    lab.hv.host().ip("link set u0 down")?;
    lab.gw.ip("neigh flush all")?;
    wait_for("the tunnel is unresolved", SOON, || unresolved(1))?;
    let remedy = of(&lab)?.bad("remote-vtep", &hypervisor());
    assert!(remedy.contains("same segment"), "{remedy}");
    lab.hv.host().ip("link set u0 up")?;
    wait_for("the tunnel is resolved", SOON, || unresolved(0))?;
    of(&lab)?.fine("remote-vtep");
    Ok(())
}

#[test]
fn a_second_machine_with_the_tunnel_address_is_found() -> Result<()> {
    for underlay in [Underlay::V4, Underlay::V6] {
        let lab = Crossing::build(Plan { underlay, ..Plan::default() })?;
        let rogue = lab.lab.host("rogue")?;
        if underlay == Underlay::V6 {
            rogue.speak_ipv6()?;
        }
        lab.und.plug(&rogue, "u0")?;
        rogue.wait_up("u0")?;
        rogue.address("u0", &underlay.address(GW))?;
        let address = underlay.ip(GW).to_string();
        let remedy = of(&lab)?.bad("address-clash", &address);
        assert!(remedy.contains(&rogue.mac("u0")?.to_string()), "{remedy}");
        rogue.ip(&format!("addr del {} dev u0", underlay.address(GW)))?;
        of(&lab)?.fine("address-clash");
    }
    Ok(())
}

#[test]
fn a_program_of_others_on_a_port_is_found() -> Result<()> {
    let site = Site::build(Plan { port: Mode::Auto, ..Plan::default() })?;
    bpf::pass(&site.gw, "a0")?;
    let config = site.config();
    let mut lab = site.start(config)?;
    let remedy = of(&lab)?.bad("xdp-foreign", "a0");
    assert!(remedy.contains("bpftool prog show id"), "{remedy}");
    fs::remove_file(lab.lab.pins("peers").join("gw_a0_pass"))?;
    lab.gateway.stop()?;
    lab.gateway.resume()?;
    let findings = of(&lab)?;
    findings.nothing_bad();
    assert_eq!(findings.of("xdp-foreign").count(), 0);
    Ok(())
}

#[test]
fn an_agent_that_was_killed_is_missed() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    lab.gateway.kill()?;
    let remedy = of(&lab)?.bad("agent", "");
    assert_eq!(command(&remedy), "systemctl start vtep-gateway");
    lab.gateway.resume()?;
    of(&lab)?.fine("agent");
    Ok(())
}

#[test]
fn pins_that_are_missing_are_found() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    // An agent that runs makes them again within a second.
    lab.gateway.stop()?;
    fs::remove_file(lab.gateway.pin_dir().join("maps/switches"))?;
    let findings = of(&lab)?;
    let remedy = findings.bad("pins", "");
    assert!(findings.trouble("pins", "")["what"].as_str().unwrap().contains("switches"));
    assert_eq!(command(&remedy), "systemctl restart vtep-gateway");
    lab.gateway.resume()?;
    of(&lab)?.fine("pins");
    Ok(())
}

#[test]
fn drops_that_grow_come_with_their_remedy() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    lab.gw.ip("link set u0 mtu 1500")?;
    // Long pings from outside do not fit any more.
    let mut pings = lab.ext.start(&format!("ping -n -q -i 0.05 -s 1472 {}", lab::crossing::VM.v4()))?;
    wait_for("something is dropped", SOON, || lab.gateway.read().drops().is_ok_and(|drops| drops.too_big > 0))?;
    let findings = of(&lab)?;
    let warning = findings.trouble("drops", "too_big");
    assert!(warning["remedy"].as_str().unwrap().contains("MTU"), "{warning:#}");
    pings.signal(nix::sys::signal::Signal::SIGINT)?;
    pings.wait(SOON)?;
    of(&lab)?.fine("drops");
    Ok(())
}

#[test]
fn a_database_is_judged_and_missed() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let node = Node::new(&site.gw)?;
    let mut database = Database::create(&node, "vtep", &format!("{OVS_SCHEMAS}/vtep.ovsschema"), "")?;
    let remote = database.remote();
    let vtep_ctl = |words: &str| node.run(&format!("vtep-ctl --db={remote} {words}"));
    let config = site.config();
    let config = Config { switches: vec![], ..config }.database(&remote, "gw1");
    let mut lab = site.start(config)?;
    wait_for("the gateway is registered", SOON, || {
        vtep_ctl("list-ports gw1").is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("a0"))
    })?;
    let findings = of(&lab)?;
    findings.nothing_bad();
    for check in ["database-reach", "database-switch", "database-tunnel-ips", "database-clash", "database-ports"] {
        findings.fine(check);
    }
    assert_eq!(findings.trouble("database-bindings", "gw1")["mark"], "warn");

    // Bound to a logical switch that no controller has given a key.
    vtep_ctl("add-ls net -- bind-ls gw1 a0 100 net")?;
    let remedy = of(&lab)?.bad("database-keys", "gw1");
    assert!(remedy.contains("ovn-controller-vtep"), "{remedy}");
    vtep_ctl("set Logical_Switch net tunnel_key=5001")?;
    of(&lab)?.fine("database-keys");

    // Another gateway of the same address.
    vtep_ctl(&format!("add-ps gw2 -- set Physical_Switch gw2 tunnel_ips={}", Underlay::V4.ip(GW)))?;
    let remedy = of(&lab)?.bad("database-clash", "gw1");
    ensure!(remedy.contains("del-ps \"gw2\""), "{remedy}");
    vtep_ctl("del-ps gw2")?;
    of(&lab)?.fine("database-clash");

    // Without an agent nobody corrects the row.
    lab.gateway.kill()?;
    vtep_ctl("set Physical_Switch gw1 tunnel_ips=172.31.0.99")?;
    let remedy = of(&lab)?.bad("database-tunnel-ips", "gw1");
    let by_hand = remedy.split('`').nth(1).unwrap().replace('\'', "");
    node.run(&by_hand)?;
    of(&lab)?.fine("database-tunnel-ips");
    lab.gateway.resume()?;

    database.kill()?;
    let remedy = of(&lab)?.bad("database-reach", &remote);
    assert!(remedy.contains("ovsdb-client list-dbs"), "{remedy}");
    database.resume()?;
    wait_for("the database is followed", SOON, || {
        lab.gateway.status().is_ok_and(|status| status["database"]["state"] == "following")
    })?;
    let findings = of(&lab)?;
    findings.nothing_bad();
    findings.fine("database-reach");
    Ok(())
}

#[test]
fn ovn_is_judged_where_it_is_named() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let node = Node::new(&site.gw)?;
    let schema = |name: &str| format!("{}/{name}.ovsschema", lab::ovsdb::OVN_SCHEMAS);
    let nb = Database::create(&node, "nb", &schema("ovn-nb"), "")?;
    let sb = Database::create(&node, "sb", &schema("ovn-sb"), "")?;
    let file = written(&site.gw, &site.config())?;
    let options = format!("--ovn-nb {} --ovn-sb {}", nb.remote(), sb.remote());
    node.run(&format!("ovn-nbctl --db={} init", nb.remote()))?;
    node.run(&format!("ovn-sbctl --db={} chassis-add hv1 geneve 172.31.0.11", sb.remote()))?;
    let findings = doctor(&site.gw, &file, &options)?;
    let warning = findings.trouble("ovn-vxlan-mode", "");
    assert_eq!(warning["mark"], "warn");
    let remedy = findings.bad("ovn-encap", "");
    assert!(remedy.contains("ovn-encap-type=geneve,vxlan"), "{remedy}");
    let by_hand =
        command(warning["remedy"].as_str().unwrap()).replace("ovn-nbctl", &format!("ovn-nbctl --db={}", nb.remote()));
    node.run(&by_hand)?;
    node.run(&format!("ovn-sbctl --db={} chassis-del hv1 -- chassis-add hv1 geneve,vxlan 172.31.0.11", sb.remote()))?;
    let findings = doctor(&site.gw, &file, &options)?;
    findings.nothing_bad();
    for check in ["ovn-vxlan-mode", "ovn-encap"] {
        findings.fine(check);
    }
    Ok(())
}

#[test]
fn both_nodes_of_a_pair_have_nothing_bad() -> Result<()> {
    let mut pair = Pair::linux(&PairPlan::steady())?;
    pair.start()?;
    pair.members[1].wait_role(20, "backup")?;
    for member in &mut pair.members {
        let host = member.host.clone();
        let findings = doctor(&host, member.gateway()?.file(), "")?;
        findings.nothing_bad();
        for check in ["vrrp-heard", "lease", "address-clash", "vtep-address"] {
            findings.fine(check);
        }
    }
    Ok(())
}

#[test]
fn nodes_that_do_not_hear_each_other_are_two_active_ones() -> Result<()> {
    let mut pair = Pair::linux(&PairPlan::steady())?;
    pair.start()?;
    pair.members[1].wait_role(20, "backup")?;
    // The second node hears nothing more, and becomes active; the first one hears it and, having the higher priority, stays.
    let cut = bpf::cut_vrrp(&pair.members[1].host, "u0")?;
    pair.members[1].wait_role(20, "active")?;
    let host = pair.members[0].host.clone();
    let file = pair.members[0].gateway()?.file().to_owned();
    let findings = doctor(&host, &file, "")?;
    let remedies: Vec<String> = findings
        .of("vrrp-heard")
        .filter(|finding| finding["mark"] == "bad")
        .map(|finding| finding["remedy"].as_str().unwrap().to_owned())
        .collect();
    assert!(remedies.iter().any(|remedy| remedy.contains("protocol 112")), "{:#}", findings.json);
    drop(cut);
    wait_for("one of the two has stepped down", SOON, || {
        let roles: Vec<_> = pair.members.iter().map(|member| member.role(20)).collect();
        eprintln!("{roles:?}");
        roles.iter().filter(|role| role.as_deref() == Some("active")).count() == 1
    })?;
    doctor(&host, &file, "")?.fine("vrrp-heard");
    Ok(())
}

#[test]
fn another_virtual_router_of_the_same_number_is_found() -> Result<()> {
    let mut pair = Pair::linux(&PairPlan::steady())?;
    pair.members[1].config.vtep = vec![Underlay::V4.ip(200)];
    pair.start()?;
    pair.members[1].wait_role(20, "active")?;
    let host = pair.members[0].host.clone();
    let file = pair.members[0].gateway()?.file().to_owned();
    let findings = doctor(&host, &file, "")?;
    let name = findings.of("vrrp-heard").find(|finding| finding["mark"] == "bad").unwrap();
    assert!(name["remedy"].as_str().unwrap().contains("another vrid"), "{name:#}");
    // It hands over to nobody, and sends no advertisement any more.
    pair.members[1].gateway()?.stop()?;
    doctor(&host, &file, "")?.fine("vrrp-heard");
    Ok(())
}

#[test]
fn wrong_arguments_and_files_exit_with_2() -> Result<()> {
    for arguments in ["doctor --ovn-nb nowhere", "doctor --config /nonexistent.toml"] {
        let words: Vec<&str> = arguments.split(' ').collect();
        assert_eq!(super::basics::vtep_gateway(&words).status.code(), Some(2), "{arguments}");
    }
    Ok(())
}
