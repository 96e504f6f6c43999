//! The data plane, with programs loaded and maps filled.

use std::{collections::BTreeMap, time::Duration};

use gateway_common::{
    binding::BindingKey,
    fdb::{FdbEntry, FdbKey},
    net::MacAddr,
    tunnel::{LEASE_FOREVER, RemoteVtepKey},
};
use gateway_datapath::{Desired, Place, desired::TunnelPlan, diff::diff};
use lab::frame::Frame;
use nix::{
    sched::{CloneFlags, CpuSet, sched_getcpu, sched_setaffinity, unshare},
    unistd::Pid,
};

use super::{
    network::{Ports, desired, remote, tunnel},
    outcome::{Outcome, Verdict},
    port::{From, set_mtu},
    test_run::{self, Hook},
};
use crate::plane::Plane;

/// The data plane, with its interfaces.
pub(crate) struct World {
    /// There until the world ends.
    plane: Option<Plane>,
    ports: Ports,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_fdb(1024)
    }

    /// With room for `fdb_size` MACs.
    pub(crate) fn with_fdb(fdb_size: u32) -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: are you root?");
        stay_on_this_cpu();
        let mut world = Self { plane: Some(Plane::take(fdb_size)), ports: Ports::new() };
        world.maps.set_lease(0, LEASE_FOREVER).unwrap();
        let desired = desired(&world.ports);
        world.program(&desired);
        world
    }

    /// Writes `desired` into the empty maps.
    fn program(&mut self, desired: &Desired) {
        let programmed = self.maps.programmed().unwrap();
        let changes = diff(desired, &programmed, &BTreeMap::new());
        assert_eq!(changes.limits, vec![]);
        for op in &changes.ops {
            self.maps.change().write(op).unwrap();
        }
    }

    /// Makes a change to the standard forwarding.
    pub(crate) fn reprogram(&mut self, change: impl FnOnce(&mut Desired)) {
        let mut desired = desired(&self.ports);
        change(&mut desired);
        self.program(&desired);
    }

    pub(crate) fn binding(&self, from: From, vlan: u16) -> BindingKey {
        self.ports.binding(from, vlan)
    }

    pub(crate) fn remote(address: &str, vni: u32) -> Place {
        remote(address, vni)
    }

    /// Returns the tunnel to a remote VTEP, by its ends.
    pub(crate) fn tunnel(&self, remote: &str) -> (RemoteVtepKey, TunnelPlan) {
        tunnel(&self.ports, remote)
    }

    pub(crate) fn set_mtu(&self, of: From, mtu: u32) {
        set_mtu(of, mtu);
    }

    /// Returns the frames that arrived at the other end of an interface.
    pub(crate) fn sent(&self, through: From) -> Vec<Frame> {
        self.ports.of(through).sent()
    }

    pub(crate) fn mac(&self, vni: u32, mac: MacAddr) -> Option<FdbEntry> {
        self.maps.mac(&FdbKey::new(vni, mac.0)).unwrap()
    }

    /// Runs a packet through a program.
    pub(crate) fn run(&mut self, hook: Hook, from: From, packet: &[u8]) -> Outcome {
        let ifindex = self.ports.of(from).ifindex;
        self.watched(|world| match hook {
            Hook::Xdp => test_run::xdp(world, from, ifindex, packet, packet.len()).unwrap(),
            Hook::Tc => test_run::tc(world, from, ifindex, packet),
        })
    }

    /// Runs a packet through XDP of the bond `from`, as one of its members has received it.
    pub(crate) fn run_on_member(&mut self, from: From, member: u32, packet: &[u8]) -> Outcome {
        self.watched(|world| test_run::xdp_on_bond(world, from, member, packet))
    }

    /// Returns the index of an interface.
    pub(crate) fn ifindex(&self, of: From) -> u32 {
        self.ports.of(of).ifindex
    }

    /// Runs a packet through XDP whose first buffer ends after `first` bytes, as of a NIC that splits headers from data.
    /// `None` where the kernel can't do that (before 6.18).
    pub(crate) fn run_split(&mut self, from: From, packet: &[u8], first: usize) -> Option<Outcome> {
        let ifindex = self.ports.of(from).ifindex;
        // One that is refused is not run.
        test_run::xdp(self, from, ifindex, packet, first).ok()?;
        Some(self.watched(|world| test_run::xdp(world, from, ifindex, packet, first).unwrap()))
    }

    fn watched(&mut self, run: impl FnOnce(&mut Self) -> (Verdict, Vec<u8>, Duration)) -> Outcome {
        let (drops, paths) = (self.maps.drops().unwrap(), self.maps.paths().unwrap());
        let (verdict, bytes, took) = run(self);
        let drops = (drops, self.maps.drops().unwrap());
        let paths = (paths, self.maps.paths().unwrap());
        Outcome { verdict, bytes, took, drops, paths }
    }
}

impl std::ops::Deref for World {
    type Target = Plane;

    fn deref(&self) -> &Plane {
        self.plane.as_ref().unwrap()
    }
}

impl std::ops::DerefMut for World {
    fn deref_mut(&mut self) -> &mut Plane {
        self.plane.as_mut().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What a failed test leaves is not for the next one.
        if !std::thread::panicking() {
            self.plane.take().unwrap().give_back();
        }
    }
}

/// Each CPU has a flow cache of its own: a test that moved to another CPU would find nothing cached, and pass.
fn stay_on_this_cpu() {
    let mut cpus = CpuSet::new();
    cpus.set(sched_getcpu().unwrap()).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cpus).unwrap();
}
