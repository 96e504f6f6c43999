//! A RAFT cluster of three.

use gateway_ovsdb::{Operation, Options};

use crate::{
    follower::{Follower, options},
    lab::{Place, SCHEMA, Server, run},
};

const MEMBERS: [&str; 3] = ["a", "b", "c"];

/// A cluster with the members [`MEMBERS`].
pub(crate) struct Cluster {
    pub(crate) place: Place,
    servers: Vec<Server>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let place = Place::new();
        let raft = |name: &str| format!("unix:{}", place.file(&format!("{name}.raft")));
        let database = |name: &str| place.file(&format!("{name}.db"));
        run("ovsdb-tool", &["create-cluster", &database("a"), SCHEMA, &raft("a")]);
        let mut servers = vec![place.serve_made("a", &[])];
        for name in &MEMBERS[1..] {
            run("ovsdb-tool", &["join-cluster", &database(name), "lab", &raft(name), &raft("a")]);
            servers.push(place.serve_made(name, &[]));
            run("ovsdb-client", &["wait", &place.remote(name), "lab", "connected"]);
        }
        Self { place, servers }
    }

    /// Opens it with the leader only.
    async fn follow(&self) -> (Follower, usize) {
        let remotes = MEMBERS.map(|name| self.place.remote(name)).join(",");
        let mut follower = Follower::new(Options { leader_only: true, ..options(&remotes) });
        let leader = self.up(&mut follower).await;
        follower.changes().await;
        (follower, leader)
    }

    async fn up(&self, follower: &mut Follower) -> usize {
        let (remote, _) = follower.up().await;
        MEMBERS.iter().position(|name| self.place.remote(name) == remote).unwrap()
    }
}

fn insert(name: &str) -> Vec<Operation> {
    vec![Operation::Insert { table: "Switch", row: vec![("name", name.into())], uuid_name: None }]
}

#[tokio::test]
async fn a_killed_leader_is_replaced_and_nothing_reported_twice() {
    let mut cluster = Cluster::new();
    let (mut follower, leader) = cluster.follow().await;
    follower.client.transact(insert("s1")).await.unwrap();
    follower.changes().await;

    cluster.servers[leader].kill();
    let next = cluster.up(&mut follower).await;
    assert_ne!(next, leader);
    assert_eq!(follower.changes().await, []);
    follower.client.transact(insert("s2")).await.unwrap();
    assert_eq!(follower.changes().await.len(), 1);
    assert_eq!(follower.rows("Switch").into_keys().collect::<Vec<_>>(), ["s1", "s2"]);
}

#[tokio::test]
async fn a_member_that_no_longer_leads_is_left() {
    let cluster = Cluster::new();
    let (mut follower, leader) = cluster.follow().await;
    cluster.place.control(MEMBERS[leader], &["cluster/failure-test", "transfer-leadership"]);
    follower.down_because("does not lead").await;
    assert_ne!(cluster.up(&mut follower).await, leader);
    assert_eq!(follower.changes().await, []);
}
