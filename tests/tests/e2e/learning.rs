//! MACs that the gateway learns, and those that it forgets.

use anyhow::Result;
use gateway_common::{
    fdb::{FdbEntry, LEARNED, LOCAL, REMOTE, STATIC},
    net::MacAddr,
};
use lab::{
    config::Place,
    crossing::{Crossing, EXT, EXT2, GW, Plan, Site, Underlay, VLAN, VM, VM2, VNI},
    flow::Flow,
    frame::Frame,
    vxlan::VmHost,
    wait::{SOON, wait_for},
    wire::Wire,
};

fn station(lab: &Crossing, mac: MacAddr) -> Option<FdbEntry> {
    lab.gateway.read().station(VNI, mac).ok().flatten()
}

#[test]
fn a_local_station_is_learned_from_its_first_frame() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    assert_eq!(station(&lab, EXT2.mac()), None);
    Wire::open(&lab.ext, "eth0")?.send(&Frame::text(EXT2.mac(), VM.mac(), "hello"))?;
    wait_for("the station is learned", SOON, || station(&lab, EXT2.mac()).is_some())?;
    let entry = station(&lab, EXT2.mac()).expect("learned");
    assert_eq!((entry.to.kind, entry.to.vlan, entry.origin), (LOCAL, VLAN, LEARNED));
    assert_eq!(entry.to.out, lab.gw.ifindex("a0")?);
    Ok(())
}

#[test]
fn a_station_stays_while_it_sends_and_is_forgotten_after() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let mut config = site.config();
    config.ageing = Some(2);
    let lab = site.start(config)?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;

    // Several times the ageing time.
    let flow = Flow::start(&lab.ext, &lab.vm, VM.v4().into())?;
    for _ in 0..5 {
        flow.wait_more(1000)?;
        assert!(station(&lab, EXT.mac()).is_some());
    }
    flow.finish()?;
    wait_for("the station is forgotten", SOON, || station(&lab, EXT.mac()).is_none())
}

#[test]
fn a_remote_station_is_learned_only_where_that_is_asked_for() -> Result<()> {
    for learning in [false, true] {
        let site = Site::build(Plan::default())?;
        let mut config = site.config();
        let switch = config.switch_mut(VNI);
        switch.macs.clear();
        switch.learn_remote = learning;
        let lab = site.start(config)?;

        lab.vm.wait_reaches(&EXT.v4().to_string())?;
        match station(&lab, VM.mac()) {
            Some(entry) => assert_eq!((learning, entry.to.kind, entry.origin), (true, REMOTE, LEARNED)),
            None => assert!(!learning),
        }
        let before = lab.gateway.read().paths()?;
        lab.ext.run(&format!("ping -n -q -c 10 -i 0.01 -W 5 {}", VM.v4()))?;
        let after = lab.gateway.read().paths()?;
        let (unicast, flooded) = (after.xdp_encap - before.xdp_encap, after.tc_flood - before.tc_flood);
        assert!(if learning { unicast >= 10 } else { flooded >= 10 && unicast == 0 }, "{unicast} {flooded}");
    }
    Ok(())
}

#[test]
fn a_remote_station_that_moves_to_another_vtep_is_followed() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let hv2 = VmHost::new(&site.und, "hv2", &Underlay::V4.address(12))?;
    hv2.join(VNI, &[Underlay::V4.ip(GW)])?;
    let vm2 = hv2.vm("vm2", VNI, &VM2.mac().to_string(), &[])?;
    let mut config = site.config();
    let switch = config.switch_mut(VNI);
    (switch.learn_remote, switch.macs) = (true, Vec::new());
    switch.flood.push(hv2.vtep());
    let lab = site.start(config)?;

    let roamer = "02:aa:00:00:00:77".parse()?;
    let (old, new) = (Wire::open(&lab.vm, "eth0")?, Wire::open(&vm2, "eth0")?);
    let ext = Wire::open(&lab.ext, "eth0")?;
    for (round, (here, there)) in [(&old, &new), (&new, &old)].into_iter().enumerate() {
        let text = format!("I am here {round}");
        here.send(&Frame::text(roamer, MacAddr::BROADCAST, &text))?;
        ext.expect("the station's broadcast", |frame| frame.has_text(&text))?;
        let text = format!("for you {round}");
        ext.send(&Frame::text(EXT.mac(), roamer, &text))?;
        here.expect("the frame for the station that moved", |frame| frame.has_text(&text))?;
        assert!(!there.arrived()?.iter().any(|frame| frame.has_text(&text)), "it went to the other VTEP too");
    }
    Ok(())
}

#[test]
fn no_more_is_learned_than_allowed_and_the_rest_still_talks() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let mut config = site.config();
    config.switch_mut(VNI).learn_limit = Some(4);
    let lab = site.start(config)?;
    let (ext, vm) = (Wire::open(&lab.ext, "eth0")?, Wire::open(&lab.vm, "eth0")?);

    let macs = (1..=8).map(|number| MacAddr([2, 0xcc, 0, 0, 0, number]));
    for (number, mac) in macs.clone().enumerate() {
        let text = format!("station {number}");
        ext.send(&Frame::text(mac, VM.mac(), &text))?;
        vm.expect("a frame of each station", |frame| frame.has_text(&text))?;
    }
    let readings = lab.gateway.read();
    let fdb = readings.fdb()?;
    let learned = macs.clone().filter(|mac| fdb.contains_key(&(VNI, *mac))).count();
    assert_eq!(learned, 4);
    assert_eq!(readings.paths()?.learn_limit, 4);

    // Nobody is cut off: a station that is not known is flooded to.
    let last = macs.into_iter().next_back().expect("eight stations");
    vm.send(&Frame::text(VM.mac(), last, "for the last"))?;
    ext.expect("the flooded frame", |frame| frame.has_text("for the last"))?;
    Ok(())
}

#[test]
fn a_full_database_is_counted_and_everybody_still_talks() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let mut config = site.config();
    config.fdb_size = Some(16);
    let lab = site.start(config)?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    let (ext, vm) = (Wire::open(&lab.ext, "eth0")?, Wire::open(&lab.vm, "eth0")?);

    for number in 1..=40 {
        let (mac, text) = (MacAddr([2, 0xcc, 0, 0, 0, number]), format!("station {number}"));
        ext.send(&Frame::text(mac, VM.mac(), &text))?;
        vm.expect("a frame of each station", |frame| frame.has_text(&text))?;
    }
    let readings = lab.gateway.read();
    let (known, paths) = (readings.fdb()?.len(), readings.paths()?);
    assert!(known <= 16);
    // 40 stations, the outside host and the VM want a place; it is full or, before that, as full as may be learned.
    assert!(paths.fdb_full + paths.learn_limit >= 42 - known as u64, "{known} {paths:?}");
    assert!(station(&lab, EXT.mac()).is_some(), "what was there is gone");
    lab.ext.wait_reaches(&VM.v4().to_string())
}

#[test]
fn a_later_static_mac_replaces_a_learned_one() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    let ext = Wire::open(&lab.ext, "eth0")?;
    ext.send(&Frame::text(VM2.mac(), VM.mac(), "I moved out"))?;
    wait_for("the station is learned", SOON, || station(&lab, VM2.mac()).is_some())?;

    let hv = lab.hv.vtep();
    lab.config.switch_mut(VNI).macs.push((VM2.mac(), Place::Vtep(hv)));
    lab.gateway.reload(&lab.config)?;
    let entry = station(&lab, VM2.mac()).expect("a static MAC");
    assert_eq!((entry.to.kind, entry.origin), (REMOTE, STATIC));
    Ok(())
}
