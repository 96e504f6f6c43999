//! `show NOUN` on a running gateway with real traffic.

use std::net::IpAddr;

use anyhow::{Context, Result};
use gateway_api::view::{
    Binding, Counter, Kind, Mac, Neighbour, NeighbourState, Path, Place, Role, Router, Switch, Traffic, Tunnel,
};
use gateway_common::net::MacAddr;
use lab::{
    cluster::{Pair, Plan as PairPlan},
    config::Place as Placed,
    crossing::{Crossing, EXT, GW, HV, Plan, Site, Underlay, VLAN, VM, VNI},
    frame::Frame,
    process::text,
    wait::{SOON, wait_for, wait_some},
    wire::Wire,
};

use crate::asking::{screen, shown};

/// A crossing whose two ends have talked, so that the outside host is learned.
fn talked() -> Result<Crossing> {
    let lab = Crossing::build(Plan::default())?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    Ok(lab)
}

fn counter(all: &[Counter], name: &str) -> u64 {
    all.iter().find(|one| one.name == name).map_or(0, |one| one.count)
}

#[test]
fn bindings_and_tunnels_have_carried_what_the_maps_count_and_the_hosts_sent() -> Result<()> {
    let lab = talked()?;
    let ends = (Underlay::V4.ip(GW), Underlay::V4.ip(HV));
    let ifindex = lab.gw.ifindex("a0")?;
    let carried = || -> Result<Traffic> {
        let [binding] = shown::<Binding>(&lab.gateway, "bindings")?.try_into().expect("one binding");
        assert_eq!((binding.port.as_str(), binding.vlan, binding.vni), ("a0", VLAN, Some(VNI)));
        assert_eq!(binding.switch.as_deref(), Some("net-5001"));
        Ok(binding.traffic)
    };
    let before = carried()?;
    lab.ext.run(&format!("ping -n -q -c 50 -i 0.01 -W 5 -s 1000 {}", VM.v4()))?;
    // Nothing comes or goes between two looks at the map that are the same.
    let (binding, tunnel) = wait_some("a moment of silence", SOON, || {
        let read = || {
            let readings = lab.gateway.read();
            Some((readings.binding(ifindex, VLAN).ok()?, readings.tunnel(ends.0, ends.1).ok()?))
        };
        let first = read()?;
        let binding = carried().ok()?;
        let [tunnel] = shown::<Tunnel>(&lab.gateway, "tunnels").ok()?.try_into().ok()?;
        (read()? == first).then(|| {
            assert_eq!(binding, first.0.into());
            assert_eq!(tunnel.traffic, first.1.into());
            (binding, tunnel)
        })
    })?;
    assert!(binding.rx_packets >= before.rx_packets + 50, "{before:?} {binding:?}");
    assert!(binding.tx_packets >= before.tx_packets + 50, "{before:?} {binding:?}");
    // Ethernet, IPv4 and ICMP headers around 1000 bytes.
    assert!(binding.rx_bytes >= before.rx_bytes + 50 * 1042, "{before:?} {binding:?}");

    assert_eq!(
        (tunnel.local, tunnel.remote, tunnel.vnis.as_slice(), tunnel.macs_given),
        (ends.0, ends.1, &[VNI][..], 1)
    );
    let Path::Resolved { uplink, uplink_vlan, next_hop_mac, max_frame_bytes } = &tunnel.path else {
        panic!("{tunnel:?}")
    };
    // MTU 1600, less IPv4, UDP and VXLAN headers.
    assert_eq!((uplink.as_str(), *uplink_vlan, *max_frame_bytes), ("u0", 0, 1600 - 20 - 8 - 8));
    assert_eq!(*next_hop_mac, lab.hv.host().mac("u0")?);
    Ok(())
}

