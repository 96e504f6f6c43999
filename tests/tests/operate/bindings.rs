//! Bindings of a real database that do not forward: each is shown wherever an operator looks, with its reason.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Result;
use gateway_api::view::{Binding, Path, Severity, Status, Switch, Tunnel};
use lab::{
    config::Config,
    crossing::{Crossing, EXT, HV, Plan, Site, Underlay, VM},
    http,
    node::Node,
    ovsdb::{Database, OVS_SCHEMAS},
    wait::{SOON, wait_for},
};

use crate::asking::{screen, shown, status};

const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9959);

struct Scene {
    lab: Crossing,
    node: Node,
    database: Database,
}

impl Scene {
    fn new() -> Result<Self> {
        let site = Site::build(Plan::default())?;
        let node = Node::new(&site.gw)?;
        let database = Database::create(&node, "vtep", &format!("{OVS_SCHEMAS}/vtep.ovsschema"), "")?;
        let config = Config { switches: vec![], metrics: vec![METRICS.to_string()], ..site.config() };
        let lab = site.start(config.database(&database.remote(), "gw1"))?;
        let scene = Self { lab, node, database };
        wait_for("the gateway is registered", SOON, || {
            scene.vtep_ctl("list-ports gw1").is_ok_and(|printed| printed.contains("a0"))
        })?;
        Ok(scene)
    }

