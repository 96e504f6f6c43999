//! A standby: its knowledge, and its silence.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Result, anyhow, bail, ensure};
use gateway_common::net::MacAddr;
use lab::{
    Host,
    cluster::{
        Pair, Plan, World,
        keepalived::has_address,
        plan::{PORT, virtual_address},
    },
    crossing::{EXT, VLAN, VM, VNI},
    wait::{SOON, Stopwatch, pause, wait_for},
};

const VRID: u8 = 20;

/// The hypervisor's machine.
fn hypervisor(pair: &Pair) -> Result<&Host> {
    match &pair.world {
        World::Linux { hv, .. } => Ok(hv.host()),
        World::Ovn { .. } => bail!("there is no Linux VTEP"),
    }
}

/// Two nodes, of which the first is active and has learned the outside host.
fn started(change: impl Fn(&mut lab::config::Config)) -> Result<Pair> {
    let mut pair = Pair::linux(&Plan::steady())?;
    pair.members.iter_mut().for_each(|member| change(&mut member.config));
    pair.start()?;
    Ok(pair)
}

fn wait_has_station(pair: &Pair, node: usize, mac: MacAddr) -> Result<()> {
    let member = &pair.members[node];
    let what = format!("{} has {mac} behind {PORT} in VLAN {VLAN}", member.host.name());
    wait_for(&what, SOON, || {
        member
            .station_here(VNI, mac)
            .is_ok_and(|at| at.as_ref().is_some_and(|at| (at.0.as_str(), at.1) == (PORT, VLAN)))
    })
}

fn wait_lost_station(pair: &Pair, node: usize, mac: MacAddr) -> Result<()> {
    let member = &pair.members[node];
    let what = format!("{} has {mac} nowhere", member.host.name());
    wait_for(&what, SOON, || member.station_here(VNI, mac).is_ok_and(|at| at.is_none()))
}

/// Has the two hosts know each other's Ethernet addresses for good, so that they need no broadcasts.
fn acquaint(pair: &Pair) -> Result<()> {
    for (host, other) in [(&pair.vm, EXT), (&pair.ext, VM)] {
        host.ip(&format!("neigh replace {} lladdr {} nud permanent dev eth0", other.v4(), other.mac()))?;
    }
    Ok(())
}

#[test]
fn it_has_the_stations_that_the_active_node_has_learned() -> Result<()> {
    let pair = started(|_| ())?;
    wait_has_station(&pair, 0, EXT.mac())?;
    wait_has_station(&pair, 1, EXT.mac())
}

#[test]
fn it_has_a_station_that_is_learned_while_it_stands_by() -> Result<()> {
    const LATE: MacAddr = MacAddr([2, 0xee, 0, 0, 0, 0x77]);
    let pair = started(|_| ())?;
    pair.ext.ip(&format!("link set eth0 address {LATE}"))?;
    pair.ext.wait_reaches(&VM.v4().to_string())?;
    wait_has_station(&pair, 1, LATE)
}

#[test]
fn it_loses_a_station_that_has_aged_at_the_active_node() -> Result<()> {
    let pair = started(|config| config.ageing = Some(3))?;
    let talk = pair.ext.start(&format!("ping -n -q -i 0.5 {}", VM.v4()))?;
    wait_has_station(&pair, 1, EXT.mac())?;
    // Neither host sends anything more.
    drop(talk);
    wait_lost_station(&pair, 0, EXT.mac())?;
    wait_lost_station(&pair, 1, EXT.mac())
}

#[test]
fn it_loses_a_station_whose_binding_is_gone_at_the_active_node() -> Result<()> {
    let mut pair = started(|_| ())?;
    wait_has_station(&pair, 1, EXT.mac())?;
    let mut config = pair.members[0].config.clone();
    config.switch_mut(VNI).bindings.clear();
    pair.members[0].gateway()?.reload(&config)?;
    wait_lost_station(&pair, 1, EXT.mac())
}

