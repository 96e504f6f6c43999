//! The kernel's own bridge and VXLAN device as a subject, set up for the least possible work: every station is known
//! and static, nothing is learned, no netfilter, no tags.

use std::{fmt::Write, fs, path::Path};

use anyhow::{Context, Result};

use crate::{
    ends::Ends,
    rig::{Rig, Wire},
    traffic::{GATEWAY, GATEWAY_MAC, NEIGHBOURS, REMOTE, ROUTER_MAC, VNI, bare_metal, vm},
};

/// Sets up `rig` with `stations` VMs, hosts, and hosts behind the other port.
pub(crate) fn set_up(ends: &mut Ends, rig: Rig, stations: u32) -> Result<Rig> {
    let host = &rig.host;
    let underlay = Wire::Underlay.inner();
    host.ip(&format!("link set {underlay} address {GATEWAY_MAC}"))?;
    host.address(underlay, &format!("{GATEWAY}/16"))?;
    host.ip(&format!("neigh add {REMOTE} lladdr {ROUTER_MAC} dev {underlay} nud permanent"))?;
    host.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0 ageing_time 0")?;
    host.ip(&format!("link add vx mtu 3300 type vxlan id {VNI} local {GATEWAY} dstport 4789 ttl 64 nolearning"))?;
    for dev in ["vx", Wire::Access.inner(), Wire::Other.inner()] {
        host.ip(&format!("link set {dev} master br0 up"))?;
        host.ip(&format!("link set {dev} type bridge_slave learning off"))?;
    }
    host.ip("link set br0 mtu 3300 up")?;
    host.enter(no_netfilter)?;
    let mut stations_known = String::new();
    for number in 0..stations {
        let rows = [
            format!("fdb add {} dev vx master static", vm(number)),
            format!("fdb add {} dev vx self permanent dst {REMOTE}", vm(number)),
            format!("fdb add {} dev {} master static", bare_metal(number), Wire::Access.inner()),
            format!("fdb add {} dev {} master static", bare_metal(NEIGHBOURS + number), Wire::Other.inner()),
        ];
        for row in rows {
            writeln!(stations_known, "{row}")?;
        }
    }
    let file = host.lab().directory().join("linux-fdb");
    fs::write(&file, stations_known).with_context(|| format!("writing {}", file.display()))?;
    host.run(&format!("bridge -batch {}", file.display()))?;
    for wire in Wire::ALL {
        ends.pass(&rig, wire.inner())?;
    }
    ends.sink_packets(&rig)?;
    Ok(rig)
}

/// Disables netfilter for bridges, which the kernel calls by default if it has it: a cost that is not needed here.
fn no_netfilter() -> Result<()> {
    for family in ["ip", "ip6", "arp"] {
        let path = format!("/proc/sys/net/bridge/bridge-nf-call-{family}tables");
        if Path::new(&path).exists() {
            fs::write(&path, "0").with_context(|| format!("writing {path}"))?;
        }
    }
    Ok(())
}
