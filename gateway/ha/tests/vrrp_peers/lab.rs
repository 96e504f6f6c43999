//! A switch, and nodes on it.

use std::{
    net::IpAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use gateway_config::{AnnounceConfig, InstanceConfig, Interface, Mode, Track, VrrpConfig, Vteps};
use gateway_ha as ha;
use gateway_ha::{Handle, Setup, VirtualRouterStatus};
use gateway_vrrp::{Checksum, Interval, Leave, Priority, Role, Version, Vrid};
use nix::sys::signal::{Signal, kill};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    map::LeaseMap,
    netns::{Netns, PATIENCE},
};

pub(crate) const VRID: u8 = 51;
pub(crate) const VIP: &str = "10.9.0.100";
pub(crate) const VIP6: &str = "2001:db8::100";

/// Runs a test on a runtime of its own.
pub(crate) fn test(body: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(body);
}

/// A bridge.
pub(crate) struct Switch {
    netns: Netns,
}

impl Switch {
    pub(crate) fn new() -> Self {
        let netns = Netns::new();
        netns.run("ip link add br0 type bridge stp_state 0 mcast_snooping 0");
        netns.run("ip link set br0 up");
        Self { netns }
    }

    /// A node with 10.9.0.`number` on `up0`, and a port `acc0` that leads nowhere.
    pub(crate) fn node(&self, number: u8) -> Node {
        let netns = Netns::new();
        self.netns.run(&format!("ip link add p{number} type veth peer name up0 netns {}", netns.path()));
        self.netns.run(&format!("ip link set p{number} master br0 up"));
        netns.run("sysctl -qw net.ipv6.conf.up0.accept_dad=0");
        netns.run(&format!("ip addr add 10.9.0.{number}/24 dev up0"));
        netns.run(&format!("ip addr add 2001:db8::{number}/64 dev up0 nodad"));
        netns.run("ip link set up0 up");
        netns.run("ip link add acc0 type veth peer name acc1");
        netns.run("ip link set acc1 up");
        netns.run("ip link set acc0 up");
        Node { netns, number, map: LeaseMap::new(), handle: None }
    }

    /// Cuts the cable of a node, on the switch's side or not at all.
    pub(crate) fn cable(&self, node: &Node, there: bool) {
        let how = if there { "up" } else { "down" };
        self.netns.run(&format!("ip link set p{} {how}", node.number));
    }

    /// Lets nothing through between a node and the others, without either seeing its link go down.
    pub(crate) fn isolate(&self, node: &Node, isolated: bool) {
        let state = if isolated { "0" } else { "3" };
        self.netns.run(&format!("bridge link set dev p{} state {state}", node.number));
    }
}

/// A node, with virtual routers of ours or something else on it.
pub(crate) struct Node {
    pub(crate) netns: Netns,
    number: u8,
    pub(crate) map: LeaseMap,
    handle: Option<Handle>,
}

impl Node {
    pub(crate) fn address(&self) -> IpAddr {
        IpAddr::from([10, 9, 0, self.number])
    }

    /// Starts ours.
    pub(crate) fn start(&mut self, config: &VrrpConfig) {
        self.start_with(instance(config));
    }

    pub(crate) fn start_with(&mut self, instance: InstanceConfig) {
        let setup = setup(instance, self.map.share());
        let handle = self.netns.within(|| ha::start(setup).unwrap());
        handle.data_plane(Some(self.map.share()));
        handle.database(true);
        self.handle = Some(handle);
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.handle.as_ref().unwrap()
    }

    pub(crate) async fn stop(&mut self, how: Leave) {
        self.handle.take().unwrap().stop(how).await;
    }

    pub(crate) fn status(&self) -> VirtualRouterStatus {
        self.handle().statuses().borrow()[0].clone()
    }

    pub(crate) async fn until(
        &self,
        what: &str,
        mut is: impl FnMut(&VirtualRouterStatus) -> bool,
    ) -> VirtualRouterStatus {
        let mut statuses: watch::Receiver<Arc<Vec<VirtualRouterStatus>>> = self.handle().statuses();
        let found = timeout(PATIENCE, statuses.wait_for(|statuses| is(&statuses[0]))).await;
        match found {
            Ok(found) => found.unwrap()[0].clone(),
            Err(_) => panic!("10.9.0.{} was never {what}: {:#?}", self.number, self.status()),
        }
    }