/// It does not hear the active node for a moment.
#[test]
fn it_keeps_the_stations_while_the_agent_of_the_active_node_is_upgraded() -> Result<()> {
    let mut pair = started(|_| ())?;
    wait_has_station(&pair, 1, EXT.mac())?;
    let standby = pair.members[1].read()?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut there = true;
            while !stop.load(Ordering::Relaxed) {
                there &= standby.station(VNI, EXT.mac()).is_ok_and(|entry| entry.is_some());
                pause(Duration::from_millis(1));
            }
            there
        });
        let upgraded = pair.upgrade(0).and_then(|()| pair.members[0].wait_role(VRID, "active"));
        // The first messages of the new agent have come.
        pause(Duration::from_secs(2));
        stop.store(true, Ordering::Relaxed);
        upgraded?;
        let there = watcher.join().map_err(|_| anyhow!("the watcher panicked"))?;
        ensure!(there, "the station was gone meanwhile");
        Ok(())
    })
}

/// A broadcast of the cloud comes to the standby's access port from the switch outside, as if it came from there.
#[test]
fn it_learns_nothing_from_what_comes_back_over_the_vlan() -> Result<()> {
    let mut pair = started(|config| config.switch_mut(VNI).macs.clear())?;
    let vm = pair.vm.clone();
    // Nobody has the address.
    let ask = || vm.reaches("10.0.0.77");
    let before = pair.members[1].drops()?.lease_expired;
    wait_for("a broadcast of the VM comes to the standby", SOON, || {
        ask();
        pair.members[1].drops().is_ok_and(|now| now.lease_expired > before)
    })?;
    assert_eq!(pair.members[1].station_here(VNI, VM.mac())?, None);
    pair.hand_over(0)?;
    pair.members[1].wait_role(VRID, "active")?;
    ask();
    pair.vm.wait_reaches(&EXT.v4().to_string())?;
    for member in &pair.members {
        assert_eq!(member.station_here(VNI, VM.mac())?, None, "{}", member.host.name());
    }
    Ok(())
}

#[test]
fn after_a_takeover_unicast_to_a_station_outside_is_not_replicated() -> Result<()> {
    let mut pair = started(|_| ())?;
    wait_has_station(&pair, 1, EXT.mac())?;
    acquaint(&pair)?;
    pair.hand_over(0)?;
    pair.members[1].wait_role(VRID, "active")?;
    let before = pair.members[1].read()?.paths()?;
    pair.vm.wait_reaches(&EXT.v4().to_string())?;
    let after = pair.members[1].read()?.paths()?;
    assert!(after.xdp_decap > before.xdp_decap, "{after:?}");
    assert_eq!((after.tc_flood, after.flood_copies), (before.tc_flood, before.flood_copies), "{after:?}");
    Ok(())
}

#[test]
fn it_forwards_no_packet_of_a_tunnel() -> Result<()> {
    let pair = started(|_| ())?;
    let mac = pair.members[1].host.mac("u0")?;
    acquaint(&pair)?;
    hypervisor(&pair)?.ip(&format!("neigh replace {} lladdr {mac} nud permanent dev u0", virtual_address()))?;
    let before = pair.members[1].drops()?.lease_expired;
    ensure!(!pair.vm.reaches(&EXT.v4().to_string()), "the outside host answers");
    assert!(pair.members[1].drops()?.lease_expired > before);
    assert_eq!(pair.members[1].forwarded()?, 0);
    Ok(())
}

