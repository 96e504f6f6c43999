//! What neighbours make of announcements.

use std::{
    io::Read,
    process::{Command, Stdio},
    time::Duration,
};

use gateway_common::net::{MacAddr, VlanId};
use gateway_netdev::{
    announce,
    frames::{FrameError, FrameSender},
};
use nix::net::if_::if_nametoindex;

use crate::{
    lab::{Lab, ip, until},
    netns::{in_new, run},
};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const STATION: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);

fn sender() -> FrameSender {
    FrameSender::open(if_nametoindex("own0").unwrap()).unwrap()
}

/// The neighbour has the address at another MAC, and learns the right one.
async fn taken_over(address: &'static str) {
    let lab = Lab::new();
    lab.peer.run("ip addr add 2001:db8::2/64 dev peer0 nodad");
    lab.peer.run(&format!("ip neigh add {address} lladdr 02:00:00:00:00:99 dev peer0 nud reachable"));
    let sender = sender();
    announce::takeover(MAC, ip(address), Duration::ZERO).iter().for_each(|frame| sender.send(frame).unwrap());
    until("updated", || {
        lab.peer.run(&format!("ip neigh show {address} dev peer0")).contains("02:00:00:00:00:01").then_some(())
    })
    .await;
}

#[test]
fn gratuitous_arp_updates_a_neighbour() {
    in_new(|| taken_over("10.9.0.100"));
}

#[test]
fn neighbour_advertisement_updates_a_neighbour() {
    in_new(|| taken_over("2001:db8::100"));
}

#[test]
fn switch_learns_a_station_from_rarp() {
    in_new(|| async {
        let lab = Lab::new();
        lab.peer.run("ip link add br0 type bridge");
        lab.peer.run("ip link set br0 up");
        lab.peer.run("ip link set peer0 master br0");
        let (sender, frame) = (sender(), announce::rarp(STATION, VlanId::UNTAGGED));
        until("learned", || {
            sender.send(&frame).unwrap();
            lab.peer.run("bridge fdb show br br0").contains("02:00:00:00:00:07 dev peer0").then_some(())
        })
        .await;
    });
}

#[test]
fn rarp_on_a_vlan_is_on_the_wire_as_such() {
    in_new(|| async {
        let lab = Lab::new();
        let mut tcpdump = Command::new("tcpdump");
        tcpdump.args(["-i", "peer0", "-c", "1", "-e", "-n", "vlan 301"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut tcpdump = lab.peer.within(|| tcpdump.spawn()).unwrap();
        let (sender, frame) = (sender(), announce::rarp(STATION, VlanId::new(301).unwrap()));
        until("seen", || {
            sender.send(&frame).unwrap();
            tcpdump.try_wait().unwrap()
        })
        .await;
        let mut seen = String::new();
        tcpdump.stdout.take().unwrap().read_to_string(&mut seen).unwrap();
        for part in ["02:00:00:00:00:07 > ff:ff:ff:ff:ff:ff", "vlan 301", "Reverse Request who-is 02:00:00:00:00:07"] {
            assert!(seen.contains(part), "{seen}");
        }
    });
}

#[test]
fn interface_that_is_down_or_gone_is_reported_as_such() {
    in_new(|| async {
        let _lab = Lab::new();
        let (sender, frame) = (sender(), announce::rarp(MAC, VlanId::UNTAGGED));
        run("ip link set own0 down");
        assert!(matches!(sender.send(&frame), Err(FrameError::Down(_))));
        run("ip link set own0 up");
        sender.send(&frame).unwrap();
        run("ip link del own0");
        assert!(matches!(sender.send(&frame), Err(FrameError::Gone(_))));
    });
}
