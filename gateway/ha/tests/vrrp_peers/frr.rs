//! FRR's vrrpd as the other node. It wants the macvlan made beforehand, with the virtual address on it, and lets it up
//! and down by `protodown`.

use std::{env, fs, os::unix::fs::PermissionsExt, path::PathBuf, process};

use gateway_config::VrrpConfig;
use gateway_vrrp::{Leave, Priority};

use crate::lab::{Node, Program, Switch, VIP, config, config_v2, instance, test, until};

/// zebra and vrrpd that run, with files of their own.
struct Frr {
    vrrpd: Option<Program>,
    zebra: Option<Program>,
    dir: PathBuf,
}

impl Frr {
    fn start(node: &Node, version: u8, interval: u16) -> Self {
        let dir = env::temp_dir().join(format!("vrrp-peers-{}-frr-{:?}", process::id(), std::thread::current().id()));
        fs::create_dir_all(&dir).unwrap();
        // The daemons give up root for a user of their own, who has to write here.
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
        for line in [
            "ip link add vrrp4-2-51 link up0 type macvlan mode bridge",
            "ip link set vrrp4-2-51 address 00:00:5e:00:01:33",
            &format!("ip addr add {VIP}/24 dev vrrp4-2-51"),
            "ip link set vrrp4-2-51 up",
        ] {
            node.netns.run(line);
        }
        let text = format!(
            "hostname peer\ninterface up0\n vrrp 51 version {version}\n vrrp 51 priority 100\n vrrp 51 \
             advertisement-interval {interval}\n vrrp 51 ip {VIP}\nexit\n"
        );
        fs::write(dir.join("vrrpd.conf"), text).unwrap();
        fs::write(dir.join("zebra.conf"), "hostname peer\n").unwrap();
        let place = dir.display();
        let daemon = |name: &str| {
            format!(
                "/usr/lib/frr/{name} -f {place}/{name}.conf -i {place}/{name}.pid -z {place}/zserv --vty_socket {place} \
                 -A 127.0.0.1 -P 0 -u frr -g frr --log file:{place}/{name}.log --log-level debugging"
            )
        };
        let zebra = node.spawn(&daemon("zebra"));
        // vrrpd connects when it is there.
        let vrrpd = node.spawn(&daemon("vrrpd"));
        Self { vrrpd: Some(vrrpd), zebra: Some(zebra), dir }
    }

    /// The state that vrrpd reports.
    fn shows(&self, state: &str) -> bool {
        let mut vtysh = process::Command::new("vtysh");
        vtysh.args(["--vty_socket", &self.dir.display().to_string(), "-d", "vrrpd", "-c", "show vrrp"]);
        let shown = vtysh.output().unwrap();
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        shown.lines().any(|line| line.contains("Status (v4)") && line.contains(state))
    }

    async fn until(&self, state: &str) {
        until(&format!("vrrpd is {state}"), || self.shows(state)).await;
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        drop(self.vrrpd.take());
        drop(self.zebra.take());
        let _ = fs::remove_dir_all(&self.dir);
    }
}

async fn both_roles(version: u8, interval: u16, vrrp: VrrpConfig) {
    let switch = Switch::new();
    let (mut ours, peer) = (switch.node(1), switch.node(2));
    let frr = Frr::start(&peer, version, interval);
    frr.until("Master").await;
    ours.start_with(instance(&vrrp));
    ours.active().await;
    frr.until("Backup").await;
    let counters = ours.status().counters;
    assert!(counters.advert_rcvd > 0 && counters.checksum_err == 0, "{counters:?}");
    ours.stop(Leave::Handover).await;
    frr.until("Master").await;
    ours.start_with(instance(&VrrpConfig { priority: Priority::new(50).unwrap(), ..vrrp }));
    ours.backup().await;
    drop(frr);
    ours.active().await;
}

#[test]
fn version_3() {
    test(both_roles(3, 100, config(150)));
}

#[test]
fn version_2() {
    test(both_roles(2, 1000, config_v2(150)));
}