/// The hypervisor has the standby's MAC address for the tunnel address, and believes nothing else.
#[test]
fn frames_to_the_standby_are_reported_and_the_active_node_announces_itself_again() -> Result<()> {
    let pair = started(|_| ())?;
    let mac = pair.members[1].host.mac("u0")?;
    acquaint(&pair)?;
    let reported = |pair: &Pair| {
        let problems = pair.members[1].router().map(|router| router["problems"].to_string()).unwrap_or_default();
        problems.contains("still receives tunnel packets for") && problems.contains("neighbour entry is outdated")
    };
    assert!(!reported(&pair));
    hypervisor(&pair)?.ip(&format!("neigh replace {} lladdr {mac} nud permanent dev u0", virtual_address()))?;
    let send = || pair.vm.reaches(&EXT.v4().to_string());
    wait_for("the standby reports what comes to it", SOON, || {
        send();
        reported(&pair)
    })?;
    wait_for("the active node announces its addresses again", SOON, || {
        send();
        let log = pair.members[0].log();
        log.is_ok_and(|log| log.contains("announced again"))
    })?;
    hypervisor(&pair)?.ip(&format!("neigh del {} dev u0", virtual_address()))?;
    pair.vm.wait_reaches(&EXT.v4().to_string())?;
    wait_for("it is no longer reported", SOON, || !reported(&pair))
}

#[test]
fn it_counts_who_asks_for_the_tunnel_address_and_lets_the_active_node_answer() -> Result<()> {
    let pair = started(|_| ())?;
    let before = pair.members[1].drops()?.standby_arp;
    assert_eq!(answers(&pair)?, [pair.members[0].host.mac("u0")?]);
    assert!(pair.members[1].drops()?.standby_arp > before);
    Ok(())
}

/// An agent that was killed has left the address on its interface.
#[test]
fn one_whose_agent_was_killed_does_not_answer_for_the_tunnel_address_that_it_still_has() -> Result<()> {
    let mut pair = started(|_| ())?;
    pair.kill(0)?;
    pair.members[1].wait_role(VRID, "active")?;
    assert!(has_address(&pair.members[0].host, virtual_address())?);
    let before = pair.members[0].drops()?.standby_arp;
    assert_eq!(answers(&pair)?, [pair.members[1].host.mac("u0")?]);
    assert!(pair.members[0].drops()?.standby_arp > before);
    Ok(())
}

/// The Ethernet addresses that the hypervisor hears when it asks for the tunnel address three times, each once.
fn answers(pair: &Pair) -> Result<Vec<MacAddr>> {
    // Broadcast each time.
    let output = hypervisor(pair)?.attempt(&format!("arping -b -c 3 -w 10 -I u0 {}", virtual_address()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let macs = text.lines().filter_map(|line| line.split_once('[')?.1.split_once(']')?.0.to_lowercase().parse().ok());
    let mut macs: Vec<MacAddr> = macs.collect();
    macs.sort();
    macs.dedup();
    ensure!(!macs.is_empty(), "nobody answers:\n{text}");
    Ok(macs)
}

const AGEING: Duration = Duration::from_secs(4);

/// Looks for so long whether the second node still has the outside host.
fn stays(pair: &Pair, time: Duration) -> Result<()> {
    let watch = Stopwatch::start();
    loop {
        let there = pair.members[1].station_here(VNI, EXT.mac())?.is_some();
        // A reading that took too long proves nothing.
        let elapsed = watch.elapsed();
        if elapsed >= time {
            return Ok(());
        }
        ensure!(there, "the station is gone after {elapsed:?}");
        pause(Duration::from_millis(200));
    }
}

#[test]
fn macs_of_state_sync_do_not_age_on_a_standby_and_do_once_it_is_active() -> Result<()> {
    let mut pair = started(|config| config.ageing = u32::try_from(AGEING.as_secs()).ok())?;
    acquaint(&pair)?;
    wait_has_station(&pair, 1, EXT.mac())?;
    // The active node hears the station all the time, the standby never: unicast does not come to its port.
    let talk = pair.ext.start(&format!("ping -n -q -i 0.5 {}", VM.v4()))?;
    stays(&pair, AGEING * 3)?;
    drop(talk);
    let handed_over = Stopwatch::start();
    pair.hand_over(0)?;
    stays(&pair, AGEING.saturating_sub(handed_over.elapsed()))?;
    pair.members[1].wait_role(VRID, "active")?;
    wait_lost_station(&pair, 1, EXT.mac())
}
