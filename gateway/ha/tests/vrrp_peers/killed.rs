//! A process that is killed or stopped at any moment.

use std::{
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    process::{Command, Stdio},
};

use gateway_ha as ha;
use gateway_vrrp::Role;
use nix::sys::signal::Signal;

use crate::{
    lab::{Node, Program, Switch, VIP, VRID, config, instance, setup, test, until},
    map::leases,
};

/// Environment variable with the map for the child; this crate's tests run themselves again as that child.
const FD: &str = "VRRP_PEERS_LEASES_FD";

/// Not a test by itself: the process that is killed.
#[test]
fn child_that_is_active_until_it_is_killed() {
    let Ok(fd) = std::env::var(FD) else { return };
    // SAFETY: the parent has left it open for this process.
    let fd = unsafe { OwnedFd::from_raw_fd(fd.parse().unwrap()) };
    let _handle = ha::start(setup(instance(&config(150)), leases(fd))).unwrap();
    // Never receives a command.
    test(std::future::pending());
}

/// A node whose virtual router runs in another process.
fn start_child(node: &Node) -> Program {
    let fd = node.map.inheritable();
    let child = node.netns.within(|| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "killed::child_that_is_active_until_it_is_killed", "--nocapture"]);
        command.env(FD, fd.as_raw_fd().to_string()).stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().unwrap()
    });
    Program(child)
}

#[test]
fn lease_of_a_killed_process_runs_out_and_the_other_node_takes_over() {
    test(async {
        let switch = Switch::new();
        let (a, mut b) = (switch.node(1), switch.node(2));
        let mut child = start_child(&a);
        until("the child forwards", || a.map.forwards(VRID)).await;
        b.start(&config(100));
        b.backup().await;
        child.0.kill().unwrap();
        until("the lease has run out", || !a.map.forwards(VRID)).await;
        assert!(a.has("up0", VIP), "who has removed the address?");
        b.active().await;
        assert!(!a.map.forwards(VRID) && b.map.forwards(VRID));
    });
}

#[test]
fn process_killed_and_started_within_its_lease_keeps_its_role() {
    test(async {
        let switch = Switch::new();
        let (mut a, mut b) = (switch.node(1), switch.node(2));
        let mut child = start_child(&a);
        until("the child forwards", || a.map.forwards(VRID)).await;
        b.start(&config(100));
        b.backup().await;
        child.0.kill().unwrap();
        child.0.wait().unwrap();
        a.start(&config(150));
        a.active().await;
        let sent = a.status().counters.advert_sent;
        a.until("advertising on", |status| status.counters.advert_sent > sent + 10).await;
        // A machine so busy that 300 ms went by in between has seen another, also sound, course.
        if b.status().counters.become_master == 0 {
            assert_eq!(a.status().counters.become_master, 1);
        }
    });
}

#[test]
fn process_that_is_stopped_has_lost_its_role_when_it_goes_on() {
    test(async {
        let switch = Switch::new();
        let (a, mut b) = (switch.node(1), switch.node(2));
        let child = start_child(&a);
        until("the child forwards", || a.map.forwards(VRID)).await;
        b.start(&config(200));
        b.active().await;
        child.signal(Signal::SIGSTOP);
        b.handle().handover(None);
        until("nobody or b forwards", || !a.map.forwards(VRID)).await;
        b.until("active again", |status| status.status.role == Role::Active).await;
        child.signal(Signal::SIGCONT);
        until("a is there", || !b.status().others.is_empty()).await;
        assert!(!(a.map.forwards(VRID) && b.map.forwards(VRID)));
    });
}