    fn vtep_ctl(&self, words: &str) -> Result<String> {
        let output = self.node.run(&format!("vtep-ctl --db={} {words}", self.database.remote()))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The state of a VLAN, if it is shown.
    fn state(&self, port: &str, vlan: u16) -> Result<Option<Binding>> {
        let all = shown::<Binding>(&self.lab.gateway, "bindings")?;
        Ok(all.into_iter().find(|one| one.port == port && one.vlan == vlan))
    }

    fn wait_state(&self, (port, vlan): (&str, u16), state: &str) -> Result<Binding> {
        let is_it = |binding: &Binding| binding.state == state;
        wait_for(&format!("VLAN {vlan} of {port}: {state}"), SOON, || {
            self.state(port, vlan).is_ok_and(|one| one.as_ref().is_some_and(is_it))
        })?;
        Ok(self.state(port, vlan)?.expect("it was there just now"))
    }

    fn trace(&self, vlan: u16) -> Result<String> {
        self.lab.gateway.ask(&format!("trace --in a0 --vlan {vlan} --src {} --dst {}", EXT.mac(), VM.mac()))
    }

    fn http(&self, path: &str) -> Result<(u16, String)> {
        let reply = http::get(&self.lab.gw, METRICS, path)?;
        Ok((reply.status, reply.body))
    }
}

#[test]
fn a_binding_that_does_not_forward_is_shown_with_its_reason_everywhere() -> Result<()> {
    let scene = Scene::new()?;
    scene.vtep_ctl("add-ls net1 -- set Logical_Switch net1 tunnel_key=5001 -- bind-ls gw1 a0 100 net1")?;
    assert_eq!(scene.wait_state(("a0", 100), "forwards")?.reason, None);
    wait_for("the gateway is healthy", SOON, || status(&scene.lab.gateway).is_ok_and(|(status, _)| status.healthy))?;
    assert_eq!(scene.http("/readyz")?.0, 200);

    // Bound, and the controller has given no key: the first state of every binding.
    scene.vtep_ctl("add-ls net2 -- bind-ls gw1 a0 200 net2")?;
    let waiting = scene.wait_state(("a0", 200), "waits_for_key")?;
    assert_eq!((waiting.vni, waiting.switch.as_deref()), (None, Some("net2")));
    assert!(waiting.reason.is_some_and(|why| why.contains("tunnel_key")));
    let (now, code): (Status, _) = status(&scene.lab.gateway)?;
    assert_eq!((now.healthy, code), (false, Some(1)));
    assert_eq!((now.forwarding.bindings_bound, now.forwarding.bindings_forwarding), (2, 1));
    let reported = |status: &Status| {
        let faults = status.problems.iter().filter(|problem| problem.severity == Severity::Fault);
        faults.map(|problem| problem.text.clone()).collect::<Vec<_>>().join("\n")
    };
    let faults = reported(&now);
    assert!(faults.contains("1 of 2 bindings does not forward") && faults.contains("net2"), "{faults}");
    let text = screen(&scene.lab.gateway, "status")?;
    assert!(text.contains("1 of 2 bindings forward"), "{text}");
    let text = screen(&scene.lab.gateway, "show bindings")?;
    assert!(
        text.contains("STATE") && text.contains("waits_for_key") && text.contains("a0 VLAN 200, net2: waits"),
        "{text}"
    );
    let switches = shown::<Switch>(&scene.lab.gateway, "switches")?;
    let net2 = switches.iter().find(|one| one.name.as_deref() == Some("net2")).expect("net2");
    assert_eq!((net2.programmed, net2.bindings, net2.bindings_bound), (false, 0, 1));
    assert!(net2.reason.as_ref().is_some_and(|why| why.contains("tunnel_key")), "{net2:?}");
    assert!(screen(&scene.lab.gateway, "show switches")?.contains("net2: waits for a tunnel_key"));
    // Both are brought up to date once a second.
    wait_for("that it is not ready", SOON, || {
        scene.http("/readyz").is_ok_and(|(code, text)| code == 503 && text.contains("1 bindings do not forward"))
    })?;
    for line in ["vtep_gateway_bindings{state=\"forwards\"} 1", "vtep_gateway_bindings{state=\"waits_for_key\"} 1"] {
        wait_for(line, SOON, || scene.http("/metrics").is_ok_and(|(_, metrics)| metrics.contains(line)))?;
    }

    // A trace shows the same; where nothing is bound it shows that.
    let text = scene.trace(200)?;
    assert!(!text.contains("No logical switch is bound") && text.contains("bound to logical switch net2"), "{text}");
    assert!(text.contains("waits for a tunnel_key"), "{text}");
    assert!(scene.trace(999)?.contains("No logical switch is bound to this port, VLAN 999"));

    // Another switch has its VNI.
    scene.vtep_ctl("set Logical_Switch net2 tunnel_key=5001")?;
    let taken = scene.wait_state(("a0", 200), "vni_taken")?;
    assert!(taken.reason.is_some_and(|why| why.contains("5001 is taken by logical switch net1")));

    // Its port is not one of this gateway.
    scene.vtep_ctl("set Logical_Switch net2 tunnel_key=5002 -- add-port gw1 a9 -- bind-ls gw1 a9 300 net2")?;
    scene.wait_state(("a0", 200), "forwards")?;
    let nowhere = scene.wait_state(("a9", 300), "no_port")?;
    assert!(nowhere.reason.is_some_and(|why| why.contains("no [[port]]")));
    let faults = reported(&status(&scene.lab.gateway)?.0);
    assert!(faults.contains("1 of 3 bindings does not forward: VLAN 300 of port a9"), "{faults}");

    // Its interface is missing.
    scene.vtep_ctl("unbind-ls gw1 a9 300")?;
    wait_for("the gateway is healthy again", SOON, || status(&scene.lab.gateway).is_ok_and(|(now, _)| now.healthy))?;
    scene.lab.gw.ip("link set a0 down")?;
    scene.wait_state(("a0", 100), "port_down")?;
    scene.lab.gw.ip("link del a0")?;
    scene.wait_state(("a0", 100), "no_interface")?;
    Ok(())
}

#[test]
fn a_remote_vtep_that_comes_while_the_agent_starts_is_resolved() -> Result<()> {
    let mut scene = Scene::new()?;
    let (vm, remote) = (VM.mac(), Underlay::V4.ip(HV));
    // The start waits a second for one that does not answer, and is not given up soon: in that second another one comes.
    let silent = Underlay::V4.ip(99);
    scene.lab.gw.ip("ntable change name arp_cache dev u0 mcast_probes 100")?;
    scene.vtep_ctl(&format!(
        "add-ls net1 -- set Logical_Switch net1 tunnel_key=5001 -- bind-ls gw1 a0 100 net1 \
         -- add-ucast-remote net1 02:aa:00:00:00:99 {silent}"
    ))?;
    wait_for("it is known", SOON, || shown::<Tunnel>(&scene.lab.gateway, "tunnels").is_ok_and(|all| all.len() == 1))?;
    scene.lab.gateway.stop()?;
    scene.lab.gateway.relaunch()?;
    scene.lab.gateway.wait_log(|line| line.contains("connected to the database"))?;
    scene.vtep_ctl(&format!("add-ucast-remote net1 {vm} {remote}"))?;
    wait_for("the other one is resolved", SOON, || {
        let tunnels = shown::<Tunnel>(&scene.lab.gateway, "tunnels").unwrap_or_default();
        tunnels.iter().any(|tunnel| tunnel.remote == remote && matches!(tunnel.path, Path::Resolved { .. }))
    })
}
