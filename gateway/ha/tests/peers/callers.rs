//! Who calls.

use std::{
    io::{ErrorKind, Write},
    net::SocketAddr,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    netns::{PATIENCE, in_new},
    node::{Node, PORT, VRID, key},
};

const A: &str = "127.0.0.1";

/// The description that a node sends of itself.
const THEIRS: &[u8] = b"{\"type\":\"hello\",\"protocol\":1,\"node\":\"gw2\"}\n\
    {\"type\":\"instance\",\"vrid\":51,\"switch\":\"gw\",\"tunnel_ips\":[\"172.31.0.21\"]}\n{\"type\":\"described\"}\n";

/// Has all sockets of the namespace send with a TTL of 255.
fn far_reaching() {
    std::fs::OpenOptions::new()
        .write(true)
        .open("/proc/sys/net/ipv4/ip_default_ttl")
        .unwrap()
        .write_all(b"255")
        .unwrap();
}

fn name(number: u8) -> String {
    format!("127.0.1.{number}")
}

/// A caller that sends nothing of its own accord.
async fn call(number: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(name(number).parse().unwrap(), 0)).unwrap();
    timeout(PATIENCE, socket.connect(SocketAddr::new(A.parse().unwrap(), PORT))).await.unwrap().unwrap()
}

/// True once it is closed, whatever was said before.
async fn ends(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    match timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("it is closed") {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    String::from_utf8(all).unwrap()
}

/// Waits until it has said who it is.
async fn is_answered(stream: &mut TcpStream) {
    let mut hello = [0; 20];
    timeout(PATIENCE, stream.read_exact(&mut hello)).await.unwrap().unwrap();
    assert!(hello.starts_with(b"{\"type\":\"hello\""));
}

#[test]
fn a_stranger_is_not_answered() {
    in_new(async || {
        far_reaching();
        let _node = Node::start("gw1", A, &["127.0.1.1"]);
        // The listener is there once the known one is answered.
        is_answered(&mut connected(1).await).await;
        assert_eq!(ends(&mut call(2).await).await, "");
    });
}

/// Calls until the node listens.
async fn connected(number: u8) -> TcpStream {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(name(number).parse().unwrap(), 0)).unwrap();
        match timeout(PATIENCE, socket.connect(SocketAddr::new(A.parse().unwrap(), PORT))).await.unwrap() {
            Ok(stream) => return stream,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[test]
fn a_standby_that_is_a_stranger_has_a_problem() {
    in_new(async || {
        let active = Node::start("gw1", A, &[]);
        active.learn(0..10);
        let mut standby = Node::start("gw2", "127.0.0.2", &[]);
        standby.follow(A);
        let text = "the active node 127.0.0.1 does not send what it has learned: ";
        standby
            .receives("a problem", |followed| followed.problems.iter().any(|problem| problem.starts_with(text)))
            .await;
        assert!(standby.received().stations.is_empty() && active.received().standbys.is_empty());
    });
}

#[test]
fn a_packet_with_a_lower_ttl_is_not_taken() {
    in_new(async || {
        let _node = Node::start("gw1", A, &["127.0.1.1"]);
        far_reaching();
        is_answered(&mut connected(1).await).await;
        std::fs::write("/proc/sys/net/ipv4/ip_default_ttl", "254").unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(name(1).parse().unwrap(), 0)).unwrap();
        let connecting = socket.connect(SocketAddr::new(A.parse().unwrap(), PORT));
        assert!(timeout(Duration::from_secs(2), connecting).await.is_err(), "its call must not arrive");
    });
}

#[test]
fn no_more_than_eight_are_answered_and_one_that_calls_again_takes_its_own_place() {
    in_new(async || {
        far_reaching();
        let names: Vec<String> = (1..=9).map(name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut node = Node::start("gw1", A, &names);
        let mut first = connected(1).await;
        is_answered(&mut first).await;
        first.write_all(THEIRS).await.unwrap();
        let mut others = Vec::new();
        for number in 2..=8 {
            let mut stream = call(number).await;
            is_answered(&mut stream).await;
            stream.write_all(THEIRS).await.unwrap();
            others.push(stream);
        }
        node.receives("eight", |followed| followed.standbys.get(&VRID).is_some_and(|standbys| standbys.len() == 8))
            .await;
        assert_eq!(ends(&mut call(9).await).await, "");
        let mut again = call(1).await;
        ends(&mut first).await;
        is_answered(&mut again).await;
    });
}

#[test]
fn callers_that_say_nothing_keep_no_node_out() {
    in_new(async || {
        far_reaching();
        let names: Vec<String> = (1..=20).map(name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let _node = Node::start("gw1", A, &names);
        let mut silent = vec![connected(1).await];
        for number in 2..=19 {
            silent.push(call(number).await);
        }
        is_answered(&mut call(20).await).await;
    });
}

#[test]
fn where_there_is_a_key_a_stranger_reads_nothing_and_a_problem_names_it() {
    in_new(async || {
        far_reaching();
        let mut node = Node::start("gw1", A, &["127.0.1.1", "127.0.0.2"]);
        node.peers.authenticate(key(1));
        node.learn(0..10);
        let mut stranger = connected(1).await;
        stranger.write_all(THEIRS).await.unwrap();
        assert_eq!(ends(&mut stranger).await, "");
        let text = "127.0.1.1 called and was not answered: it does not prove that it has the key: has it no auth_keys?";
        node.receives("a problem", |followed| followed.problems.contains(text)).await;
        let mut other = Node::start("gw2", "127.0.0.2", &[]);
        other.peers.authenticate(key(2));
        other.follow(A);
        let text =
            "127.0.0.2 called and was not answered: it does not have the key, or what it said was changed on the way";
        node.receives("a problem", |followed| followed.problems.contains(text)).await;
        let text = "the active node 127.0.0.1 does not send what it has learned: ";
        other.receives("a problem", |followed| followed.problems.iter().any(|problem| problem.starts_with(text))).await;
        assert!(other.received().stations.is_empty() && node.received().standbys.is_empty());
    });
}

#[test]
fn nonsense_is_answered_with_what_is_wrong() {
    in_new(async || {
        far_reaching();
        let _node = Node::start("gw1", A, &["127.0.1.1"]);
        let mut stream = connected(1).await;
        is_answered(&mut stream).await;
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let said = ends(&mut stream).await;
        assert!(said.contains("\"bye\"") && said.contains("it sent what is no message"), "{said}");
    });
}

/// The others receive all the same, while one reads nothing.
#[test]
fn one_that_does_not_read_holds_nobody_up() {
    in_new(async || {
        far_reaching();
        let active = Node::start("gw1", A, &["127.0.1.1", "127.0.0.2"]);
        active.learn(0..50_000);
        let mut deaf = connected(1).await;
        deaf.write_all(b"{\"type\":\"hello\",\"protocol\":1,\"node\":\"deaf\"}\n").await.unwrap();
        let mut standby = Node::start("gw2", "127.0.0.2", &[]);
        standby.follow(A);
        for round in 0..3 {
            active.learn(round..50_000 + round);
            standby.has(round..50_000 + round).await;
        }
        assert!(active.received().standbys.get(&VRID).is_some_and(|standbys| standbys.len() == 1));
    });
}
