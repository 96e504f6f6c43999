//! An active node and a standby.

use gateway_ha::peers::{Followed, Local, Remote};

use crate::{
    netns::{in_new, run},
    node::{Node, VRID, key},
};

const A: &str = "127.0.0.1";
const B: &str = "127.0.0.2";

fn two() -> (Node, Node) {
    (Node::start("gw1", A, &[B]), Node::start("gw2", B, &[A]))
}

#[test]
fn a_standby_has_the_active_nodes_stations_and_each_change() {
    in_new(async || {
        let (mut active, mut standby) = two();
        active.learn(0..20_000);
        standby.follow(A);
        standby.has(0..20_000).await;
        active.is_followed_by("gw2").await;
        let connected = |active: &str| active == "gw1";
        standby
            .receives("who is active", |followed| followed.active.get(&VRID).is_some_and(|node| connected(node)))
            .await;
        active.learn(1..20_001);
        standby.has(1..20_001).await;
        active.learn(0..0);
        standby.has(0..0).await;
    });
}

#[test]
fn a_standby_keeps_what_it_has_when_the_active_node_dies() {
    in_new(async || {
        let (active, mut standby) = two();
        active.learn(0..100);
        standby.follow(A);
        standby.has(0..100).await;
        active.kill();
        standby.receives("that it is gone", |followed| followed.active.is_empty()).await;
        standby.learn(0..0);
        standby.has(0..100).await;
    });
}

#[test]
fn a_standby_calls_again_when_the_active_node_is_back() {
    in_new(async || {
        let (active, mut standby) = two();
        active.learn(0..100);
        standby.follow(A);
        standby.has(0..100).await;
        active.leave().await;
        let again = Node::start("gw1", A, &[B]);
        again.learn(50..60);
        standby.has(50..60).await;
    });
}

#[test]
fn roles_change_and_change_back() {
    in_new(async || {
        let (mut one, mut other) = two();
        for round in 0..3 {
            one.peers.stations(VRID, None);
            other.peers.stations(VRID, None);
            one.learn(round..100);
            other.follow(A);
            other.has(round..100).await;
            one.peers.stations(VRID, None);
            other.learn(round..50);
            one.follow(B);
            one.has(round..50).await;
        }
    });
}

#[test]
fn a_node_that_is_not_active_sends_no_stations() {
    in_new(async || {
        let (mut one, mut other) = two();
        other.follow(A);
        one.is_followed_by("gw2").await;
        assert!(other.received().stations.is_empty());
        one.learn(0..5);
        other.has(0..5).await;
    });
}

#[test]
fn what_two_nodes_have_differently_is_a_problem_on_both_until_it_is_gone() {
    in_new(async || {
        let (mut one, mut other) = two();
        one.learn(0..0);
        other.follow(A);
        one.bind("gw1", &[100, 200]);
        let here = "virtual router 51: port eth1 VLAN 200 is bound to net200 here and not on node gw2";
        let there = "virtual router 51: port eth1 VLAN 200 is bound to net200 on node gw1 and not here";
        one.receives("the difference", |followed| followed.problems == [here.to_owned()].into()).await;
        other.receives("the difference", |followed| followed.problems == [there.to_owned()].into()).await;
        other.bind("gw2", &[100, 200]);
        one.receives("no difference", |followed| followed.problems.is_empty()).await;
        other.receives("no difference", |followed| followed.problems.is_empty()).await;
    });
}

#[test]
fn it_works_over_ipv6() {
    in_new(async || {
        for address in ["fd00::1", "fd00::2"] {
            run(&format!("ip address add {address}/128 dev lo nodad"));
        }
        let (active, mut standby) = (Node::start("gw1", "fd00::1", &["fd00::2"]), Node::start("gw2", "fd00::2", &[]));
        active.learn(0..100);
        standby.follow("fd00::1");
        standby.has(0..100).await;
    });
}

