//! A data plane in a namespace of its own: programs loaded, maps filled, nothing attached.
//!
//! An uplink and two access ports, each a veth whose other end is tapped, because what TC replicates really leaves.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use aya::programs::{ProgramError, SchedClassifier, TestRun, TestRunOptions, Xdp};
use futures_util::TryStreamExt;
use gateway_common::{
    binding::{BindingKey, Settings},
    counters::{DropReason, Drops, PathCounter, Paths},
    fdb::{FdbEntry, FdbKey},
    headers::Outer,
    net::MacAddr,
    tunnel::{Arrival, LEASE_FOREVER, NextHop, RemoteVtepKey},
};
use gateway_datapath::{
    Desired, Place,
    desired::{BindingPlan, SwitchPlan, TunnelPlan},
    diff::diff,
};
use lab::{frame::Frame, wire::Wire};
use nix::{
    sched::{CloneFlags, CpuSet, sched_getcpu, sched_setaffinity, unshare},
    unistd::Pid,
};
use rtnetlink::{
    LinkMessageBuilder, LinkUnspec, LinkVeth,
    packet_route::link::{LinkAttribute, State},
};

use crate::{
    packets::{HOST1, HOST2, HOST3, VM_LOST, VM_TAGGED, VM1, VM6},
    plane::Plane,
};

pub(crate) const GATEWAY_MAC: MacAddr = MacAddr([2, 0x11, 0, 0, 0, 1]);
pub(crate) const ROUTER_MAC: MacAddr = MacAddr([2, 0x22, 0, 0, 0, 1]);
pub(crate) const GATEWAY_V4: &str = "172.31.0.21";
pub(crate) const GATEWAY_V6: &str = "fd00::21";
/// Where VM1 is.
pub(crate) const REMOTE_V4: &str = "172.31.0.11";
/// Where VM6 is.
pub(crate) const REMOTE_V6: &str = "fd00::11";
/// Reached through VLAN 77 of the underlay.
pub(crate) const REMOTE_TAGGED: &str = "172.31.0.14";
/// Known, and not reachable.
pub(crate) const REMOTE_LOST: &str = "172.31.0.13";

/// The logical switch with everybody in it: VLAN 100 of port A, port B untagged, VLAN 300 of port B, all remotes.
pub(crate) const NET: u32 = 5001;
/// A logical switch that learns from tunnels: VLAN 200 of port A, and one remote.
pub(crate) const LEARNING_NET: u32 = 5002;
/// A logical switch with one binding and nobody else: VLAN 400 of port B.
pub(crate) const LONELY_NET: u32 = 5003;
/// The longest inner frame that fits the underlay here.
pub(crate) const MAX_FRAME: usize = 1564;

/// Which hook a packet is run through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Xdp,
    Tc,
}

/// Which interface a packet comes in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Uplink,
    PortA,
    PortB,
}

/// What a program said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Drop,
    Redirect,
}

/// What came of a packet.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// The packet afterwards. At TC a VLAN tag is beside it, not in it.
    pub(crate) bytes: Vec<u8>,
    /// Run time of the program, as the kernel reports it.
    #[allow(dead_code, reason = "for those who count instructions")]
    pub(crate) took: Duration,
    pub(crate) drops: (Drops, Drops),
    pub(crate) paths: (Paths, Paths),
}

impl Outcome {
    /// Why packets were dropped, or copies of one, with the counts.
    pub(crate) fn dropped(&self) -> Vec<(DropReason, u64)> {
        let reasons = DropReason::ALL.iter();
        let counted = reasons.map(|reason| (*reason, self.drops.1.get(*reason) - self.drops.0.get(*reason)));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    /// How often it was counted on a path.
    pub(crate) fn counted(&self, path: PathCounter) -> u64 {
        self.paths.1.get(path) - self.paths.0.get(path)
    }

    /// Dropped for this reason and no other.
    #[track_caller]
    pub(crate) fn is_dropped(&self, reason: DropReason) {
        assert_eq!((self.verdict, self.dropped()), (Verdict::Drop, vec![(reason, 1)]));
    }

    /// Passed up the stack, and not counted as anything.
    #[track_caller]
    pub(crate) fn is_passed(&self, packet: &[u8]) {
        assert_eq!((self.verdict, self.dropped()), (Verdict::Pass, vec![]));
        assert_eq!(self.bytes, packet, "a packet that is not ours must stay as it is");
    }
}

/// A tapped interface.
pub(crate) struct Port {
    pub(crate) ifindex: u32,
    tap: Wire,
}

pub(crate) struct World {
    /// There until the world ends.
    plane: Option<Plane>,
    uplink: Port,
    port_a: Port,
    port_b: Port,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_fdb(1024)
    }

