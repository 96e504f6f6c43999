//! A router between two nodes.

use std::thread;

use tokio::sync::oneshot;

use crate::{
    netns::{Netns, in_new, run},
    node::Node,
};

const ACTIVE: &str = "10.1.0.1";
const NEAR: &str = "10.1.0.2";
const FAR: &str = "10.2.0.2";

/// Runs a standby of `ACTIVE` in another namespace until it is stopped, and returns what it has received by then.
fn standby(at: Netns, address: &'static str, stop: oneshot::Receiver<()>) -> thread::JoinHandle<bool> {
    thread::spawn(move || {
        at.enter();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let node = Node::start(address, address, &[]);
            node.follow(ACTIVE);
            stop.await.unwrap();
            !node.received().stations.is_empty()
        })
    })
}

#[test]
fn a_neighbour_is_answered_and_one_behind_a_router_is_not() {
    in_new(async || {
        let (router, far) = (Netns::new(), Netns::new());
        run(&format!("ip link add a0 type veth peer name r0 netns {}", router.path()));
        run("ip address add 10.1.0.1/24 dev a0");
        run("ip link set a0 up");
        run("ip route add 10.2.0.0/24 via 10.1.0.2");
        router.run(&format!("ip link add r1 type veth peer name f0 netns {}", far.path()));
        for line in [
            "ip address add 10.1.0.2/24 dev r0",
            "ip address add 10.2.0.1/24 dev r1",
            "ip link set r0 up",
            "ip link set r1 up",
            "sysctl -qw net.ipv4.ip_forward=1",
        ] {
            router.run(line);
        }
        for line in ["ip address add 10.2.0.2/24 dev f0", "ip link set f0 up", "ip route add default via 10.2.0.1"] {
            far.run(line);
        }
        // There is a way there and back.
        far.run("ping -c 1 -W 5 10.1.0.1");

        let mut active = Node::start("gw1", ACTIVE, &[NEAR, FAR]);
        active.learn(0..10);
        let (stop_far, stopped) = oneshot::channel();
        let far = standby(far, FAR, stopped);
        let (stop_near, stopped) = oneshot::channel();
        let near = standby(router, NEAR, stopped);
        active.is_followed_by(NEAR).await;
        // The far one has had as much time as the near one needed, and more.
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let standbys = active.received().standbys.clone();
        assert_eq!(standbys.values().map(std::collections::BTreeMap::len).sum::<usize>(), 1, "{standbys:?}");
        stop_far.send(()).unwrap();
        stop_near.send(()).unwrap();
        assert!(near.join().unwrap(), "the neighbour has the stations");
        assert!(!far.join().unwrap(), "the one behind the router has none");
    });
}