#[test]
fn a_learned_station_is_behind_its_port_and_a_static_one_behind_its_vtep() -> Result<()> {
    let lab = talked()?;
    let learned = |mac: &Mac| mac.kind == Kind::Learned;
    let all: Vec<Mac> = shown(&lab.gateway, "macs")?;
    assert_eq!(all.len(), 2, "{all:?}");
    let ext = all.iter().find(|mac| learned(mac)).context("nothing is learned")?;
    assert_eq!((ext.vni, ext.mac), (VNI, EXT.mac()));
    assert_eq!(ext.place, Place::Port { port: "a0".into(), vlan: VLAN });
    assert!(ext.age_seconds.is_some());
    wait_for("the address it announced is shown", SOON, || {
        let all = shown::<Mac>(&lab.gateway, &format!("macs --mac {}", EXT.mac())).unwrap();
        all.len() == 1 && all[0].ip == Some(EXT.v4().into())
    })?;
    let vm = all.iter().find(|mac| !learned(mac)).context("there is no static MAC")?;
    assert_eq!((vm.vni, vm.mac, vm.age_seconds), (VNI, VM.mac(), None));
    assert_eq!(vm.place, Place::Tunnel { remote: Some(Underlay::V4.ip(HV)), remote_vni: VNI });

    let macs = |filter: &str| -> Result<Vec<MacAddr>> {
        Ok(shown::<Mac>(&lab.gateway, &format!("macs {filter}"))?.into_iter().map(|mac| mac.mac).collect())
    };
    assert_eq!(macs("--port a0")?, [EXT.mac()]);
    assert_eq!(macs(&format!("--remote {}", Underlay::V4.ip(HV)))?, [VM.mac()]);
    assert_eq!(macs(&format!("--mac {} --vni {VNI}", VM.mac()))?, [VM.mac()]);
    assert_eq!(macs("--switch net-5001")?.len(), 2);
    let table = screen(&lab.gateway, "show macs")?;
    assert!(table.contains(&EXT.mac().to_string()) && table.contains("static"), "{table}");

    let [switch] = shown::<Switch>(&lab.gateway, "switches")?.try_into().expect("one switch");
    assert_eq!((switch.name.as_deref(), switch.vni, switch.programmed), (Some("net-5001"), Some(VNI), true));
    assert_eq!((switch.bindings, switch.flood_remotes, switch.macs_given, switch.macs_learned), (1, 1, 1, 1));
    Ok(())
}

#[test]
fn a_filter_with_a_name_that_nothing_has_is_an_error() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    for (filter, meant) in [
        ("macs --switch net-501", "no such logical switch (is net-5001 meant?)"),
        ("macs --port a9", "no such access port (is a0 meant?)"),
        ("bindings --vni 7", "no such VNI; there are 5001"),
        ("tunnels --remote 192.0.2.1", "no such remote VTEP"),
        ("vrrp nosuch", "no such virtual router; there is none"),
    ] {
        let output = lab.gateway.try_ask(&format!("show {filter}"))?;
        let printed = text(&output);
        assert!(output.status.code() == Some(2) && printed.contains(meant), "{filter}: {printed}");
    }
    // What is there and has nothing to show is none.
    assert_eq!(shown::<Mac>(&lab.gateway, "macs --switch net-5001 --mac 02:cc:00:00:00:09")?, []);
    Ok(())
}

#[test]
fn an_unresolved_tunnel_has_a_reason() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let (silent, nowhere) = (Underlay::V4.ip(99), IpAddr::from([192, 0, 2, 1]));
    let mut config = site.config();
    config.switch_mut(VNI).flood.extend([silent, nowhere]);
    let lab = site.start(config)?;
    let tunnel = |remote: IpAddr| -> Result<Tunnel> {
        shown::<Tunnel>(&lab.gateway, &format!("tunnels --remote {remote}"))?.pop().context("no such tunnel")
    };
    let why = |remote| tunnel(remote).ok()?.why_not().map(str::to_owned);
    wait_for("it is known that the neighbour does not answer", SOON, || {
        why(silent).is_some_and(|why| why.contains("172.31.0.99 on `u0` does not answer"))
    })?;
    assert!(why(nowhere).is_some_and(|why| why.contains("no route")), "{:?}", tunnel(nowhere)?);
    assert_eq!(tunnel(Underlay::V4.ip(HV))?.why_not(), None);
    let table = screen(&lab.gateway, "show tunnels")?;
    assert!(table.contains("unresolved") && table.contains("192.0.2.1: no route"), "{table}");

    let neighbours: Vec<Neighbour> = shown(&lab.gateway, "neighbours")?;
    let states: Vec<_> = neighbours.iter().map(|one| (one.address, one.state, one.mac)).collect();
    let hv = lab.hv.host().mac("u0")?;
    let hv = (Underlay::V4.ip(HV), NeighbourState::Resolved, Some(hv));
    assert_eq!(states, [hv, (silent, NeighbourState::Failed, None)]);
    assert_eq!(neighbours[0].interface, "u0");
    assert_eq!(neighbours[0].remotes, [Underlay::V4.ip(HV)]);
    Ok(())
}

