//! Two nodes of ours.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use gateway_base::clock;
use gateway_config::{Interface, Mode, Track, VrrpConfig};
use gateway_ha::VirtualRouterStatus;
use gateway_vrrp::{Leave, Role, Time, Vrid};

use crate::{
    lab::{Node, Switch, VIP, VIP6, VRID, config, instance, instance_v6, test, until},
    map::LeaseMap,
    netns::PATIENCE,
};

/// Watches two maps: no moment when both forward, and how long none did.
struct Watch {
    done: Arc<AtomicBool>,
    both: Arc<AtomicU64>,
    thread: Option<thread::JoinHandle<Duration>>,
}

impl Watch {
    fn start(a: &Node, b: &Node) -> Self {
        let (done, both) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let maps = [LeaseMap::of(&a.map), LeaseMap::of(&b.map)];
        let (stop, count) = (Arc::clone(&done), Arc::clone(&both));
        let thread = thread::spawn(move || {
            let (mut longest, mut since) = (Duration::ZERO, None);
            while !stop.load(Ordering::Relaxed) {
                let [first, second] = [maps[0].read(VRID), maps[1].read(VRID)];
                // The first again, and the clock last: what runs before and after the second was read ran then, too.
                let first = first.min(maps[0].read(VRID));
                let now = Time::from_nanos(clock::coarse_ns().unwrap());
                if now < first && now < second {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                let moment = clock::monotonic();
                // Only from a look that saw neither forward: between two looks this thread may not have run.
                if now >= first && now >= second {
                    since.get_or_insert(moment);
                } else if let Some(since) = since.take() {
                    longest = longest.max(moment - since);
                }
                pause();
            }
            longest
        });
        Self { done, both, thread: Some(thread) }
    }

    /// Gives the longest time in which neither forwarded, once one does at the end.
    fn finish(mut self) -> Duration {
        self.done.store(true, Ordering::Relaxed);
        let longest = self.thread.take().unwrap().join().unwrap();
        assert_eq!(self.both.load(Ordering::Relaxed), 0, "both nodes forwarded at the same time");
        longest
    }
}

#[expect(clippy::disallowed_methods, reason = "samples, from a thread of its own")]
fn pause() {
    thread::sleep(Duration::from_micros(500));
}

/// Two nodes, the first of which is active.
async fn pair(switch: &Switch, first: &VrrpConfig, second: &VrrpConfig) -> (Node, Node) {
    let (mut a, mut b) = (switch.node(1), switch.node(2));
    a.start(first);
    a.active().await;
    b.start(second);
    b.backup().await;
    (a, b)
}

#[test]
fn first_node_becomes_active_and_the_second_its_backup() {
    test(async {
        let switch = Switch::new();
        let (a, b) = pair(&switch, &config(150), &config(100)).await;
        assert!(a.has("up0", VIP) && a.map.forwards(VRID));
        assert!(!b.has("up0", VIP) && !b.map.forwards(VRID));
        assert_eq!(b.status().status.active, Some(a.address()));
    });
}

#[test]
fn backup_takes_over_when_the_active_node_is_silent_and_they_never_both_forward() {
    test(async {
        let switch = Switch::new();
        let (a, b) = pair(&switch, &config(150), &config(100)).await;
        let watch = Watch::start(&a, &b);
        switch.cable(&a, false);
        b.active().await;
        until("the lease of the new active node", || b.map.forwards(VRID)).await;
        let gap = watch.finish();
        eprintln!("cable cut: {gap:?} without a forwarder");
        assert!(gap < Duration::from_secs(3), "{gap:?}");
    });
}

#[test]
fn handover_takes_skew_time_and_not_three_intervals() {
    test(async {
        let switch = Switch::new();
        // Started together: a node takes over after three seconds at the earliest, goodbye or not.
        let (mut a, mut b) = (switch.node(1), switch.node(2));
        b.start(&config(100));
        a.start(&config(150));
        a.active().await;
        b.backup().await;
        let watch = Watch::start(&a, &b);
        a.handle().handover(None);
        b.active().await;
        until("the lease of the new active node", || b.map.forwards(VRID)).await;
        let gap = watch.finish();
        eprintln!("handover: {gap:?} without a forwarder");
        a.backup().await;
        assert_eq!(a.status().counters.priority_zero_sent, 1);
        assert_eq!(b.status().counters.priority_zero_rcvd, 1);
        a.until_has("up0", VIP, false).await;
    });
}

#[test]
fn clean_stop_leaves_no_address_and_hands_over() {
    test(async {
        let switch = Switch::new();
        let (mut a, b) = pair(&switch, &config(150), &config(100)).await;
        a.stop(Leave::Handover).await;
        assert!(!a.has("up0", VIP), "the address stayed");
        assert!(!a.map.forwards(VRID), "the lease stayed");
        b.active().await;
        assert_eq!(b.status().counters.priority_zero_rcvd, 1);
    });
}

#[test]
fn node_of_higher_priority_preempts_without_both_forwarding() {
    test(async {
        let switch = Switch::new();
        let (mut a, mut b) = (switch.node(1), switch.node(2));
        a.start(&config(100));
        a.active().await;
        let watch = Watch::start(&a, &b);
        b.start(&config(150));
        b.active().await;
        a.backup().await;
        until("the lease of the new active node", || b.map.forwards(VRID)).await;
        eprintln!("preemption: {:?} without a forwarder", watch.finish());
    });
}

#[test]
fn node_of_higher_priority_that_does_not_preempt_stays_backup() {
    test(async {
        let switch = Switch::new();
        let (mut a, mut b) = (switch.node(1), switch.node(2));
        a.start(&config(100));
        a.active().await;
        b.start(&VrrpConfig { preempt: false, ..config(150) });
        b.backup().await;
        // Longer than it waits for an active node.
        let sent = a.status().counters.advert_sent;
        a.until("advertising on", |status| status.counters.advert_sent > sent + 10).await;
        assert_eq!(b.status().status.role, Role::Backup);
        assert_eq!(a.status().status.role, Role::Active);
    });
}

#[test]
fn lost_port_hands_over_at_once() {
    test(async {
        let switch = Switch::new();
        let (a, b) = pair(&switch, &config(150), &config(100)).await;
        let watch = Watch::start(&a, &b);
        a.netns.run("ip link set acc1 down");
        b.active().await;
        until("the lease of the new active node", || b.map.forwards(VRID)).await;
        eprintln!("port down: {:?} without a forwarder", watch.finish());
        let status = a.until("at fault", |status| status.status.role == Role::Fault).await;
        assert!(status.problems.iter().any(|problem| problem.starts_with("port acc0 is down")), "{status:?}");
        assert_eq!(b.status().counters.priority_zero_rcvd, 1, "it was not notified");
        a.netns.run("ip link set acc1 up");
        a.active().await;
        assert!(a.status().problems.is_empty(), "{:?}", a.status().problems);
    });
}

#[test]
fn weight_of_a_lost_port_decides_who_is_active() {
    test(async {
        let switch = Switch::new();
        let (a, b) = pair(&switch, &config(110), &config(100)).await;
        let port = Interface { name: "acc0".to_owned(), mode: Mode::Auto, track: Track::Weight(-20) };
        a.handle().reconfigure(vec![instance(&config(110))], vec![], vec![port]);
        a.netns.run("ip link set acc1 down");
        b.active().await;
        assert_eq!(a.backup().await.status.priority.get(), 90);
    });
}

#[test]
fn missing_interface_is_a_fault_until_it_is_there() {
    test(async {
        let switch = Switch::new();
        let mut a = switch.node(1);
        a.netns.run("ip link set up0 name away");
        a.start(&config(100));
        a.until("at fault", |status| status.status.role == Role::Fault).await;
        a.netns.run("ip link set away name up0");
        a.active().await;
    });
}

#[test]
fn nodes_that_do_not_hear_each_other_are_one_again_when_they_do() {
    test(async {
        let switch = Switch::new();
        let (a, b) = pair(&switch, &config(150), &config(100)).await;
        switch.isolate(&b, true);
        b.active().await;
        a.active().await;
        switch.isolate(&b, false);
        b.backup().await;
        assert!(!b.map.forwards(VRID));
        a.active().await;
    });
}

#[test]
fn restart_within_the_lease_keeps_role_address_and_forwarding() {
    test(async {
        let switch = Switch::new();
        let (mut a, b) = pair(&switch, &config(150), &config(100)).await;
        let watch = Watch::start(&a, &b);
        a.stop(Leave::Keep).await;
        assert!(a.has("up0", VIP) && a.map.forwards(VRID), "the role was not kept");
        a.start(&config(150));
        a.active().await;
        let sent = a.status().counters.advert_sent;
        a.until("advertising on", |status| status.counters.advert_sent > sent + 10).await;
        assert!(a.map.forwards(VRID));
        assert_eq!(watch.finish(), Duration::ZERO, "it did not forward all the time");
        assert_eq!(b.status().counters.become_master, 0);
    });
}

#[test]
fn address_left_by_a_crash_is_taken_off() {
    test(async {
        let switch = Switch::new();
        let mut a = switch.node(1);
        a.netns.run(&format!("ip addr add {VIP}/32 dev up0"));
        a.start(&VrrpConfig { startup_delay: Duration::from_secs(60), ..config(100) });
        a.until_has("up0", VIP, false).await;
    });
}

#[test]
fn address_that_another_program_takes_off_is_put_on_again() {
    test(async {
        let switch = Switch::new();
        let mut a = switch.node(1);
        a.start(&config(100));
        a.active().await;
        a.netns.run(&format!("ip addr del {VIP}/32 dev up0"));
        a.until_has("up0", VIP, true).await;
    });
}

#[test]
fn addresses_of_an_owner_are_left_alone() {
    test(async {
        let switch = Switch::new();
        let mut a = switch.node(1);
        a.netns.run(&format!("ip addr add {VIP}/32 dev up0"));
        a.start(&config(255));
        a.active().await;
        a.stop(Leave::Handover).await;
        assert!(a.has("up0", VIP));
    });
}

#[test]
fn both_families_move_together() {
    test(async {
        let switch = Switch::new();
        let (mut a, mut b) = (switch.node(1), switch.node(2));
        let both = |priority| {
            let mut instance = instance(&config(priority));
            instance.vteps.v6 = Some(VIP6.parse().unwrap());
            instance
        };
        a.start_with(both(150));
        a.active().await;
        b.start_with(both(100));
        b.backup().await;
        assert!(a.has("up0", VIP) && a.has("up0", VIP6));
        a.stop(Leave::Handover).await;
        b.active().await;
        assert!(b.has("up0", VIP) && b.has("up0", VIP6));
        assert!(!a.has("up0", VIP) && !a.has("up0", VIP6));
    });
}

#[test]
fn ipv6_alone_is_spoken_over_ipv6() {
    test(async {
        let switch = Switch::new();
        let (mut a, mut b) = (switch.node(1), switch.node(2));
        a.start_with(instance_v6(&config(150)));
        a.active().await;
        b.start_with(instance_v6(&config(100)));
        let status = b.backup().await;
        assert!(status.status.active.is_some_and(|active| active.is_ipv6()));
        assert!(a.has("up0", VIP6));
        a.stop(Leave::Handover).await;
        b.active().await;
        assert!(b.has("up0", VIP6));
    });
}

#[test]
fn unicast_peers_fail_over_and_a_dead_peer_holds_nobody_up() {
    test(async {
        let switch = Switch::new();
        let (mut a, mut b) = (switch.node(1), switch.node(2));
        let dead = [10, 9, 0, 77].into();
        a.start(&VrrpConfig { peers: vec![b.address(), dead], ..config(150) });
        a.active().await;
        b.start(&VrrpConfig { peers: vec![a.address(), dead], ..config(100) });
        b.backup().await;
        let sent = a.status().counters.advert_sent;
        a.until("advertising on", |status| status.counters.advert_sent > sent + 20).await;
        assert!(a.map.forwards(VRID));
        a.stop(Leave::Handover).await;
        b.active().await;
    });
}

#[test]
fn same_vrid_for_other_addresses_is_ignored_and_reported() {
    test(async {
        let switch = Switch::new();
        let (mut a, mut b) = (switch.node(1), switch.node(2));
        a.start(&config(100));
        a.active().await;
        let mut foreign = instance(&config(150));
        foreign.vteps.v4 = Some([10, 9, 0, 200].into());
        b.start_with(foreign);
        let clash = |problem: &String| problem.contains("uses the same VRID for 10.9.0.200");
        let status = a.until("reported", |status| status.problems.iter().any(clash)).await;
        assert_eq!(status.status.role, Role::Active);
    });
}

#[test]
fn data_plane_that_is_detached_hands_over() {
    test(async {
        let switch = Switch::new();
        let (a, b) = pair(&switch, &config(150), &config(100)).await;
        a.handle().data_plane(None);
        b.active().await;
        assert_eq!(a.status().status.role, Role::Fault);
        a.handle().data_plane(Some(a.map.share()));
        a.active().await;
    });
}

#[test]
fn new_map_has_the_lease_before_programs_are_attached_under_it() {
    test(async {
        let switch = Switch::new();
        let mut a = switch.node(1);
        a.start(&config(100));
        a.active().await;
        let new = LeaseMap::new();
        a.handle().data_plane(Some(new.share()));
        a.handle().settled().await;
        assert!(new.forwards(VRID), "{:?}", new.read(VRID));
        assert!(a.map.forwards(VRID), "programs under the old map stopped forwarding");
    });
}

#[test]
fn virtual_router_taken_out_of_the_configuration_hands_over() {
    test(async {
        let switch = Switch::new();
        let (a, b) = pair(&switch, &config(150), &config(100)).await;
        a.handle().reconfigure(vec![], vec![], vec![]);
        b.active().await;
        assert_eq!(b.status().counters.priority_zero_rcvd, 1);
        a.until_has("up0", VIP, false).await;
        assert!(!a.map.forwards(VRID));
    });
}

#[test]
fn other_address_takes_the_place_of_the_old_one() {
    test(async {
        let switch = Switch::new();
        let mut a = switch.node(1);
        a.start(&config(100));
        a.active().await;
        let mut other = instance(&config(100));
        other.vteps.v4 = Some([10, 9, 0, 101].into());
        a.handle().reconfigure(vec![other], vec![], vec![]);
        a.until_has("up0", VIP, false).await;
        a.active().await;
        a.until_has("up0", "10.9.0.101", true).await;
        assert!(!a.has("up0", VIP));
    });
}

#[test]
fn priority_changed_while_running_decides_who_is_active() {
    test(async {
        let switch = Switch::new();
        let (a, b) = pair(&switch, &config(150), &config(100)).await;
        let watch = Watch::start(&a, &b);
        b.handle().reconfigure(vec![instance(&config(200))], vec![], vec![]);
        b.active().await;
        a.backup().await;
        until("the lease of the new active node", || b.map.forwards(VRID)).await;
        watch.finish();
    });
}

#[test]
fn two_virtual_routers_share_the_load() {
    test(async {
        let switch = Switch::new();
        let (mut a, mut b) = (switch.node(1), switch.node(2));
        let both = |first: u8, second: u8| {
            let mut other = instance(&VrrpConfig { vrid: Vrid::new(52).unwrap(), ..config(second) });
            other.vteps.v4 = Some([10, 9, 0, 101].into());
            vec![instance(&config(first)), other]
        };
        a.start(&config(150));
        b.start(&config(100));
        a.handle().reconfigure(both(150, 100), vec![], vec![]);
        b.handle().reconfigure(both(100, 150), vec![], vec![]);
        let role = |wanted: [Role; 2]| {
            move |statuses: &Arc<Vec<_>>| statuses.iter().map(|s: &VirtualRouterStatus| s.status.role).eq(wanted)
        };
        for (node, wanted) in [(&a, [Role::Active, Role::Backup]), (&b, [Role::Backup, Role::Active])] {
            let mut statuses = node.handle().statuses();
            tokio::time::timeout(PATIENCE, statuses.wait_for(role(wanted)))
                .await
                .expect("the load is not shared")
                .unwrap();
        }
    });
}
