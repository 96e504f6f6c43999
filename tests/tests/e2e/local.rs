//! One logical switch with several access ports: the gateway switches between them.

use anyhow::Result;
use gateway_common::fdb::LOCAL;
use lab::{
    Host,
    config::Mode,
    crossing::{Crossing, EXT, EXT2, Plan, Site, VM, VNI},
    frame::Frame,
    transfer, vlan,
    wait::{SOON, wait_for},
    wire::Wire,
};

/// The VLAN on the second port: another than on the first.
const VLAN2: u16 = 200;

/// The crossing with a second port, `a1`, and the host [`EXT2`] on it.
fn two_ports(mode: Mode) -> Result<(Crossing, Host)> {
    let site = Site::build(Plan::mode(mode))?;
    let ext2 = vlan::host(&site.gw, "a1", VLAN2, "ext2", &EXT2.mac().to_string(), &["10.0.0.102/24"])?;
    let mut config = site.config().port("a1", mode);
    config.switch_mut(VNI).bindings.push(("a1".into(), VLAN2));
    Ok((site.start(config)?, ext2))
}

fn hosts_of_two_ports_talk(mode: Mode) -> Result<Crossing> {
    let (lab, ext2) = two_ports(mode)?;
    lab.ext.wait_reaches(&EXT2.v4().to_string())?;
    transfer::tcp(&lab.ext, &ext2, EXT2.v4().into(), 2)?;
    transfer::tcp(&ext2, &lab.ext, EXT.v4().into(), 2)?;
    lab.vm.wait_reaches(&EXT2.v4().to_string())?;
    Ok(lab)
}

#[test]
fn hosts_of_two_ports_talk_across_vlans_in_xdp_mode() -> Result<()> {
    let lab = hosts_of_two_ports_talk(Mode::Xdp)?;
    let paths = lab.gateway.read().paths()?;
    assert!(paths.xdp_local > 2000, "{paths:?}");
    assert_eq!(paths.tc_local, 0);
    Ok(())
}

#[test]
fn hosts_of_two_ports_talk_across_vlans_in_tc_mode() -> Result<()> {
    let lab = hosts_of_two_ports_talk(Mode::Tc)?;
    let paths = lab.gateway.read().paths()?;
    assert!(paths.tc_local > 0, "{paths:?}");
    assert_eq!(paths.xdp_local, 0);
    Ok(())
}

#[test]
fn a_station_that_moves_to_another_port_gets_its_frames_there() -> Result<()> {
    let (lab, ext2) = two_ports(Mode::Xdp)?;
    let roamer = "02:ee:00:00:00:77".parse()?;
    let wires = [Wire::open(&lab.ext, "eth0")?, Wire::open(&ext2, "eth0")?];
    let from_vm = Wire::open(&lab.vm, "eth0")?;
    let ports = [lab.gw.ifindex("a0")?, lab.gw.ifindex("a1")?];

    for (round, here) in [0, 1, 0].into_iter().enumerate() {
        wires[here].send(&Frame::text(roamer, VM.mac(), &format!("here {round}")))?;
        wait_for("the gateway notices the move", SOON, || {
            let station = lab.gateway.read().station(VNI, roamer).ok().flatten();
            station.is_some_and(|station| station.to.kind == LOCAL && station.to.out == ports[here])
        })?;
        let text = format!("for you {round}");
        from_vm.send(&Frame::text(VM.mac(), roamer, &text))?;
        wires[here].expect("the frame for the station that moved", |frame| frame.has_text(&text))?;
        assert!(!wires[1 - here].arrived()?.iter().any(|frame| frame.has_text(&text)), "it came to the old port too");
    }
    assert_eq!(lab.gateway.read().paths()?.moved, 2);
    Ok(())
}
