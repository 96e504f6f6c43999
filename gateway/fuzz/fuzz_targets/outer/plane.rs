//! The programs, loaded for this process alone: two VTEP addresses, a remote VTEP for each, and no logical switch.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
};

use aya::{
    Ebpf,
    programs::{ProgramError, SchedClassifier, TestRun, TestRunOptions, Xdp},
};
use gateway_common::{
    counters::{DropReason, Drops},
    tunnel::{Arrival, LEASE_FOREVER, NextHop, RemoteVtepKey},
};
use gateway_datapath::{
    Desired, Maps,
    attach::Attacher,
    desired::TunnelPlan,
    diff::diff,
    load::{self, Objects, Settings},
    pins::PinDir,
};

pub(crate) const GATEWAY_MAC: [u8; 6] = [2, 0x11, 0, 0, 0, 1];
pub(crate) const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(172, 31, 0, 21);
pub(crate) const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x21);
pub(crate) const REMOTE_V4: Ipv4Addr = Ipv4Addr::new(172, 31, 0, 11);
pub(crate) const REMOTE_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x11);
pub(crate) const PORT: u16 = 4789;

/// The error that the kernel answers nonsense with.
const EINVAL: i32 = 22;

/// What became of a packet.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed,
    Dropped(DropReason),
    /// What must not be: forwarded, or a drop that is not counted once.
    Other(#[expect(dead_code, reason = "shown when an input fails")] String),
}

pub(crate) struct Plane {
    ebpf: Ebpf,
    maps: Maps,
    drops: Drops,
}

impl Plane {
    pub(crate) fn load() -> Self {
        let pins = PinDir::new(format!("/sys/fs/bpf/vgfuzz{}", std::process::id()));
        let settings = Settings { udp_port: PORT, fdb_size: 1024, trace: false };
        let object = std::fs::read(env!("VTEP_GATEWAY_BPF_OBJECT")).expect("the compiled programs").leak();
        let objects = Objects { forwarding: object, capture: &[] };
        let loaded = load::load(&pins, settings, objects).expect("the programs load: are you root?");
        loaded.committer().commit().expect("pins");
        // Open descriptors keep the maps; nothing is left behind.
        std::fs::remove_dir_all(pins.root()).expect("pins that can be removed");
        let (mut ebpf, maps) = (loaded.ebpf, loaded.maps);
        Attacher::load(&mut ebpf).expect("the verifier takes the programs");
        let mut plane = Self { ebpf, maps, drops: Drops::default() };
        plane.maps.set_lease(0, LEASE_FOREVER).expect("a lease");
        let ends = [
            RemoteVtepKey { remote: REMOTE_V4.into_addr(), local: GATEWAY_V4.into_addr() },
            RemoteVtepKey { remote: REMOTE_V6.into_addr(), local: GATEWAY_V6.into_addr() },
        ];
        let desired = Desired {
            vteps: ends.map(|ends| (ends.local, 0)).into(),
            tunnels: ends.map(|ends| (ends, TunnelPlan { hop: NextHop::UNRESOLVED, lease: 0 })).into(),
            arrivals: [Arrival { mac: GATEWAY_MAC, vlan: 0 }].into(),
            ..Desired::default()
        };
        let programmed = plane.maps.programmed().expect("empty maps");
        for op in &diff(&desired, &programmed, &BTreeMap::new()).ops {
            plane.maps.change().write(op).expect("room");
        }
        plane.drops = plane.maps.drops().expect("counters");
        plane
    }

    /// Runs the program of XDP; `None` if the kernel makes no test run of such a packet.
    pub(crate) fn xdp(&mut self, packet: &[u8]) -> Option<Outcome> {
        let program: &Xdp = self.ebpf.program("xdp_uplink").expect("a program").try_into().expect("XDP");
        let verdict = run(program, packet)?;
        Some(self.outcome(verdict == 2, verdict == 1))
    }

    /// The same of TC.
    pub(crate) fn tc(&mut self, packet: &[u8]) -> Option<Outcome> {
        let program: &SchedClassifier = self.ebpf.program("tc_uplink").expect("a program").try_into().expect("TC");
        let verdict = run(program, packet)?;
        Some(self.outcome(verdict == u32::MAX, verdict == 2))
    }

    fn outcome(&mut self, passed: bool, dropped: bool) -> Outcome {
        let before = std::mem::replace(&mut self.drops, self.maps.drops().expect("counters"));
        let grown = DropReason::ALL.iter().map(|reason| (*reason, self.drops.get(*reason) - before.get(*reason)));
        let grown: Vec<_> = grown.filter(|(_, count)| *count > 0).collect();
        match grown.as_slice() {
            [] if passed => Outcome::Passed,
            [(reason, 1)] if dropped => Outcome::Dropped(*reason),
            _ => Outcome::Other(format!("passed: {passed}, dropped: {dropped}, counted: {grown:?}")),
        }
    }
}

fn run<P>(program: &P, packet: &[u8]) -> Option<u32>
where
    P: for<'a> TestRun<Opts<'a> = TestRunOptions<'a>, Result = aya::programs::TestRunResult>,
{
    let mut options = TestRunOptions::new();
    options.data_in = Some(packet);
    match program.test_run(options) {
        Ok(result) => Some(result.return_value),
        // What is too short for the IP header that its EtherType announces (bpf_prog_test_run_skb, Linux 6.18).
        Err(ProgramError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(EINVAL) && packet.len() < 54 =>
        {
            None
        }
        Err(error) => panic!("BPF_PROG_TEST_RUN: {error}"),
    }
}

trait IntoAddr {
    fn into_addr(self) -> gateway_common::tunnel::Addr;
}

impl<T: Into<std::net::IpAddr>> IntoAddr for T {
    fn into_addr(self) -> gateway_common::tunnel::Addr {
        let address: std::net::IpAddr = self.into();
        address.into()
    }
}