#[test]
fn drops_are_under_their_reason_with_what_to_do_about_it() -> Result<()> {
    let lab = talked()?;
    let before: Vec<Counter> = shown(&lab.gateway, "drops")?;
    let wire = Wire::open(&lab.ext, "eth0")?;
    for _ in 0..7 {
        wire.send(&Frame::text(MacAddr([0x03, 0, 0, 0, 0, 1]), VM.mac(), "from a group"))?;
    }
    wait_for("they are dropped", SOON, || lab.gateway.read().drops().is_ok_and(|drops| drops.bad_source >= 7))?;
    let after: Vec<Counter> = shown(&lab.gateway, "drops")?;
    assert_eq!(counter(&after, "bad_source") - counter(&before, "bad_source"), 7);
    let printed = screen(&lab.gateway, "show drops")?;
    assert!(
        printed.contains("bad_source") && printed.contains("Remedy: ") && !printed.contains("inner_tagged"),
        "{printed}"
    );
    assert!(screen(&lab.gateway, "show drops --all")?.contains("inner_tagged"));

    let paths: Vec<Counter> = shown(&lab.gateway, "counters")?;
    assert_eq!(counter(&paths, "learned"), lab.gateway.read().paths()?.learned);
    assert!(counter(&paths, "xdp_decap") > 0 && counter(&paths, "xdp_encap") > 0, "{paths:?}");
    Ok(())
}

/// More than fit the pages of which several are needed.
const MANY: u32 = 20_000;

#[test]
fn a_forwarding_database_of_many_pages_is_shown_whole() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let mut config = site.config();
    let hv = Placed::Vtep(site.hv.vtep());
    let mac = |number: u32| {
        let [a, b, c, d] = number.to_be_bytes();
        MacAddr([0x06, 0, a, b, c, d])
    };
    config.switch_mut(VNI).macs.extend((0..MANY).map(|number| (mac(number), hv.clone())));
    let lab = site.start(config)?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    let all: Vec<Mac> = shown(&lab.gateway, "macs")?;
    let expected = (0..MANY).map(mac).chain([VM.mac(), EXT.mac()]);
    let mut expected: Vec<MacAddr> = expected.collect();
    expected.sort();
    assert_eq!(all.iter().map(|mac| mac.mac).collect::<Vec<_>>(), expected);
    let one: Vec<Mac> = shown(&lab.gateway, &format!("macs --mac {}", mac(MANY - 1)))?;
    assert_eq!(one.len(), 1);

    let socket = lab.config.run_dir.join("vtep-gateway.ctl");
    let appctl = |command: &str| lab.gw.run(&format!("ovs-appctl -t {} {command}", socket.display()));
    let printed = text(&appctl("fdb/show net-5001")?);
    assert_eq!(printed.lines().count(), 1 + expected.len());
    let line = printed.lines().find(|line| line.contains(&EXT.mac().to_string())).context("not shown")?;
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[..3], ["a0", "100", &EXT.mac().to_string()]);
    assert!(text(&appctl("fdb/stats")?).contains("Given MACs: 20001"));
    Ok(())
}

#[test]
fn the_virtual_router_of_a_pair_is_shown_by_both_nodes() -> Result<()> {
    let mut pair = Pair::linux(&PairPlan::steady())?;
    pair.start()?;
    let router = |node: usize| -> Result<Router> {
        shown::<Router>(pair.members[node].started()?, "vrrp 20")?.pop().context("no virtual router")
    };
    wait_for("the standby hears the active node", SOON, || router(1).is_ok_and(|one| one.active_node.is_some()))?;
    let (active, standby) = (router(0)?, router(1)?);
    assert_eq!((active.role, standby.role), (Role::Active, Role::Backup));
    assert_eq!((active.priority, standby.priority), (150, 100));
    assert_eq!(active.addresses, [Underlay::V4.ip(20)]);
    assert!(active.addresses_there && !standby.addresses_there);
    // Three advertisements of a second each.
    assert!(active.lease_left_ms.is_some_and(|left| left <= 3000), "{active:?}");
    assert_eq!(standby.lease_left_ms, None);
    assert_eq!(standby.active_node, Some(Underlay::V4.ip(21)));
    assert_eq!(standby.others, [Underlay::V4.ip(21)]);
    assert_eq!(standby.other_routers[0].priority, 150);
    assert!(active.counters.advert_sent > 0 && standby.counters.advert_rcvd > 0);
    assert_eq!((active.counters.become_master, standby.counters.become_master), (1, 0));
    let printed = screen(pair.members[0].started()?, "show vrrp")?;
    assert!(printed.contains("VRID 20") && printed.contains("active") && printed.contains("172.31.0.20"), "{printed}");
    Ok(())
}