#[test]
fn it_works_between_link_local_addresses() {
    in_new(async || {
        for address in ["fe80::1", "fe80::2"] {
            run(&format!("ip address add {address}/64 dev lo nodad"));
        }
        let address = |text: &str| text.parse().unwrap();
        let scope = nix::net::if_::if_nametoindex("lo").unwrap();
        let (active, mut standby) = (Node::start("gw1", "fe80::1", &["fe80::2"]), Node::start("gw2", "fe80::2", &[]));
        active.peers.listen([Local { address: address("fe80::1"), scope }].into());
        standby.peers.listen([Local { address: address("fe80::2"), scope }].into());
        active.learn(0..100);
        let from = Some(address("fe80::2"));
        standby.peers.follow(VRID, Some(Remote { address: address("fe80::1"), scope, from }));
        standby.has(0..100).await;
    });
}

#[test]
fn an_address_that_is_not_there_yet_is_listened_at_once_it_is() {
    in_new(async || {
        let (mut active, mut standby) = (Node::start("gw1", "10.9.9.1", &[B]), Node::start("gw2", B, &[]));
        active.learn(0..100);
        active
            .receives("that it can't listen", |followed| {
                followed
                    .problems
                    .iter()
                    .any(|problem| problem.starts_with("other nodes can't be answered at 10.9.9.1 port 3700: "))
            })
            .await;
        run("ip address add 10.9.9.1/32 dev lo");
        standby.follow("10.9.9.1");
        standby.has(0..100).await;
        active.receives("no problem", |followed| followed.problems.is_empty()).await;
    });
}

#[test]
fn what_is_no_longer_a_virtual_router_of_the_node_is_forgotten() {
    in_new(async || {
        let (active, mut standby) = two();
        active.learn(0..100);
        standby.follow(A);
        standby.has(0..100).await;
        standby.peers.follow(VRID, None);
        standby.peers.local(gateway_ha::peers::Description { node: "gw2".to_owned(), ..Default::default() });
        standby.receives("nothing", |followed| followed.stations.is_empty()).await;
    });
}

#[test]
fn with_a_key_that_both_have_all_is_sent_also_after_it_was_changed() {
    in_new(async || {
        let (mut active, mut standby) = two();
        for node in [&active, &standby] {
            node.peers.authenticate(key(1));
        }
        active.learn(0..1000);
        standby.follow(A);
        standby.has(0..1000).await;
        active.is_followed_by("gw2").await;
        for node in [&active, &standby] {
            node.peers.authenticate(key(2));
        }
        active.learn(500..1500);
        standby.has(500..1500).await;
    });
}

#[test]
fn nodes_report_how_many_bindings_they_could_forward() {
    in_new(async || {
        let (mut active, mut standby) = two();
        active.learn(0..1);
        standby.follow(A);
        let reports = |followed: &Followed, name: &str| {
            let able = followed.able.get(&VRID).into_iter().flat_map(|able| able.values());
            able.into_iter().any(|able| able.node == name && able.bindings == Some(1))
        };
        standby.receives("the active node", |followed| reports(followed, "gw1")).await;
        active.receives("the standby", |followed| reports(followed, "gw2")).await;
    });
}

#[test]
fn a_standby_asks_the_active_node_to_announce_its_addresses() {
    in_new(async || {
        let (mut active, mut standby) = two();
        for node in [&active, &standby] {
            node.peers.authenticate(key(1));
        }
        active.learn(0..10);
        standby.follow(A);
        standby.has(0..10).await;
        active.is_followed_by("gw2").await;
        for number in 1..=2 {
            standby.ask("gw2", number);
            active.receives("the request", |followed| followed.misled == [(VRID, number.into())].into()).await;
        }
        assert!(standby.received().misled.is_empty(), "nobody asks a standby");
        // What was asked before is not asked of who is called next.
        let other = Node::start("gw3", "127.0.0.3", &[B]);
        other.peers.authenticate(key(1));
        other.learn(0..20);
        standby.follow("127.0.0.3");
        standby.has(0..20).await;
        assert!(other.received().misled.is_empty());
    });
}