    /// With room for `fdb_size` MACs.
    pub(crate) fn with_fdb(fdb_size: u32) -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: are you root?");
        stay_on_this_cpu();
        let [uplink, port_a, port_b] = ["u0", "a0", "b0"].map(port);
        let mut world = Self { plane: Some(Plane::take(fdb_size)), uplink, port_a, port_b };
        world.maps.set_lease(0, LEASE_FOREVER).unwrap();
        let desired = world.desired();
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
        let mut desired = self.desired();
        change(&mut desired);
        self.program(&desired);
    }

    pub(crate) fn binding(&self, from: From, vlan: u16) -> BindingKey {
        BindingKey { ifindex: self.port(from).ifindex, vlan, reserved: 0 }
    }

    pub(crate) fn remote(address: &str, vni: u32) -> Place {
        Place::Remote { ends: ends(address), vni }
    }

    fn desired(&self) -> Desired {
        let switch = |learn_remote| SwitchPlan {
            learn_remote,
            learn_limit: 100,
            strict_sources: !learn_remote,
            ..SwitchPlan::default()
        };
        let binding = |vni| BindingPlan {
            vni,
            check_sender: vni == LEARNING_NET,
            strict_sender: vni != LEARNING_NET,
            ..BindingPlan::default()
        };
        let (a100, a200) = (self.binding(From::PortA, 100), self.binding(From::PortA, 200));
        let (b0, b300, b400) =
            (self.binding(From::PortB, 0), self.binding(From::PortB, 300), self.binding(From::PortB, 400));
        let remotes = [REMOTE_V4, REMOTE_V6, REMOTE_TAGGED, REMOTE_LOST];
        let place = |address| Self::remote(address, NET);
        let mac = |mac: MacAddr| FdbKey::new(NET, mac.0);
        Desired {
            vteps: [GATEWAY_V4, GATEWAY_V6].map(|vtep| (address(vtep).into(), 0)).into(),
            arrivals: [0, 77].map(|vlan| Arrival { mac: GATEWAY_MAC.0, vlan }).into(),
            tunnels: remotes.map(|remote| self.tunnel(remote)).into(),
            switches: [(NET, switch(false)), (LEARNING_NET, switch(true)), (LONELY_NET, switch(false))].into(),
            bindings: [
                (a100, binding(NET)),
                (b0, binding(NET)),
                (b300, binding(NET)),
                (a200, binding(LEARNING_NET)),
                (b400, binding(LONELY_NET)),
            ]
            .into(),
            macs: [
                (mac(VM1), place(REMOTE_V4)),
                (mac(VM6), place(REMOTE_V6)),
                (mac(VM_TAGGED), place(REMOTE_TAGGED)),
                (mac(VM_LOST), place(REMOTE_LOST)),
                (mac(HOST1), Place::Local(a100)),
                (mac(HOST2), Place::Local(b0)),
                (mac(HOST3), Place::Local(b300)),
            ]
            .into(),
            flood: [
                (
                    NET,
                    [a100, b0, b300]
                        .map(Place::Local)
                        .into_iter()
                        .chain([place(REMOTE_V4), place(REMOTE_V6), place(REMOTE_TAGGED)])
                        .collect(),
                ),
                (LEARNING_NET, [Place::Local(a200), Self::remote(REMOTE_V4, LEARNING_NET)].into()),
                (LONELY_NET, [Place::Local(b400)].into()),
            ]
            .into(),
            // Long frames are not spared the look at the port's MTU.
            settings: Settings { fits_every_port: 1000, ports_down: 0 },
            xdp_ports: BTreeSet::from([&self.uplink, &self.port_a, &self.port_b].map(|port| port.ifindex)),
            xdp_sg_ports: BTreeSet::from([&self.uplink, &self.port_a, &self.port_b].map(|port| port.ifindex)),
            down: BTreeSet::new(),
        }
    }

    /// The tunnel to a remote VTEP, by its ends.
    pub(crate) fn tunnel(&self, remote: &str) -> (RemoteVtepKey, TunnelPlan) {
        (ends(remote), TunnelPlan { hop: self.hop(remote), lease: 0 })
    }

    fn hop(&self, remote: &str) -> NextHop {
        if remote == REMOTE_LOST {
            return NextHop::UNRESOLVED;
        }
        let template = outer(remote).template().unwrap();
        NextHop {
            ifindex: self.uplink.ifindex,
            header_len: template.len as u32,
            max_frame: MAX_FRAME as u32,
            ip_sum: template.ip_sum,
            header: template.bytes,
        }
    }

    fn port(&self, from: From) -> &Port {
        match from {
            From::Uplink => &self.uplink,
            From::PortA => &self.port_a,
            From::PortB => &self.port_b,
        }
    }

    pub(crate) fn set_mtu(&self, of: From, mtu: u32) {
        let name = match of {
            From::Uplink => "u0",
            From::PortA => "a0",
            From::PortB => "b0",
        };
        change_link(name, |link| link.mtu(mtu));
    }

    /// Frames that arrived at the other end of an interface.
    pub(crate) fn sent(&self, through: From) -> Vec<Frame> {
        self.port(through).tap.arrived().unwrap().into_iter().filter(|frame| !is_noise(frame)).collect()
    }

    pub(crate) fn mac(&self, vni: u32, mac: MacAddr) -> Option<FdbEntry> {
        self.maps.mac(&FdbKey::new(vni, mac.0)).unwrap()
    }

    /// Runs a packet through a program.
    pub(crate) fn run(&mut self, hook: Hook, from: From, packet: &[u8]) -> Outcome {
        let ifindex = self.port(from).ifindex;
        self.watched(|world| match hook {
            Hook::Xdp => world.run_xdp(from, ifindex, packet, packet.len()).unwrap(),
            Hook::Tc => world.run_tc(from, ifindex, packet),
        })
    }

    /// Runs a packet through XDP whose first buffer ends after `first` bytes, as of a NIC that splits headers from data.
    /// `None` where the kernel can't do that (before 6.18).
    pub(crate) fn run_split(&mut self, from: From, packet: &[u8], first: usize) -> Option<Outcome> {
        let ifindex = self.port(from).ifindex;
        // One that is refused is not run.
        self.run_xdp(from, ifindex, packet, first).ok()?;
        Some(self.watched(|world| world.run_xdp(from, ifindex, packet, first).unwrap()))
    }

    fn watched(&mut self, run: impl FnOnce(&mut Self) -> (Verdict, Vec<u8>, Duration)) -> Outcome {
        let (drops, paths) = (self.maps.drops().unwrap(), self.maps.paths().unwrap());
        let (verdict, bytes, took) = run(self);
        let drops = (drops, self.maps.drops().unwrap());
        let paths = (paths, self.maps.paths().unwrap());
        Outcome { verdict, bytes, took, drops, paths }
    }

    fn run_xdp(
        &mut self,
        from: From,
        ifindex: u32,
        packet: &[u8],
        first: usize,
    ) -> Result<(Verdict, Vec<u8>, Duration), ProgramError> {
        let name = if from == From::Uplink { "xdp_uplink" } else { "xdp_access" };
        let program: &Xdp = self.ebpf.program(name).unwrap().try_into().unwrap();
        // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
        let context = [0, first as u32, 0, ifindex, 0, 0];
        let (result, bytes, took) = try_run(program, packet, bytemuck::bytes_of(&context))?;
        let verdict = match result {
            1 => Verdict::Drop,
            2 => Verdict::Pass,
            4 => Verdict::Redirect,
            other => panic!("XDP verdict {other}"),
        };
        Ok((verdict, bytes, took))
    }

    fn run_tc(&mut self, from: From, ifindex: u32, packet: &[u8]) -> (Verdict, Vec<u8>, Duration) {
        let name = if from == From::Uplink { "tc_uplink" } else { "tc_access" };
        let program: &SchedClassifier = self.ebpf.program(name).unwrap().try_into().unwrap();
        // struct __sk_buff as far as ifindex, the eleventh word.
        let mut context = [0u32; 48];
        context[10] = ifindex;
        let (result, bytes, took) = try_run(program, packet, bytemuck::bytes_of(&context)).expect("BPF_PROG_TEST_RUN");
        let verdict = match result.cast_signed() {
            -1 => Verdict::Pass,
            2 => Verdict::Drop,
            7 => Verdict::Redirect,
            other => panic!("TC verdict {other}"),
        };
        (verdict, bytes, took)
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

fn try_run<P>(program: &P, packet: &[u8], context: &[u8]) -> Result<(u32, Vec<u8>, Duration), ProgramError>
where
    P: for<'a> TestRun<Opts<'a> = TestRunOptions<'a>, Result = aya::programs::TestRunResult>,
{
    let mut out = vec![0; packet.len() + 256];
    let mut options = TestRunOptions::new();
    options.data_in = Some(packet);
    options.data_out = Some(&mut out);
    options.ctx_in = Some(context);
    let result = program.test_run(options)?;
    out.truncate(result.data_size_out as usize);
    Ok((result.return_value, out, result.duration))
}

/// Each CPU has a flow cache of its own: a test that moved to another CPU would find nothing cached, and pass.
fn stay_on_this_cpu() {
    let mut cpus = CpuSet::new();
    cpus.set(sched_getcpu().unwrap()).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cpus).unwrap();
}