    /// Active, with the addresses there.
    pub(crate) async fn active(&self) -> VirtualRouterStatus {
        self.until("active", |status| status.status.role == Role::Active && status.addresses_there).await
    }

    /// Backup of another node, without the addresses.
    pub(crate) async fn backup(&self) -> VirtualRouterStatus {
        let is = |status: &VirtualRouterStatus| status.status.role == Role::Backup && status.status.active.is_some();
        self.until("backup", |status| is(status) && !status.addresses_there).await
    }

    /// True if `address` is on `interface`.
    pub(crate) fn has(&self, interface: &str, address: &str) -> bool {
        self.netns.run(&format!("ip -o addr show dev {interface}")).contains(&format!(" {address}/"))
    }

    pub(crate) async fn until_has(&self, interface: &str, address: &str, there: bool) {
        until(&format!("{address} on {interface}: {there}"), || self.has(interface, address) == there).await;
    }

    /// A program on this node, which ends with the value.
    pub(crate) fn spawn(&self, line: &str) -> Program {
        self.netns.within(|| {
            let mut words = line.split_whitespace();
            let mut command = Command::new(words.next().unwrap());
            command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            Program(command.spawn().unwrap_or_else(|error| panic!("{line}: {error}")))
        })
    }
}

/// Polls a condition.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let polled = async {
        while !is() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, polled).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A process that is asked to end, and then made to.
pub(crate) struct Program(pub(crate) Child);

impl Program {
    pub(crate) fn signal(&self, signal: Signal) {
        kill(nix::unistd::Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
    }

    pub(crate) fn end(mut self) {
        self.finish();
    }

    #[expect(clippy::disallowed_methods, reason = "waits for a process that has no event to wait for")]
    fn finish(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        self.signal(Signal::SIGTERM);
        for _ in 0..200 {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Version 3, every 100 ms, multicast, on `up0`.
pub(crate) fn config(priority: u8) -> VrrpConfig {
    VrrpConfig {
        vrid: Vrid::new(VRID).unwrap(),
        interface: "up0".to_owned(),
        version: Version::V3,
        priority: Priority::new(priority).unwrap(),
        interval: Interval::from_centiseconds(10).unwrap(),
        preempt: true,
        preempt_delay: Duration::ZERO,
        startup_delay: Duration::ZERO,
        peers: vec![],
        source: None,
        virtual_mac: false,
        checksum: Checksum::PseudoHeader,
        announce: AnnounceConfig { count: 3, delay: Duration::ZERO, refresh: Duration::ZERO },
        track_data_plane: Track::Fault,
        track_database: Track::Weight(-20),
        auth: None,
    }
}

/// Version 2, every second.
pub(crate) fn config_v2(priority: u8) -> VrrpConfig {
    VrrpConfig { version: Version::V2, interval: Interval::DEFAULT, ..config(priority) }
}

/// With [`VIP`].
pub(crate) fn instance(config: &VrrpConfig) -> InstanceConfig {
    InstanceConfig {
        name: "a".to_owned(),
        vteps: Vteps { v4: Some(VIP.parse().unwrap()), v6: None },
        switch: None,
        vrrp: Some(config.clone()),
    }
}

/// With [`VIP6`].
pub(crate) fn instance_v6(config: &VrrpConfig) -> InstanceConfig {
    InstanceConfig { vteps: Vteps { v4: None, v6: Some(VIP6.parse().unwrap()) }, ..instance(config) }
}

pub(crate) fn setup(instance: InstanceConfig, leases: ha::Leases) -> Setup {
    let interface = |name: &str| Interface { name: name.to_owned(), mode: Mode::Auto, track: Track::Fault };
    Setup {
        instances: vec![instance],
        uplinks: vec![interface("up0")],
        ports: vec![interface("acc0")],
        leases: Some(leases),
    }
}
