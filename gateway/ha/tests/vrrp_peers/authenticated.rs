//! Nodes that authenticate each other.

use std::collections::BTreeMap;

use gateway_config::{AuthConfig, VrrpConfig};
use gateway_vrrp::{AntiReplay, AuthMode, AuthSettings, Keyring, Role, Secret};

use crate::{
    keepalived::both_roles,
    lab::{Node, Switch, VIP, VIP6, config, config_v2, instance, instance_v6, test},
};

/// With keys of 32 equal bytes: numbers and bytes. The first one signs.
fn keyed(config: VrrpConfig, keys: &[(u8, u8)], mode: AuthMode) -> VrrpConfig {
    let secrets = keys.iter().map(|(id, byte)| (*id, Secret::new(vec![*byte; 32]).unwrap()));
    let keyring = Keyring { keys: secrets.collect(), active: keys[0].0 };
    let settings = AuthSettings { keyring, mode, replay: AntiReplay::Time(5) };
    VrrpConfig { auth: Some(AuthConfig { sources: BTreeMap::new(), settings }), ..config }
}

fn enforcing(config: VrrpConfig, keys: &[(u8, u8)]) -> VrrpConfig {
    keyed(config, keys, AuthMode::Enforce)
}

async fn pair(switch: &Switch, keys: &[(u8, u8)]) -> (Node, Node) {
    let (mut a, mut b) = (switch.node(1), switch.node(2));
    a.start(&enforcing(config(150), keys));
    a.active().await;
    b.start(&enforcing(config(100), keys));
    b.backup().await;
    (a, b)
}

#[test]
fn a_stranger_without_the_key_does_not_take_the_role_whatever_its_priority() {
    for stranger in [config(254), enforcing(config(254), &[(1, 9)]), enforcing(config(254), &[(2, 9)])] {
        test(async {
            let switch = Switch::new();
            let (a, b) = pair(&switch, &[(1, 1)]).await;
            let mut c = switch.node(3);
            c.start(&stranger);
            c.active().await;
            for node in [&a, &b] {
                let reported = |problem: &String| problem.starts_with("an advertisement from 10.9.0.3 is ignored: it");
                let status = node.until("reported", |status| status.problems.iter().any(reported)).await;
                let counted = status.counters;
                let refused = counted.auth_ext_missing + counted.auth_ext_invalid_hmac + counted.auth_ext_unknown_key;
                assert!(refused > 0, "{counted:?}");
                assert!(status.others.keys().all(|address| *address != c.address()), "{:?}", status.others);
            }
            assert_eq!((a.status().status.role, b.status().status.role), (Role::Active, Role::Backup));
            assert_eq!(a.status().counters.release_master, 0);
        });
    }
}

#[test]
fn keys_are_brought_in_and_changed_while_nodes_run_and_nobody_moves() {
    test(async {
        let switch = Switch::new();
        let (mut a, mut b) = (switch.node(1), switch.node(2));
        a.start(&config(150));
        a.active().await;
        b.start(&config(100));
        b.backup().await;
        let steps: [(&[(u8, u8)], AuthMode); 6] = [
            (&[(1, 1)], AuthMode::ReceiveOnly),
            (&[(1, 1)], AuthMode::Permissive),
            (&[(1, 1)], AuthMode::Enforce),
            (&[(1, 1), (2, 2)], AuthMode::Enforce),
            (&[(2, 2), (1, 1)], AuthMode::Enforce),
            (&[(2, 2)], AuthMode::Enforce),
        ];
        for (keys, mode) in steps {
            for (node, priority) in [(&b, 100), (&a, 150)] {
                let changed = keyed(config(priority), keys, mode);
                node.handle().reconfigure(vec![instance(&changed)], vec![], vec![]);
                let received = b.status().counters.advert_rcvd;
                b.until("hearing", |status| status.counters.advert_rcvd > received + 2).await;
            }
        }
        for (node, masters) in [(&a, 1), (&b, 0)] {
            let status = node.status();
            assert_eq!(status.counters.become_master, masters);
            assert!(status.problems.is_empty(), "{:?}", status.problems);
            let counted = status.counters;
            assert_eq!(counted.auth_ext_missing + counted.auth_ext_unknown_key + counted.auth_ext_invalid_hmac, 0);
        }
    });
}

/// `auth_hmac` of keepalived with key 7, 32 bytes `K`.
const AUTH_HMAC: &str = "auth_hmac {\n key 7 KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK\n active_key 7\n }";

#[test]
#[ignore = "needs a keepalived with auth_hmac before others in PATH"]
fn keepalived_with_auth_hmac_accepts_ours_and_is_accepted() {
    let unicast = "unicast_src_ip 10.9.0.2\n unicast_peer {\n 10.9.0.1\n }";
    let to = |config: VrrpConfig| VrrpConfig { peers: vec!["10.9.0.2".parse().unwrap()], ..config };
    let key = |config| enforcing(config, &[(7, b'K')]);
    for (ours, vip, lines) in [
        (instance(&key(config(150))), VIP, "version 3\n advert_int 0.1".to_owned()),
        (instance(&key(config_v2(150))), VIP, "version 2\n advert_int 1".to_owned()),
        (instance(&key(to(config(150)))), VIP, format!("version 3\n advert_int 0.1\n {unicast}")),
        (instance(&key(to(config_v2(150)))), VIP, format!("version 2\n advert_int 1\n {unicast}")),
        (instance_v6(&key(config(150))), VIP6, "version 3\n advert_int 0.1".to_owned()),
    ] {
        test(async {
            let switch = Switch::new();
            let (mut node, peer) = (switch.node(1), switch.node(2));
            both_roles(&mut node, &peer, ours, vip, &format!("{lines}\n {AUTH_HMAC}")).await;
        });
    }
}
