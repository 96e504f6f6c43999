//! The demo with a remote VTEP that is plain Linux, and the gateway's networks in its configuration.

use anyhow::Result;
use lab::crossing::{Plan, Site, VLAN, VNI};

use crate::{
    Stay,
    show::{Cast, configuration},
};

const PICTURE: &str = "
      a network of a cloud                               a VLAN outside of it
  ┌────┐    ┌────┐   VXLAN 5001   ┌─────────┐   VLAN 100   ┌────┐    ┌─────┐
  │ vm ├────┤ hv ╞════════════════╡   gw    ├──────────────┤ sw ├────┤ ext │
  └────┘    └────┘                └─────────┘              └────┘    └─────┘
 10.0.0.11   Linux  172.31.0.0/24   vtep-      tagged       Open    10.0.0.101
             vxlan                  gateway    frames      vSwitch  untagged
";

pub(crate) fn show(stay: &Stay) -> Result<()> {
    println!("vtep-gateway makes one network of VXLAN {VNI} and VLAN {VLAN}.\n{PICTURE}");
    println!("Each box is a network namespace. Laying them out ...");

    let site = Site::build(Plan { ovs: true, ..Plan::default() })?;
    stay.guard(&site.lab);
    let config = site.config();
    let mut demo = site.start(config)?;
    let cast = Cast { gateway: &demo.gateway, vm: &demo.vm, ext: &demo.ext };
    configuration(cast.gateway, "The gateway")?;
    cast.traffic()?;
    cast.maps()?;
    if stay.keep {
        cast.ways_around((demo.hv.host(), "u0"));
        demo.gateway.leave();
        if let Some(ovs) = &mut demo.ovs {
            ovs.leave();
        }
    }
    stay.conclude(&demo.lab)
}
