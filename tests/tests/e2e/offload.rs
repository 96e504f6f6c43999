//! TC mode with all offloads on, as a virtual NIC has them: packets longer than the MTU, checksums left to the hardware.

use std::time::Duration;

use anyhow::Result;
use lab::{
    config::Mode,
    crossing::{Crossing, EXT, Plan, Site, VLAN, VM},
    transfer,
    wait::{SOON, wait_for},
};

/// Enough for what arrives to have arrived.
const PATIENCE: Duration = Duration::from_secs(5);
/// And for what does not, which no test waits for in vain longer than needed.
const SHORT: Duration = Duration::from_millis(300);

/// Has all NICs leave to others what they can.
fn offload(lab: &Crossing) -> Result<()> {
    for (host, dev) in [(&lab.vm, "eth0"), (&lab.ext, "eth0"), (lab.hv.host(), "u0"), (&lab.gw, "u0"), (&lab.gw, "a0")]
    {
        host.run(&format!("ethtool -K {dev} tx on tso on gso on gro on txvlan on tx-udp-segmentation on"))?;
    }
    Ok(())
}

fn tcp_stays_whole(plan: Plan) -> Result<()> {
    let lab = Crossing::build(plan)?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    offload(&lab)?;
    transfer::tcp(&lab.vm, &lab.ext, EXT.v4().into(), 8)?;
    transfer::tcp(&lab.ext, &lab.vm, VM.v4().into(), 8)?;
    transfer::udp(&lab.ext, &lab.vm, VM.v4().into(), 1472)?;
    if plan.ipv6 {
        transfer::tcp(&lab.vm, &lab.ext, EXT.v6().into(), 4)?;
        transfer::tcp(&lab.ext, &lab.vm, VM.v6().into(), 4)?;
    }
    Ok(())
}

#[test]
fn tcp_stays_whole_tagged() -> Result<()> {
    tcp_stays_whole(Plan { vlan: VLAN, ipv6: true, ..Plan::mode(Mode::Tc) })
}

#[test]
fn tcp_stays_whole_untagged() -> Result<()> {
    tcp_stays_whole(Plan { vlan: 0, ipv6: true, ..Plan::mode(Mode::Tc) })
}

#[test]
fn tcp_stays_whole_between_an_uplink_in_xdp_and_a_port_in_tc() -> Result<()> {
    tcp_stays_whole(Plan { uplink: Mode::Xdp, port: Mode::Tc, ..Plan::default() })
}

#[test]
fn trains_of_udp_segments_arrive_whole() -> Result<()> {
    for plan in [
        Plan { vlan: VLAN, ipv6: true, ..Plan::mode(Mode::Tc) },
        Plan { vlan: 0, ipv6: true, ..Plan::mode(Mode::Tc) },
        Plan { uplink: Mode::Xdp, port: Mode::Tc, ..Plan::default() },
    ] {
        let lab = Crossing::build(plan)?;
        lab.vm.wait_reaches(&EXT.v4().to_string())?;
        offload(&lab)?;
        for length in [1000, 1472] {
            assert_eq!(transfer::udp_train(&lab.ext, &lab.vm, VM.v4().into(), length, 10, PATIENCE)?, 10);
            assert_eq!(transfer::udp_train(&lab.vm, &lab.ext, EXT.v4().into(), length, 10, PATIENCE)?, 10);
        }
        if plan.ipv6 {
            assert_eq!(transfer::udp_train(&lab.ext, &lab.vm, VM.v6().into(), 1400, 10, PATIENCE)?, 10);
            assert_eq!(transfer::udp_train(&lab.vm, &lab.ext, EXT.v6().into(), 1400, 10, PATIENCE)?, 10);
        }
        assert_eq!(lab.gateway.read().drops()?.rewrite_failed, 0);
    }
    Ok(())
}

#[test]
fn a_train_whose_segments_do_not_fit_the_underlay_is_dropped_and_counted() -> Result<()> {
    let site = Site::build(Plan { ipv6: true, ..Plan::mode(Mode::Tc) })?;
    site.gw.ip("link set dev u0 mtu 1500")?;
    let config = site.config();
    let lab = site.start(config)?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    lab.vm.wait_reaches(&EXT.v6().to_string())?;
    offload(&lab)?;
    // Inner frames of 1464 bytes at most: 14 of Ethernet, 20 or 40 of IP, 8 of UDP, and what is left.
    for (to, fits) in [(VM.v4().into(), 1422), (VM.v6().into(), 1402)] {
        let before = lab.gateway.read().drops()?.too_big;
        assert_eq!(transfer::udp_train(&lab.ext, &lab.vm, to, fits, 10, PATIENCE)?, 10);
        assert_eq!(lab.gateway.read().drops()?.too_big, before);
        assert_eq!(transfer::udp_train(&lab.ext, &lab.vm, to, fits + 1, 10, SHORT)?, 0);
        wait_for("the drop to be counted", SOON, || {
            lab.gateway.read().drops().is_ok_and(|drops| drops.too_big > before)
        })?;
    }
    Ok(())
}

#[test]
fn what_would_merge_udp_is_turned_off_and_put_back() -> Result<()> {
    const FEATURES: [&str; 2] = ["rx-udp-gro-forwarding", "rx-gro-list"];
    let site = Site::build(Plan::default())?;
    for dev in ["u0", "a0"] {
        site.gw.run(&format!("ethtool -K {dev} rx-udp-gro-forwarding on rx-gro-list on"))?;
    }
    let config = site.config();
    let mut lab = site.start(config)?;
    let are = |lab: &Crossing, on: bool| -> Result<()> {
        for dev in ["u0", "a0"] {
            for feature in FEATURES {
                assert_eq!(lab.gw.feature(dev, feature)?, on, "{feature} of {dev}");
            }
        }
        Ok(())
    };
    are(&lab, false)?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    lab.gateway.stop()?;
    lab.gateway.detach()?;
    are(&lab, true)
}
