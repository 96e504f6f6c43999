//! Rows that make no sense, and servers that are none.

use anyhow::Result;
use lab::{
    crossing::{EXT, Plan, Site, VM},
    gateway::Gateway,
    wait::{SOON, wait_for},
};
use serde_json::json;

use super::by_hand::{NET, Operated, SCHEMA};

#[test]
fn a_row_that_makes_no_sense_is_named_and_the_others_count() -> Result<()> {
    let mut lab = Operated::on(Site::build(Plan::default())?, "")?;
    let network = lab.vtep.ctl(&format!("--bare --columns=_uuid find Logical_Switch name={NET}"))?;
    let insert = |mac: &str, locator: &str| {
        json!({ "op": "insert", "table": "Ucast_Macs_Remote", "row": {
            "MAC": mac,
            "logical_switch": ["uuid", network.trim()],
            "locator": ["named-uuid", locator],
        } })
    };
    let locator = |name: &str, address: &str| {
        json!({ "op": "insert", "table": "Physical_Locator", "uuid-name": name, "row": {
            "dst_ip": address,
            "encapsulation_type": "vxlan_over_ipv4",
        } })
    };
    lab.vtep.database().transact(
        SCHEMA,
        &[
            locator("good", "172.31.0.77"),
            locator("bad", "not-an-address"),
            insert("not-a-mac", "good"),
            insert("02:cc:00:00:00:01", "bad"),
        ],
    )?;

    let mut gateway = Gateway::start(&lab.site.gw, &lab.config())?;
    lab.site.vm.wait_reaches(&EXT.v4().to_string())?;
    lab.site.ext.wait_reaches(&VM.v4().to_string())?;
    for text in ["not-a-mac", "not-an-address"] {
        gateway.wait_log(|line| line.contains(text))?;
        assert_eq!(gateway.log()?.lines().filter(|line| line.contains(text)).count(), 1, "{}", gateway.log()?);
    }
    Ok(())
}

#[test]
fn a_gateway_waits_for_its_database() -> Result<()> {
    let mut lab = Operated::on(Site::build(Plan::default())?, "")?;
    lab.vtep.database().kill()?;
    let mut gateway = Gateway::launch(&lab.site.gw, &lab.config())?;
    let remote = lab.vtep.remote();
    gateway.wait_log(|line| line.contains(&remote))?;
    assert!(!lab.site.vm.reaches(&EXT.v4().to_string()));

    lab.vtep.database().resume()?;
    lab.site.vm.wait_reaches(&EXT.v4().to_string())?;
    wait_for("the outside host is published", SOON, || {
        lab.vtep.local_macs(NET).is_ok_and(|macs| macs.unicast.contains_key(&EXT.mac()))
    })
}
