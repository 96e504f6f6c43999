//! Bindings come, move and go by an operator's hand.

use anyhow::Result;
use lab::{
    config::Mode,
    crossing::{EXT, EXT2, VM},
    gateway::Gateway,
    ovn::{Cloud, cloud::PORT},
    wait::{SOON, wait_for},
};

use crate::filled::NET;

#[test]
fn a_gateway_registers_itself_and_follows_its_bindings() -> Result<()> {
    let mut cloud = Cloud::build()?;
    cloud.network(NET)?;
    let vm = cloud.vm("vm1", NET, 0, VM)?;
    let in_100 = cloud.host("ext", 100, EXT)?;
    let in_200 = cloud.host("ext2", 200, EXT2)?;
    let gateway = Gateway::start(&cloud.gw, &cloud.driven_config(Mode::Xdp))?;

    // Nobody has prepared the database.
    wait_for("the gateway has registered itself", SOON, || cloud.vtep.bindings(PORT).is_ok())?;
    let tunnel = cloud.vtep.ctl("get Physical_Switch gw1 tunnel_ips")?;
    assert!(tunnel.contains(&cloud.tunnel().to_string()), "{tunnel}");
    assert_eq!(cloud.vtep.ctl("list-ps")?.trim(), "gw1");
    assert_eq!(cloud.vtep.ctl("list-ports gw1")?.trim(), PORT);

    // Added.
    let (first, second) = (EXT.v4().to_string(), EXT2.v4().to_string());
    let port = cloud.gw.ifindex(PORT)?;
    cloud.vtep.bind(PORT, 100, NET)?;
    cloud.wait_written(NET, &vm, VM)?;
    vm.host.wait_reaches(&first)?;
    assert!(!vm.host.reaches(&second));

    // Moved, in one transaction.
    let old = gateway.read().binding(port, 100)?;
    assert!(old.rx_packets > 0 && old.tx_packets > 0, "{old:?}");
    cloud.vtep.ctl(&format!("unbind-ls gw1 {PORT} 100 -- bind-ls gw1 {PORT} 200 {NET}"))?;
    vm.host.wait_reaches(&second)?;
    assert!(!vm.host.reaches(&first));
    assert!(!in_100.reaches(&VM.v4().to_string()));
    assert!(gateway.read().binding(port, 100).is_err());

    // Removed: at once, even though the controller is gone and has taken everything else with it.
    in_200.wait_reaches(&VM.v4().to_string())?;
    cloud.vtep.part()?;
    assert!(gateway.read().binding(port, 200).is_ok());
    cloud.vtep.unbind(PORT, 200)?;
    wait_for("the binding is gone", SOON, || gateway.read().binding(port, 200).is_err())
}
