//! One node.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use gateway_common::net::{MacAddr, VlanId, Vni};
use gateway_ha::peers::{
    self, Bound, Callers, Description, Followed, Keys, Local, Peers, Remote, RouterDescription, Station, Stations,
};
use gateway_vrrp::{AntiReplay, AuthMode, AuthSettings, Keyring, Secret, Vrid};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::netns::PATIENCE;

pub(crate) const PORT: u16 = 3700;
pub(crate) const VRID: Vrid = Vrid::new(51).unwrap();

/// A node that takes part in virtual router 51.
pub(crate) struct Node {
    pub(crate) peers: Peers,
    pub(crate) address: IpAddr,
    followed: watch::Receiver<Arc<Followed>>,
    work: JoinHandle<()>,
}

impl Node {
    /// Starts one that is called at `address`, and may be called from `allowed`.
    pub(crate) fn start(name: &str, address: &str, allowed: &[&str]) -> Self {
        let (peers, followed, work) = peers::open(PORT, 100_000);
        let address = address.parse().unwrap();
        peers.listen([Local { address, scope: 0 }].into());
        peers.allow(Callers::Only(allowed.iter().map(|address| address.parse().unwrap()).collect()));
        let node = Self { peers, address, followed, work: tokio::spawn(work) };
        node.bind(name, &[100]);
        node
    }

    /// Has VLANs of its port bound.
    pub(crate) fn bind(&self, name: &str, vlans: &[u16]) {
        self.describe(name, vlans, 0);
    }

    /// Asks the active node to announce its addresses, for the `misled`th time.
    pub(crate) fn ask(&self, name: &str, misled: u32) {
        self.describe(name, &[100], misled);
    }

    fn describe(&self, name: &str, vlans: &[u16], misled: u32) {
        let bound = |vlan: &u16| Bound {
            port: "eth1".into(),
            vlan: VlanId::new(*vlan).unwrap(),
            switch: format!("net{vlan}").into(),
        };
        let bindings: BTreeSet<Bound> = vlans.iter().map(bound).collect();
        let tunnel_ips = ["172.31.0.21".parse().unwrap()].into();
        let router =
            RouterDescription { switch: "gw".to_owned(), tunnel_ips, bindings: bindings.into(), able: Some(1), misled };
        self.peers.local(Description { node: name.to_owned(), routers: [(VRID, router)].into() });
    }

    /// Follows the active node at `address`.
    pub(crate) fn follow(&self, address: &str) {
        let active = Remote { address: address.parse().unwrap(), scope: 0, from: Some(self.address) };
        self.peers.follow(VRID, Some(active));
    }

    /// Is active, with these stations.
    pub(crate) fn learn(&self, numbers: std::ops::Range<u32>) {
        self.peers.follow(VRID, None);
        self.peers.stations(VRID, Some(stations(numbers)));
    }

    /// Waits until the received data is as `wanted`.
    pub(crate) async fn receives(&mut self, what: &str, wanted: impl Fn(&Followed) -> bool) {
        let arrived = timeout(PATIENCE, self.followed.wait_for(|followed| wanted(followed))).await.is_ok();
        assert!(arrived, "not within {PATIENCE:?}: {what}; problems: {:?}", self.received().problems);
    }

    /// Waits for these stations.
    pub(crate) async fn has(&mut self, numbers: std::ops::Range<u32>) {
        let wanted = stations(numbers);
        self.receives("stations", |followed| followed.stations.get(&VRID) == Some(&wanted)).await;
    }

    /// Waits until a node of this name follows it.
    pub(crate) async fn is_followed_by(&mut self, name: &str) {
        let named = |followed: &Followed| {
            followed.standbys.get(&VRID).is_some_and(|standbys| standbys.values().any(|standby| standby == name))
        };
        self.receives("a standby", named).await;
    }

    pub(crate) fn received(&self) -> Arc<Followed> {
        self.followed.borrow().clone()
    }

    /// Ends it, as when the process dies.
    pub(crate) fn kill(self) {
        self.work.abort();
    }

    /// Lets go of the handle, and waits for the end.
    pub(crate) async fn leave(self) {
        drop(self.peers);
        timeout(PATIENCE, self.work).await.expect("the work ends with its handle").unwrap();
    }
}

/// A key that all nodes of virtual router 51 with the same number have.
pub(crate) fn key(number: u8) -> Keys {
    let secret = Secret::new(vec![number; 32]).unwrap();
    let keyring = Keyring { keys: [(1, secret)].into(), active: 1 };
    let settings = AuthSettings { keyring, mode: AuthMode::Enforce, replay: AntiReplay::Monotonic };
    Keys::new([(VRID, &settings)].into_iter())
}

pub(crate) fn stations(numbers: std::ops::Range<u32>) -> Stations {
    let station = |number: u32| {
        let [_, a, b, c] = number.to_be_bytes();
        let mac = MacAddr([2, 0xee, 0, a, b, c]);
        let ip = Some(IpAddr::from([10, a, b, c]));
        Station { vni: Vni::new(5001).unwrap(), mac, port: "eth1".into(), vlan: VlanId::new(100).unwrap(), ip }
    };
    numbers.map(station).collect()
}
