//! TC mode with all offloads on, as a virtual NIC has them: packets longer than the MTU, checksums left to the hardware.

use anyhow::Result;
use lab::{
    config::Mode,
    crossing::{Crossing, EXT, Plan, VLAN, VM},
    transfer,
};

fn tcp_stays_whole(plan: Plan) -> Result<()> {
    let lab = Crossing::build(plan)?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    for (host, dev) in [(&lab.vm, "eth0"), (&lab.ext, "eth0"), (lab.hv.host(), "u0"), (&lab.gw, "u0"), (&lab.gw, "a0")]
    {
        host.run(&format!("ethtool -K {dev} tx on tso on gso on gro on txvlan on"))?;
    }
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
