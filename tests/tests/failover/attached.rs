//! A node whose programs can't be where they should be gives the role to another one.

use anyhow::Result;
use lab::{
    bpf,
    cluster::{Pair, Plan},
    wait::{SOON, wait_for, wait_some},
};

const VRID: u8 = 20;

#[test]
fn a_node_whose_program_was_replaced_by_a_foreign_one_hands_over() -> Result<()> {
    let mut pair = Pair::linux(&Plan::steady())?;
    pair.start()?;
    let host = pair.members[0].host.clone();
    let pin_dir = pair.members[0].config.pin_dir.clone();
    let pin = pin_dir.join("links").join(format!("a0-{}-xdp", host.ifindex("a0")?));
    // Faster than the agent looks: again, if it was there first.
    let foreign = wait_some("the place is taken", SOON, || {
        bpf::detach_link(&pin).ok()?;
        bpf::foreign_xdp(&host, "a0").ok()
    })?;
    pair.members[0].wait_role(VRID, "fault")?;
    pair.members[1].wait_role(VRID, "active")?;
    let problems = pair.members[0].router()?["problems"].to_string();
    assert!(problems.contains("data plane is not attached"), "{problems}");
    drop(foreign);
    pair.members[0].wait_role(VRID, "backup")
}

/// Recreated interface: up before it has its programs.
#[test]
fn a_recreated_interface_makes_no_node_active_before_its_programs_are_on_it() -> Result<()> {
    let mut pair = Pair::linux(&Plan::steady())?;
    pair.members[0].start()?;
    pair.members[0].wait_role(VRID, "active")?;
    let host = pair.members[0].host.clone();
    host.ip("link add spare type veth peer name sparep")?;
    host.ip("link set a0 name old")?;
    host.ip("link set spare name a0")?;
    host.ip("link set sparep up")?;
    host.ip("link set a0 up")?;
    pair.members[0].wait_role(VRID, "active")?;
    let new = host.ifindex("a0")?;
    let link = pair.members[0].config.pin_dir.join("links").join(format!("a0-{new}-tc"));
    wait_for("the new one has its programs", SOON, || link.exists())?;
    // It was at fault for the interface, and reported that the programs are on it before it was active again.
    let log = pair.members[0].log()?;
    let after = log.rsplit_once("attached interface=\"a0\"").map_or("", |(_, after)| after);
    assert!(after.contains("active"), "{log}");
    Ok(())
}
