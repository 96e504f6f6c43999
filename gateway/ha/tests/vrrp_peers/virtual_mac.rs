//! The virtual router MAC address (RFC 9568 section 7.3).

use gateway_config::VrrpConfig;
use gateway_vrrp::Leave;

use crate::{
    lab::{Node, Switch, VIP, VRID, config, test, until},
    netns::Netns,
};

const MACVLAN: &str = "vrrp4.51";
const MAC: &str = "00:00:5e:00:01:33";

fn virtual_mac(priority: u8) -> VrrpConfig {
    VrrpConfig { virtual_mac: true, ..config(priority) }
}

/// Who answers for the virtual address, as a third node sees it.
fn answers(asker: &Netns) -> String {
    asker.run("ip neigh flush dev up0");
    asker.run(&format!("arping -q -c 1 -w 5 -I up0 {VIP}"));
    asker.run(&format!("arping -c 2 -w 5 -I up0 {VIP}")).to_lowercase()
}

fn sysctl(node: &Node, key: &str) -> String {
    node.netns.run(&format!("sysctl -n net.ipv4.conf.up0.{key}")).trim().to_owned()
}

fn has_macvlan(node: &Node) -> bool {
    node.netns.run("ip -o link").contains(MACVLAN)
}

#[test]
fn virtual_mac_address_moves_with_the_role_and_only_it_answers() {
    test(async {
        let switch = Switch::new();
        let (mut a, mut b, third) = (switch.node(1), switch.node(2), switch.node(3));
        a.start(&virtual_mac(150));
        a.active().await;
        b.start(&virtual_mac(100));
        b.backup().await;
        assert!(a.has(MACVLAN, VIP) && !a.has("up0", VIP));
        assert!(!has_macvlan(&b), "a backup has the virtual MAC address");
        let reported = answers(&third.netns);
        assert!(reported.contains(MAC), "{reported}");
        assert_eq!(
            reported.matches("reply from").count(),
            reported.matches(MAC).count(),
            "another MAC answers too: {reported}"
        );

        a.stop(Leave::Handover).await;
        b.active().await;
        assert!(b.has(MACVLAN, VIP));
        assert!(!has_macvlan(&a));
        assert_eq!(sysctl(&a, "arp_ignore"), "0", "the setting was not put back");
        assert_eq!(sysctl(&b, "arp_ignore"), "1");
        assert!(answers(&third.netns).contains(MAC));
    });
}

#[test]
fn macvlan_left_by_a_crash_is_removed() {
    test(async {
        let switch = Switch::new();
        let mut a = switch.node(1);
        a.netns.run(&format!("ip link add {MACVLAN} link up0 type macvlan mode private"));
        a.netns.run(&format!("ip addr add {VIP}/32 dev {MACVLAN}"));
        let late = VrrpConfig { startup_delay: std::time::Duration::from_secs(60), ..virtual_mac(100) };
        a.start(&late);
        until("the macvlan is gone", || !has_macvlan(&a)).await;
    });
}

#[test]
fn restart_keeps_the_macvlan_and_what_is_to_be_put_back() {
    test(async {
        let switch = Switch::new();
        let mut a = switch.node(1);
        a.start(&virtual_mac(100));
        a.active().await;
        let before = a.netns.run(&format!("ip -o link show {MACVLAN}"));
        a.stop(Leave::Keep).await;
        a.start(&virtual_mac(100));
        a.active().await;
        assert_eq!(before, a.netns.run(&format!("ip -o link show {MACVLAN}")), "it is another one");
        a.stop(Leave::Handover).await;
        assert_eq!(sysctl(&a, "arp_ignore"), "0", "the setting was not put back");
    });
}

#[test]
fn advertisements_come_from_the_virtual_mac_address() {
    test(async {
        let switch = Switch::new();
        let (mut a, b) = (switch.node(1), switch.node(2));
        a.start(&virtual_mac(100));
        a.active().await;
        let sent = a.status().counters.advert_sent;
        a.until("advertising on", |status| status.counters.advert_sent > sent + 10).await;
        // The switch has learned it behind this node's port.
        let line = b.netns.run("timeout 10 tcpdump -i up0 -e -n -c 1 ip proto 112");
        assert!(line.to_lowercase().contains(MAC), "{line}");
        assert_eq!(a.status().vrid.get(), VRID);
    });
}
