//! The main job: a VM and a host outside, in one subnet, talk as if on one switch.

use anyhow::Result;
use gateway_common::counters::Paths;
use lab::{
    config::Mode,
    crossing::{Crossing, EXT, GW, Plan, Underlay, VLAN, VM},
    throughput::{self, Direction},
    transfer,
};

/// ARP finds the right station, from both sides.
fn arp(lab: &Crossing) -> Result<()> {
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    assert_eq!(lab.vm.neighbour(EXT.v4().into()), Some(EXT.mac()));
    lab.ext.forget_neighbours()?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    assert_eq!(lab.ext.neighbour(VM.v4().into()), Some(VM.mac()));
    Ok(())
}

/// Pings up to the longest packet, UDP, and TCP both ways with every byte compared.
fn unicast(lab: &Crossing) -> Result<()> {
    lab.vm.run(&format!("ping -n -q -c 20 -i 0.01 -W 5 {}", EXT.v4()))?;
    lab.ext.run(&format!("ping -n -q -c 3 -i 0.01 -W 5 -M do -s 1472 {}", VM.v4()))?;
    for length in [1, 1000, 1472] {
        transfer::udp(&lab.vm, &lab.ext, EXT.v4().into(), length)?;
    }
    transfer::tcp(&lab.vm, &lab.ext, EXT.v4().into(), 4)?;
    transfer::tcp(&lab.ext, &lab.vm, VM.v4().into(), 4)
}

/// Lays the lab out, has the two talk, and gives the path counters before and after the unicast part.
fn talk(plan: Plan) -> Result<(Crossing, Paths, Paths)> {
    let lab = Crossing::build(plan)?;
    arp(&lab)?;
    let before = lab.gateway.read().paths()?;
    unicast(&lab)?;
    let after = lab.gateway.read().paths()?;
    Ok((lab, before, after))
}

/// 4 MB each way in packets of at most 1500 bytes make at least that many.
const MANY: u64 = 2700;

fn assert_all_in_xdp(before: &Paths, after: &Paths) {
    assert!(after.xdp_decap - before.xdp_decap > MANY, "{before:?} {after:?}");
    assert!(after.xdp_encap - before.xdp_encap > MANY, "{before:?} {after:?}");
    assert_eq!((after.tc_decap, after.tc_encap), (before.tc_decap, before.tc_encap));
}

fn assert_all_in_tc(before: &Paths, after: &Paths) {
    assert!(after.tc_decap > before.tc_decap && after.tc_encap > before.tc_encap, "{before:?} {after:?}");
    assert_eq!((after.xdp_decap, after.xdp_encap), (before.xdp_decap, before.xdp_encap));
}

#[test]
fn in_xdp_mode_tagged_known_unicast_never_touches_tc() -> Result<()> {
    let (_lab, before, after) = talk(Plan::mode(Mode::Xdp))?;
    assert_all_in_xdp(&before, &after);
    Ok(())
}

#[test]
fn in_xdp_mode_untagged_known_unicast_never_touches_tc() -> Result<()> {
    let (_lab, before, after) = talk(Plan { vlan: 0, ..Plan::mode(Mode::Xdp) })?;
    assert_all_in_xdp(&before, &after);
    Ok(())
}

#[test]
fn in_tc_mode_tagged_everything_crosses_in_tc() -> Result<()> {
    let (_lab, before, after) = talk(Plan::mode(Mode::Tc))?;
    assert_all_in_tc(&before, &after);
    Ok(())
}

#[test]
fn in_tc_mode_untagged_everything_crosses_in_tc() -> Result<()> {
    let (_lab, before, after) = talk(Plan { vlan: 0, ..Plan::mode(Mode::Tc) })?;
    assert_all_in_tc(&before, &after);
    Ok(())
}

#[test]
fn an_uplink_in_xdp_works_with_a_port_in_tc() -> Result<()> {
    let (_lab, before, after) = talk(Plan { uplink: Mode::Xdp, port: Mode::Tc, ..Plan::default() })?;
    assert_all_in_tc(&before, &after);
    Ok(())
}

