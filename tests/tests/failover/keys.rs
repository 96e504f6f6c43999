//! Nodes that authenticate each other.

use anyhow::Result;
use lab::{
    cluster::{Pair, Plan},
    crossing::{EXT, VNI},
    wait::{SOON, wait_for},
};

const VRID: u8 = 20;
const KEY: &str = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[test]
fn nodes_with_one_key_stand_in_for_each_other_and_send_what_they_have_learned() -> Result<()> {
    let mut pair = Pair::linux(&Plan::default())?;
    let file = pair.lab.directory().join("vrrp.key");
    std::fs::write(&file, format!("{KEY}\n"))?;
    // One has it in its configuration, the other one in a file.
    for (member, source) in pair.members.iter_mut().zip([KEY.to_owned(), file.display().to_string()]) {
        member.config.vrrp[0].auth_keys = vec![(1, source)];
    }
    pair.start()?;
    wait_for("the standby has what the active node has learned", SOON, || {
        pair.members[1].station_here(VNI, EXT.mac()).is_ok_and(|station| station.is_some())
    })?;
    for (member, role) in pair.members.iter().zip(["active", "backup"]) {
        let router = member.router()?;
        assert_eq!((router["role"].as_str(), &router["problems"]), (Some(role), &serde_json::json!([])), "{router}");
        assert!(!member.log()?.contains("000102"), "a key was logged");
    }
    pair.hand_over(0)?;
    pair.members[1].wait_role(VRID, "active")?;
    pair.vm.wait_reaches(&EXT.v4().to_string())
}
