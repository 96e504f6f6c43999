//! Frames that do not fit the underlay.

use anyhow::Result;
use lab::{
    config::Mode,
    crossing::{Crossing, EXT, Plan, Site, Underlay, VM},
    frame::Frame,
    wait::{SOON, wait_for},
    wire::Wire,
};

/// A crossing whose uplink carries no more than 1500 bytes.
fn narrow(plan: Plan) -> Result<Crossing> {
    let site = Site::build(plan)?;
    site.gw.ip("link set dev u0 mtu 1500")?;
    let config = site.config();
    site.start(config)
}

#[test]
fn at_start_it_logs_which_mtu_would_fit() -> Result<()> {
    // 1500 bytes, 14 of Ethernet, 8 of VXLAN, 8 of UDP, and 20 of IPv4 or 40 of IPv6.
    for (underlay, number) in [(Underlay::V4, "1550"), (Underlay::V6, "1570")] {
        let lab = narrow(Plan { underlay, ..Plan::default() })?;
        let log = lab.gateway.log()?;
        assert!(log.lines().any(|line| line.contains("u0") && line.contains(number)), "{log}");
    }
    Ok(())
}

#[test]
fn of_an_underlay_with_room_it_logs_nothing() -> Result<()> {
    let log = Crossing::build(Plan::default())?.gateway.log()?;
    assert!(!log.contains("1550"), "{log}");
    Ok(())
}

fn only_too_big_frames_are_dropped(mode: Mode) -> Result<()> {
    let lab = narrow(Plan::mode(mode))?;
    let (ext, vm) = (Wire::open(&lab.ext, "eth0")?, Wire::open(&lab.vm, "eth0")?);
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    let before = lab.gateway.read().drops()?.too_big;

    ext.send(&Frame::text(EXT.mac(), VM.mac(), "just fits").stretched(1450))?;
    let seen = vm.expect("the longest frame that fits", |frame| frame.has_text("just fits"))?;
    assert_eq!(seen.payload.len(), 1450);
    assert_eq!(lab.gateway.read().drops()?.too_big, before);

    ext.send(&Frame::text(EXT.mac(), VM.mac(), "too long").stretched(1451))?;
    wait_for("the drop is counted", SOON, || {
        lab.gateway.read().drops().is_ok_and(|drops| drops.too_big == before + 1)
    })?;
    assert!(!vm.arrived()?.iter().any(|frame| frame.has_text("too long")));
    Ok(())
}

#[test]
fn only_too_big_frames_are_dropped_and_counted_in_xdp_mode() -> Result<()> {
    only_too_big_frames_are_dropped(Mode::Xdp)
}

#[test]
fn only_too_big_frames_are_dropped_and_counted_in_tc_mode() -> Result<()> {
    only_too_big_frames_are_dropped(Mode::Tc)
}