#[test]
fn an_uplink_in_tc_works_with_a_port_in_xdp() -> Result<()> {
    let (_lab, before, after) = talk(Plan { uplink: Mode::Tc, port: Mode::Xdp, ..Plan::default() })?;
    assert_all_in_tc(&before, &after);
    Ok(())
}

#[test]
fn auto_chooses_xdp_on_a_nic_that_has_it() -> Result<()> {
    let (_lab, before, after) = talk(Plan::mode(Mode::Auto))?;
    assert_all_in_xdp(&before, &after);
    Ok(())
}

/// Throughput both ways through a real VLAN switch.
fn throughput_behind_open_vswitch(plan: Plan) -> Result<(Paths, Paths)> {
    let (lab, before, _) = talk(Plan { ovs: true, ..plan })?;
    let ext = EXT.v4().to_string();
    for direction in [Direction::Forward, Direction::Reverse] {
        throughput::tcp(&lab.vm, &lab.ext, &ext, 2, direction)?;
    }
    Ok((before, lab.gateway.read().paths()?))
}

#[test]
fn a_host_on_an_access_port_of_open_vswitch_gets_tcp_throughput_in_xdp_mode() -> Result<()> {
    let (before, after) = throughput_behind_open_vswitch(Plan::mode(Mode::Xdp))?;
    assert_all_in_xdp(&before, &after);
    Ok(())
}

#[test]
fn a_host_on_an_access_port_of_open_vswitch_gets_tcp_throughput_in_tc_mode() -> Result<()> {
    let (before, after) = throughput_behind_open_vswitch(Plan::mode(Mode::Tc))?;
    assert_all_in_tc(&before, &after);
    Ok(())
}

#[test]
fn a_host_on_the_native_vlan_of_open_vswitch_talks_untagged() -> Result<()> {
    let lab = Crossing::build(Plan { ovs: true, vlan: 0, ..Plan::default() })?;
    arp(&lab)?;
    unicast(&lab)
}

/// All that enters at the binding leaves at the tunnel, and the other way round, in frames and in bytes.
fn counters_agree(mode: Mode) -> Result<()> {
    let lab = Crossing::build(Plan::mode(mode))?;
    arp(&lab)?;
    let port = lab.gw.ifindex("a0")?;
    let (local, remote) = (Underlay::V4.ip(GW), lab.hv.vtep());
    let read = || -> Result<_> {
        let readings = lab.gateway.read();
        Ok((readings.binding(port, VLAN)?, readings.tunnel(local, remote)?))
    };

    let (binding_before, tunnel_before) = read()?;
    lab.vm.run(&format!("ping -n -q -c 50 -i 0.002 -W 5 -s 58 {}", EXT.v4()))?;
    let (binding, tunnel) = read()?;

    // 14 bytes of Ethernet, 20 of IPv4, 8 of ICMP and 58 of data.
    let (packets, bytes) = (50, 50 * 100);
    for (before, after) in [(binding_before, binding), (tunnel_before, tunnel)] {
        assert!(after.rx_packets - before.rx_packets >= packets, "{before:?} {after:?}");
        assert!(after.tx_packets - before.tx_packets >= packets, "{before:?} {after:?}");
        assert!(after.rx_bytes - before.rx_bytes >= bytes, "{before:?} {after:?}");
        assert!(after.tx_bytes - before.tx_bytes >= bytes, "{before:?} {after:?}");
    }
    assert_eq!(binding.rx_packets - binding_before.rx_packets, tunnel.tx_packets - tunnel_before.tx_packets);
    assert_eq!(binding.rx_bytes - binding_before.rx_bytes, tunnel.tx_bytes - tunnel_before.tx_bytes);
    assert_eq!(binding.tx_packets - binding_before.tx_packets, tunnel.rx_packets - tunnel_before.rx_packets);
    assert_eq!(binding.tx_bytes - binding_before.tx_bytes, tunnel.rx_bytes - tunnel_before.rx_bytes);
    Ok(())
}

#[test]
fn binding_and_tunnel_count_the_same_traffic_in_xdp_mode() -> Result<()> {
    counters_agree(Mode::Xdp)
}

#[test]
fn binding_and_tunnel_count_the_same_traffic_in_tc_mode() -> Result<()> {
    counters_agree(Mode::Tc)
}