/// The outer headers towards `remote`.
pub(crate) fn outer(remote: &str) -> Outer {
    let dst = address(remote);
    Outer {
        src_mac: GATEWAY_MAC,
        dst_mac: ROUTER_MAC,
        vlan: if remote == REMOTE_TAGGED { 77 } else { 0 },
        src: address(if dst.is_ipv4() { GATEWAY_V4 } else { GATEWAY_V6 }),
        dst,
        ttl: 61,
        port: 4789,
    }
}

fn ends(remote: &str) -> RemoteVtepKey {
    let outer = outer(remote);
    RemoteVtepKey { local: outer.src.into(), remote: outer.dst.into() }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Frames that the kernel itself sends on a new link: IPv6 neighbour discovery and multicast listener reports.
fn is_noise(frame: &Frame) -> bool {
    frame.ethertype == 0x86dd && matches!(frame.payload.get(6), Some(0 | 58))
}

/// Makes a veth, brings both ends up, taps the far one.
pub(crate) fn port(name: &str) -> Port {
    let far = format!("{name}p");
    with_netlink(async |handle| {
        handle.link().add(LinkVeth::new(name, &far).build()).execute().await.expect("a veth pair");
    });
    for end in [name, &far] {
        change_link(end, |link| link.mtu(9000).up());
    }
    let index = |end: &str| nix::net::if_::if_nametoindex(end).unwrap();
    // Until the kernel has noticed the carrier, what is sent is thrown away.
    for end in [name, &far] {
        lab::wait::wait_for(&format!("{end} to be up"), lab::wait::SOON, || is_up(index(end))).unwrap();
    }
    Port { ifindex: index(name), tap: Wire::here(index(&far)).unwrap() }
}

fn is_up(ifindex: u32) -> bool {
    let mut up = false;
    with_netlink(async |handle| {
        let link = handle.link().get().match_index(ifindex).execute().try_next().await.unwrap().unwrap();
        up = link.attributes.contains(&LinkAttribute::OperState(State::Up));
    });
    up
}

fn change_link(name: &str, change: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>) {
    let message = change(LinkUnspec::new_with_name(name)).build();
    with_netlink(async |handle| handle.link().set(message).execute().await.unwrap());
}

fn with_netlink(work: impl AsyncFnOnce(rtnetlink::Handle)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection().unwrap();
        tokio::spawn(connection);
        work(handle).await;
    });
}
