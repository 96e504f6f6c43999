//! Stopping, killing and starting the agent: what it attached forwards on, and nothing is lost.

use anyhow::Result;
use lab::{
    config::Mode,
    crossing::{Crossing, EXT, Plan, VLAN, VM, VNI},
    flow::Flow,
};

/// Runs a flow of 1000 packets a second each way, with `ending` and a new start of the agent in its midst, twice.
fn no_packet_is_lost(mode: Mode, ending: impl Fn(&mut Crossing) -> Result<()>) -> Result<()> {
    let mut lab = Crossing::build(Plan::mode(mode))?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    let there = Flow::start(&lab.vm, &lab.ext, EXT.v4().into())?;
    let back = Flow::start(&lab.ext, &lab.vm, VM.v4().into())?;

    for _ in 0..2 {
        there.wait_more(500)?;
        ending(&mut lab)?;
        // Nobody is there but what it left in the kernel.
        there.wait_more(500)?;
        back.wait_more(500)?;
        lab.gateway.resume()?;
    }
    there.wait_more(500)?;
    back.wait_more(500)?;

    for flow in [there, back] {
        let tally = flow.finish()?;
        assert!(tally.sent >= 2500, "{}", tally.sent);
        assert!(tally.is_whole(), "{tally:?}");
    }
    Ok(())
}

#[test]
fn a_restart_loses_no_packet_in_xdp_mode() -> Result<()> {
    no_packet_is_lost(Mode::Xdp, |lab| lab.gateway.stop())
}

#[test]
fn a_restart_loses_no_packet_in_tc_mode() -> Result<()> {
    no_packet_is_lost(Mode::Tc, |lab| lab.gateway.stop())
}

#[test]
fn a_kill_loses_no_packet_in_xdp_mode() -> Result<()> {
    no_packet_is_lost(Mode::Xdp, |lab| lab.gateway.kill())
}

#[test]
fn a_kill_loses_no_packet_in_tc_mode() -> Result<()> {
    no_packet_is_lost(Mode::Tc, |lab| lab.gateway.kill())
}

#[test]
fn counters_and_learned_stations_survive_a_restart() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    let (paths, station) = (lab.gateway.read().paths()?, lab.gateway.read().station(VNI, EXT.mac())?);
    assert!(station.is_some() && paths.xdp_encap > 0);

    lab.gateway.stop()?;
    lab.gateway.resume()?;
    let (paths_after, station_after) = (lab.gateway.read().paths()?, lab.gateway.read().station(VNI, EXT.mac())?);
    assert_eq!(station_after.map(|entry| entry.to), station.map(|entry| entry.to));
    assert!(paths_after.xdp_encap >= paths.xdp_encap);
    Ok(())
}

#[test]
fn what_was_taken_out_of_the_file_while_the_agent_was_away_is_gone_when_it_is_back() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    let port = lab.gw.ifindex("a0")?;
    lab.gateway.stop()?;

    lab.config.switch_mut(VNI).bindings.clear();
    std::fs::write(lab.gateway.file(), lab.config.to_string())?;
    lab.gateway.resume()?;
    assert!(lab.gateway.read().binding(port, VLAN).is_err());
    assert!(!lab.vm.reaches(&EXT.v4().to_string()));
    Ok(())
}

#[test]
fn a_nic_may_change_its_mode_while_the_agent_is_away() -> Result<()> {
    let mut lab = Crossing::build(Plan::mode(Mode::Xdp))?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    for mode in [Mode::Tc, Mode::Xdp] {
        lab.gateway.stop()?;
        for nic in lab.config.uplinks.iter_mut().chain(&mut lab.config.ports) {
            nic.mode = mode;
        }
        std::fs::write(lab.gateway.file(), lab.config.to_string())?;
        lab.gateway.resume()?;

        let before = lab.gateway.read().paths()?;
        lab.vm.wait_reaches(&EXT.v4().to_string())?;
        let after = lab.gateway.read().paths()?;
        assert_eq!(after.tc_encap > before.tc_encap, mode == Mode::Tc);
        assert_eq!(after.xdp_encap > before.xdp_encap, mode == Mode::Xdp);
    }
    Ok(())
}
