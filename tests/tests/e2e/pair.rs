//! Two gateways, each the other's remote VTEP: two VLANs of two sites are one network.

use anyhow::Result;
use lab::{
    Lab,
    bridge::Bridge,
    config::{Config, Mode, Switch},
    crossing::{EXT, EXT2, UNDERLAY_MTU, Underlay, VNI, gateway_host},
    gateway::Gateway,
    transfer, vlan,
};

fn two_sites_are_one_network(underlay: Underlay, modes: [Mode; 2]) -> Result<()> {
    let lab = Lab::new()?;
    let und = Bridge::new(&lab, "und", UNDERLAY_MTU)?;
    let mut sites = Vec::new();
    // Each site has its own VLAN for the network, the second one has it untagged.
    for (number, mode, station, vlan) in [(1, modes[0], EXT, 100), (2, modes[1], EXT2, 0)] {
        let gw = gateway_host(&und, &format!("gw{number}"), &underlay.address(number))?;
        let address = format!("{}/24", station.v4());
        let ext = vlan::host(&gw, "a0", vlan, &format!("ext{number}"), &station.mac().to_string(), &[&address])?;
        let config = Config::new(&gw, &[underlay.ip(number)])
            .uplink("u0", mode)
            .port("a0", mode)
            .switch(Switch::new(VNI, &[underlay.ip(3 - number)]).bound("a0", vlan).learning());
        sites.push((Gateway::start(&gw, &config)?, ext));
    }
    let [(gateway, ext), (_, ext2)] = sites.as_slice() else { unreachable!("two sites") };

    ext.wait_reaches(&EXT2.v4().to_string())?;
    transfer::tcp(ext, ext2, EXT2.v4().into(), 2)?;
    transfer::tcp(ext2, ext, EXT.v4().into(), 2)?;
    let paths = gateway.read().paths()?;
    let (xdp, tc) = (paths.xdp_encap.min(paths.xdp_decap), paths.tc_encap.min(paths.tc_decap));
    assert!(if modes[0] == Mode::Xdp { xdp > 1000 && tc == 0 } else { tc > 1000 && xdp == 0 }, "{paths:?}");
    Ok(())
}

#[test]
fn two_sites_are_one_network_in_xdp_mode() -> Result<()> {
    two_sites_are_one_network(Underlay::V4, [Mode::Xdp, Mode::Xdp])
}

#[test]
fn two_sites_are_one_network_over_ipv6_with_a_mode_each() -> Result<()> {
    two_sites_are_one_network(Underlay::V6, [Mode::Tc, Mode::Xdp])
}
