//! keepalived as the other node.

use std::{env, fs, path::PathBuf, process};

use gateway_config::VrrpConfig;
use gateway_vrrp::{Interval, Leave, Role};

use crate::lab::{Node, Program, Switch, VIP, VIP6, config, config_v2, instance_v6, test};

/// A keepalived that runs, with files of its own.
struct Keepalived {
    program: Option<Program>,
    dir: PathBuf,
}

impl Keepalived {
    /// `lines` go into the one instance.
    fn start(node: &Node, priority: u8, vip: &str, lines: &str) -> Self {
        let dir =
            env::temp_dir().join(format!("vrrp-peers-{}-keepalived-{:?}", process::id(), std::thread::current().id()));
        fs::create_dir_all(&dir).unwrap();
        let config = dir.join("keepalived.conf");
        let text = format!(
            "global_defs {{\n router_id peer\n}}\nvrrp_instance a {{\n state BACKUP\n interface up0\n virtual_router_id 51\n \
             priority {priority}\n {lines}\n virtual_ipaddress {{\n {vip}\n }}\n}}\n"
        );
        fs::write(&config, text).unwrap();
        let [config, pid, vrrp] =
            [config, dir.join("pid"), dir.join("vrrp.pid")].map(|path| path.display().to_string());
        let program = node.spawn(&format!("keepalived -n -l -G -P -f {config} -p {pid} -r {vrrp}"));
        Self { program: Some(program), dir }
    }

    /// Ends it as an operator would: it sends priority 0.
    fn end(mut self) {
        self.program.take().unwrap().end();
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        drop(self.program.take());
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// keepalived is active first and ours takes over by its priority; then ours leaves, and keepalived has it back.
pub(crate) async fn both_roles(
    ours: &mut Node,
    peer: &Node,
    instance: gateway_config::InstanceConfig,
    vip: &str,
    lines: &str,
) {
    let keepalived = Keepalived::start(peer, 100, vip, lines);
    peer.until_has("up0", vip, true).await;
    ours.start_with(instance.clone());
    ours.active().await;
    peer.until_has("up0", vip, false).await;
    let counters = ours.status().counters;
    assert!(counters.advert_rcvd > 0 && counters.checksum_err == 0 && counters.version_err == 0, "{counters:?}");
    assert!(ours.status().problems.is_empty(), "{:?}", ours.status().problems);
    ours.stop(Leave::Handover).await;
    peer.until_has("up0", vip, true).await;
    // Back again, as a backup of lower priority; keepalived then leaves by priority 0.
    let mut lower = instance;
    lower.vrrp = lower.vrrp.map(|vrrp| VrrpConfig { priority: gateway_vrrp::Priority::new(50).unwrap(), ..vrrp });
    ours.start_with(lower);
    ours.backup().await;
    keepalived.end();
    let status = ours.active().await;
    assert_eq!(status.counters.priority_zero_rcvd, 1);
}

#[test]
fn version_3_multicast() {
    test(async {
        let switch = Switch::new();
        let (mut ours, peer) = (switch.node(1), switch.node(2));
        let lines = "version 3\n advert_int 0.1";
        both_roles(&mut ours, &peer, crate::lab::instance(&config(150)), VIP, lines).await;
    });
}

#[test]
fn version_2_multicast() {
    test(async {
        let switch = Switch::new();
        let (mut ours, peer) = (switch.node(1), switch.node(2));
        let lines = "version 2\n advert_int 1";
        both_roles(&mut ours, &peer, crate::lab::instance(&config_v2(150)), VIP, lines).await;
    });
}

#[test]
fn version_3_unicast() {
    test(async {
        let switch = Switch::new();
        let (mut ours, peer) = (switch.node(1), switch.node(2));
        let lines = "version 3\n advert_int 0.1\n unicast_src_ip 10.9.0.2\n unicast_peer {\n 10.9.0.1\n }";
        let vrrp = VrrpConfig { peers: vec![peer.address()], ..config(150) };
        both_roles(&mut ours, &peer, crate::lab::instance(&vrrp), VIP, lines).await;
    });
}

#[test]
fn version_2_unicast() {
    test(async {
        let switch = Switch::new();
        let (mut ours, peer) = (switch.node(1), switch.node(2));
        let lines = "version 2\n advert_int 1\n unicast_src_ip 10.9.0.2\n unicast_peer {\n 10.9.0.1\n }";
        let vrrp = VrrpConfig { peers: vec![peer.address()], ..config_v2(150) };
        both_roles(&mut ours, &peer, crate::lab::instance(&vrrp), VIP, lines).await;
    });
}

#[test]
fn version_3_over_ipv6() {
    test(async {
        let switch = Switch::new();
        let (mut ours, peer) = (switch.node(1), switch.node(2));
        let lines = "version 3\n advert_int 0.1";
        both_roles(&mut ours, &peer, instance_v6(&config(150)), VIP6, lines).await;
    });
}

#[test]
fn peer_of_higher_priority_takes_the_role_and_ours_stops_forwarding() {
    test(async {
        let switch = Switch::new();
        let (mut ours, peer) = (switch.node(1), switch.node(2));
        ours.start(&config(100));
        ours.active().await;
        let _keepalived = Keepalived::start(&peer, 150, VIP, "version 3\n advert_int 0.1");
        ours.backup().await;
        assert!(!ours.map.forwards(crate::lab::VRID));
        peer.until_has("up0", VIP, true).await;
    });
}

#[test]
fn other_version_and_interval_of_a_peer_are_reported() {
    test(async {
        let switch = Switch::new();
        let (mut ours, peer) = (switch.node(1), switch.node(2));
        let _keepalived = Keepalived::start(&peer, 150, VIP, "version 2\n advert_int 2");
        peer.until_has("up0", VIP, true).await;
        // So rarely that it receives the peer first.
        ours.start(&VrrpConfig { interval: Interval::from_centiseconds(300).unwrap(), ..config(100) });
        let reported = |part: &'static str| move |problem: &String| problem.contains(part);
        let status = ours
            .until("reported", |status| {
                status.problems.iter().any(reported("speaks version 2"))
                    && status.problems.iter().any(reported("every 2s"))
            })
            .await;
        assert_ne!(status.status.role, Role::Active);
    });
}

#[test]
fn password_of_a_peer_is_reported() {
    test(async {
        let switch = Switch::new();
        let (mut ours, peer) = (switch.node(1), switch.node(2));
        let lines = "version 2\n advert_int 1\n authentication {\n auth_type PASS\n auth_pass secret\n }";
        let _keepalived = Keepalived::start(&peer, 150, VIP, lines);
        ours.start(&config_v2(100));
        let reported = |problem: &String| problem.contains("authentication of type 1");
        let status = ours.until("reported", |status| status.problems.iter().any(reported)).await;
        assert!(status.counters.invalid_authtype > 0);
    });
}
