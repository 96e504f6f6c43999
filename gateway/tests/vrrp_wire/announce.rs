//! What neighbours make of announcements.

use gateway::{
    announce,
    ha::{FrameError, FrameSender},
};
use gateway_common::net::{MacAddr, VlanId};
use nix::net::if_::if_nametoindex;

use crate::{
    lab::{Lab, ip, until},
    netns::{in_new, run},
};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn sender() -> FrameSender {
    FrameSender::open(if_nametoindex("own0").unwrap()).unwrap()
}

/// The neighbour has the address at another MAC, and is told better.
async fn taken_over(address: &'static str) {
    let lab = Lab::new();
    lab.peer.run("ip addr add 2001:db8::2/64 dev peer0 nodad");
    lab.peer.run(&format!("ip neigh add {address} lladdr 02:00:00:00:00:99 dev peer0 nud reachable"));
    sender().send(&announce::takeover(MAC, ip(address))).unwrap();
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
        lab.peer.run("ip link add br0 type bridge vlan_filtering 1");
        lab.peer.run("ip link set br0 up");
        lab.peer.run("ip link set peer0 master br0");
        lab.peer.run("bridge vlan add vid 301 dev peer0");
        let station = MacAddr([2, 0, 0, 0, 0, 7]);
        let sender = sender();
        until("learned", || {
            sender.send(&announce::rarp(station, VlanId::UNTAGGED)).unwrap();
            sender.send(&announce::rarp(station, VlanId::new(301).unwrap())).unwrap();
            let learned = lab.peer.run("bridge fdb show br br0");
            (learned.contains("02:00:00:00:00:07 dev peer0 vlan 1 master br0")
                && learned.contains("02:00:00:00:00:07 dev peer0 vlan 301 master br0"))
            .then_some(())
        })
        .await;
    });
}

#[test]
fn interface_that_is_down_or_gone_is_told_as_such() {
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
