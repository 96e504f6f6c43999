//! Open vSwitch in userspace as a subject, with the flows that its VTEP emulator (`ovs-vtep`) makes. There is a bridge
//! for the logical switch: its table 0 learns and its table 1 has the places of stations. Patch ports bind it to a VLAN
//! of the physical bridge's ports. And there is a tunnel.
//!
//! It works on another CPU than source and sink, so only its throughput can be measured, not its cost.

use std::{fmt::Write, fs, time::Duration};

use anyhow::{Context, Result, ensure};
use lab::{Lab, ovs::Ovs, wait::Stopwatch};

use crate::{
    abi::Seen,
    cpu::{self, Pinned},
    ends::{BATCH, Ends, Way},
    rig::{Rig, Wire},
    traffic::{
        Direction, Expect, GATEWAY, GATEWAY_MAC, NEIGHBOURS, REMOTE, ROUTER_MAC, Traffic, VLAN, VNI, bare_metal, vm,
    },
};

/// Name of the physical bridge, of the logical switch's, and of the one that has the uplink.
const PHYSICAL: &str = "sw0";
const LOGICAL: &str = "sw0_vtep_ls1";
const UNDERLAY: &str = "underlay";
/// The tunnel's port.
const TUNNEL: &str = "vx1";
/// Time for which it is watched.
const WATCH: Duration = Duration::from_secs(2);
/// Frames that it gets before that.
const WARM_FRAMES: u32 = 2_000_000;

/// Open vSwitch in a rig.
pub(crate) struct Switch {
    rig: Rig,
    _ovs: Ovs,
}

impl Switch {
    /// Sets up Open vSwitch with `stations` VMs, hosts, and hosts behind the other port.
    pub(crate) fn new(lab: &Lab, ends: &mut Ends, stations: u32) -> Result<Self> {
        let rig = Rig::new(lab, "ovs")?;
        for wire in Wire::ALL {
            ends.pass(&rig, wire.inner())?;
        }
        ends.sink_packets(&rig)?;
        let ovs = Ovs::on(&rig.host, PHYSICAL).context("starting Open vSwitch")?;
        underlay(&ovs)?;
        ovs.vsctl(&format!("add-br {LOGICAL} -- set Bridge {LOGICAL} datapath_type=netdev"))?;
        ovs.vsctl(&format!(
            "add-port {LOGICAL} {TUNNEL} -- set Interface {TUNNEL} type=vxlan options:key={VNI} options:remote_ip={REMOTE}"
        ))?;
        let mut physical = String::new();
        let mut logical =
            format!("table=0,priority=0,action=drop\ntable=0,priority=1000,in_port={TUNNEL},actions=resubmit(,1)\n");
        let ports = [(Wire::Access, 0), (Wire::Other, NEIGHBOURS)];
        for (wire, first) in ports {
            let port = wire.inner();
            let (outside, inside) = (patch(wire, 'p'), patch(wire, 'l'));
            ovs.vsctl(&format!("add-port {PHYSICAL} {port}"))?;
            for (bridge, end, other) in [(PHYSICAL, &outside, &inside), (LOGICAL, &inside, &outside)] {
                ovs.vsctl(&format!("add-port {bridge} {end} -- set Interface {end} type=patch options:peer={other}"))?;
            }
            writeln!(physical, "in_port={port},dl_vlan={VLAN},action=strip_vlan,{outside}")?;
            writeln!(physical, "in_port={outside},action=mod_vlan_vid:{VLAN},{port}")?;
            writeln!(
                logical,
                "table=0,in_port={inside},action=learn(table=1,priority=1000,idle_timeout=15,cookie=0x5000,\
                 NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1)"
            )?;
            // Its emulator learns those, which never send here.
            for number in 0..stations {
                writeln!(logical, "table=1,priority=1000,dl_dst={},action={inside}", bare_metal(first + number))?;
            }
        }
        for number in 0..stations {
            writeln!(logical, "table=1,priority=1000,dl_dst={},action={TUNNEL}", vm(number))?;
        }
        let locals = ports.map(|(wire, _)| patch(wire, 'l')).join(",");
        writeln!(logical, "table=1,priority=1,in_port={TUNNEL},action={locals}")?;
        writeln!(logical, "table=1,priority=0,action={locals},{TUNNEL}")?;
        for (bridge, flows) in [(PHYSICAL, physical), (LOGICAL, logical)] {
            let file = ovs.node().file(&format!("{bridge}.flows"));
            fs::write(&file, flows).with_context(|| format!("writing {}", file.display()))?;
            ovs.node().run(&format!("ovs-ofctl del-flows {bridge}"))?;
            ovs.node().run(&format!("ovs-ofctl add-flows {bridge} {}", file.display()))?;
        }
        Ok(Self { rig, _ovs: ovs })
    }

    /// Returns the millions of packets of `direction` that it delivers each second. The source sends more than it can
    /// process, without a pause: then its sockets are never empty, which made it deliver more than any bursts or any
    /// slower pace did.
    ///
    /// # Errors
    /// If it delivers nothing, or corrupts packets.
    pub(crate) fn delivers(&self, ends: &mut Ends, direction: Direction) -> Result<f64> {
        let _pinned = Pinned::to(cpu::available()?.first().copied().unwrap_or(0))?;
        let traffic = Traffic::known(direction);
        ends.prepare(&self.rig, &Way::through(direction, Expect::Converted), &traffic)?;
        // Fills its flow caches, and measures the number of frames in a second.
        let ns = ends.run(&traffic, WARM_FRAMES, BATCH)?;
        let frames = WATCH.as_nanos() / u128::from(ns.max(1));
        let before = ends.seen()?;
        let watch = Stopwatch::start();
        ends.run(&traffic, u32::try_from(frames)?, BATCH)?;
        let time = watch.elapsed();
        let seen = ends.seen()?.since(before);
        let Seen { good, bad, .. } = seen;
        let name = direction.name();
        ensure!(
            bad == 0,
            "Open vSwitch, {name}: {bad} frames arrived otherwise than they should, {good} as they should"
        );
        ensure!(good > 0, "Open vSwitch, {name}: no frame arrived");
        Ok(good as f64 / time.as_secs_f64() / 1e6)
    }
}

/// Adds the bridge with the uplink, and the tunnel's address on it: tunnels in userspace look up their route there.
fn underlay(ovs: &Ovs) -> Result<()> {
    ovs.vsctl(&format!(
        "add-br {UNDERLAY} -- set Bridge {UNDERLAY} datapath_type=netdev fail_mode=standalone \
         other_config:hwaddr={GATEWAY_MAC} -- add-port {UNDERLAY} {}",
        Wire::Underlay.inner()
    ))?;
    let host = ovs.host();
    host.address(UNDERLAY, &format!("{GATEWAY}/16"))?;
    host.ip(&format!("link set {UNDERLAY} up"))?;
    let target = ovs.node().file("switch.ctl");
    ovs.node()
        .run(&format!("ovs-appctl -t {} tnl/neigh/set {UNDERLAY} {REMOTE} {ROUTER_MAC}", target.display()))
        .map(drop)
}

/// Returns the name of a binding's patch port, on the physical (`p`) or the logical (`l`) side.
fn patch(wire: Wire, side: char) -> String {
    format!("{VLAN}-{}-{side}", wire.inner())
}
