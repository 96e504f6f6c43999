//! The demo with a cloud of real OVN, which drives the gateway.

use anyhow::Result;
use lab::{
    config::Mode,
    crossing::{EXT, VM, VM2},
    gateway::Gateway,
    ovn::{Cloud, cloud::PORT, hypervisor::UPLINK},
    wait::{SOON, wait_for},
};

use crate::{
    Stay,
    show::{Cast, configuration, heading, show as lines},
};

const PICTURE: &str = "
        a cloud of OVN                                     a VLAN outside of it
          ┌─────┐  northd,                ┌ovn-controller-vtep
          │ ctl ├──databases──────────────┤hardware_vtep
          └──┬──┘                         └────┬────┐
  ┌─────┐ ┌──┴──┐         VXLAN           ┌────┴────┐  VLAN 100  ┌────┐   ┌─────┐
  │ vm1 ├─┤ hv1 ╞════════════════╤════════╡   gw    ├────────────┤ sw ├───┤ ext │
  └─────┘ └──┬──┘                │        └─────────┘            └────┘   └─────┘
 10.0.0.11   │                   │           vtep-      tagged    Open   10.0.0.101
  ┌─────┐ ┌──┴──┐                │           gateway    frames   vSwitch untagged
  │ vm2 ├─┤ hv2 ╞════════════════╛
  └─────┘ └─────┘ ovn-controller
 10.0.0.12        Open vSwitch
";

/// The network of the tenant.
const NET: &str = "net1";
/// The VLAN outside.
const VLAN: u16 = 100;

pub(crate) fn show(stay: &Stay) -> Result<()> {
    println!("vtep-gateway makes one network of a tenant's network in OVN and VLAN {VLAN}.\n{PICTURE}");
    println!("Each box is a network namespace, and all of OVN is Debian's own. Starting it ...");

    let mut cloud = Cloud::build()?;
    stay.guard(&cloud.lab);
    cloud.network(NET)?;
    let mut vm1 = cloud.vm("vm1", NET, 0, VM)?;
    let vm2 = cloud.vm("vm2", NET, 1, VM2)?;
    let ext = cloud.host("ext", VLAN, EXT)?;
    vm1.host.wait_reaches(&VM2.v4().to_string())?;
    heading("The cloud, as `ovn-sbctl show` prints it");
    lines(cloud.central.sbctl("show")?.lines());

    let mut gateway = Gateway::start(&cloud.gw, &cloud.driven_config(Mode::Xdp))?;
    configuration(&gateway, "The gateway")?;
    wait_for("the gateway has registered itself", SOON, || cloud.vtep.bindings(PORT).is_ok())?;
    heading("It has registered itself in its database");
    vtep_ctl(&cloud, "show")?;

    heading("An operator binds the VLAN, and OVN fills in where its VMs are");
    vtep_ctl(&cloud, &format!("bind-ls {} {PORT} {VLAN} {NET}", cloud.vtep.switch()))?;
    let vni = cloud.wait_written(NET, &vm1, VM)?;
    cloud.wait_written(NET, &vm2, VM2)?;
    vtep_ctl(&cloud, &format!("list-remote-macs {NET}"))?;
    println!("  OVN has chosen VNI {vni}.");

    Cast { gateway: &gateway, vm: &vm1.host, ext: &ext }.traffic()?;
    wait_for("the outside host is published", SOON, || {
        cloud.vtep.local_macs(NET).is_ok_and(|macs| macs.unicast.contains_key(&EXT.mac()))
    })?;
    heading("The gateway has published whom it met outside");
    vtep_ctl(&cloud, &format!("list-local-macs {NET}"))?;

    heading("The VM migrates to the other hypervisor");
    cloud.migrate(&mut vm1, 1)?;
    cloud.wait_written(NET, &vm1, VM)?;
    vtep_ctl(&cloud, &format!("list-remote-macs {NET}"))?;
    ext.wait_reaches(&VM.v4().to_string())?;
    println!("  The outside host reaches it there.");

    let cast = Cast { gateway: &gateway, vm: &vm1.host, ext: &ext };
    cast.maps()?;
    if stay.keep {
        cast.ways_around((cloud.hypervisors[1].host(), UPLINK));
        println!("  vtep-ctl --db={} show", cloud.vtep.local_remote());
        println!("  ovn-nbctl --db={} show", cloud.central.northbound());
        gateway.leave();
        cloud.leave();
    }
    drop(gateway);
    stay.conclude(&cloud.lab)
}

fn vtep_ctl(cloud: &Cloud, arguments: &str) -> Result<()> {
    println!("  gw$ vtep-ctl {arguments}");
    lines(cloud.vtep.ctl(arguments)?.lines());
    Ok(())
}
