//! Tests of the transition table, the timers of the RFC, and each rule of the lease.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::{CLAIM, Holdup};

const START: Time = Duration::from_secs(1000);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn address(host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, host))
}

/// Node 5, priority 100, every second.
fn settings() -> Settings {
    Settings {
        priority: Priority::DEFAULT,
        interval: Interval::DEFAULT,
        version: Version::V3,
        own: address(5),
        preempt: true,
        preempt_delay: Duration::ZERO,
        startup_delay: Duration::ZERO,
        lag: ms(4),
        retry: ms(20_000),
    }
}

fn from(host: u8, priority: u8) -> PeerAdvert {
    PeerAdvert { from: address(host), priority, interval: Interval::DEFAULT }
}

fn actions(machine: &mut Machine) -> Vec<Action> {
    std::iter::from_fn(|| machine.next()).collect()
}

/// Performs the actions; all advertisements are transmitted at once.
fn perform(machine: &mut Machine, now: Time) -> Vec<Action> {
    let mut done = Vec::new();
    while let Some(action) = machine.next() {
        done.push(action);
        if let Action::Advertise { token, .. } = action {
            machine.tx_completed(token, now, now);
        }
    }
    done
}

fn turn(machine: &mut Machine, now: Time) -> Vec<Action> {
    machine.tick(now);
    perform(machine, now)
}

fn backup(settings: Settings) -> Machine {
    let mut machine = Machine::new(settings, START, None);
    actions(&mut machine);
    machine.tick(START);
    machine
}

/// Returns a machine that has claimed, and the time.
fn claiming(settings: Settings) -> (Machine, Time) {
    let mut machine = backup(settings);
    let now = machine.deadline().unwrap();
    turn(&mut machine, now);
    assert_eq!(machine.status().role, Role::Claiming);
    (machine, now)
}

/// Returns a machine that has just become active, and the time.
fn active(settings: Settings) -> (Machine, Time) {
    let (mut machine, now) = claiming(settings);
    turn(&mut machine, now + CLAIM);
    assert_eq!(machine.status().role, Role::Active);
    (machine, now + CLAIM)
}

fn priorities(actions: &[Action]) -> Vec<u8> {
    actions
        .iter()
        .filter_map(|action| if let Action::Advertise { priority, .. } = action { Some(*priority) } else { None })
        .collect()
}

fn leases(actions: &[Action]) -> Vec<Time> {
    actions.iter().filter_map(|action| if let Action::Lease(end) = action { Some(*end) } else { None }).collect()
}

/// The end of a lease of three seconds.
fn three_seconds(since: Time) -> Time {
    since + ms(3000) - ms(6) - ms(4)
}

// === a node alone ===

#[test]
fn a_start_takes_away_what_a_crash_has_left() {
    let mut machine = Machine::new(settings(), START, None);
    assert_eq!(actions(&mut machine), [Action::Lease(Time::ZERO), Action::RemoveAddresses]);
    assert_eq!(machine.status().role, Role::Backup);
}

#[test]
fn silence_for_three_intervals_and_the_skew_makes_a_backup_claim() {
    let mut machine = backup(settings());
    assert_eq!(machine.deadline(), Some(START + Interval::DEFAULT.down(Priority::DEFAULT)));
    assert!(turn(&mut machine, START + ms(3609)).is_empty());
    let done = turn(&mut machine, START + ms(3610));
    assert_eq!(priorities(&done), [100]);
    assert_eq!(done[1], Action::AddAddresses);
    assert_eq!(machine.status().role, Role::Claiming);
}

#[test]
fn a_claim_is_a_lease_after_the_advertisement_has_left_and_all_was_read() {
    let (mut machine, now) = claiming(settings());
    assert!(turn(&mut machine, now + CLAIM - ms(1)).is_empty());
    assert_eq!(machine.deadline(), Some(now + CLAIM));
    assert_eq!(turn(&mut machine, now + CLAIM), [Action::Lease(three_seconds(now)), Action::Announce]);
    assert_eq!(machine.status().role, Role::Active);
}

#[test]
fn without_a_tx_timestamp_there_is_no_lease() {
    let mut machine = backup(settings());
    let mut now = machine.deadline().unwrap();
    for _ in 0..100 {
        machine.tick(now);
        assert!(leases(&actions(&mut machine)).is_empty());
        now = machine.deadline().unwrap();
    }
    assert_eq!(machine.status().role, Role::Claiming);
}

#[test]
fn a_claim_counts_from_the_tx_timestamp_and_not_from_the_sending() {
    let mut machine = backup(settings());
    let now = machine.deadline().unwrap();
    machine.tick(now);
    let Some(Action::Advertise { token, .. }) = machine.next() else { panic!() };
    machine.tx_completed(token, now, now + ms(100));
    assert!(leases(&turn(&mut machine, now + ms(104))).is_empty());
    assert_eq!(leases(&turn(&mut machine, now + ms(105))), [three_seconds(now)]);
}

#[test]
fn each_advertisement_renews_the_lease_at_once() {
    let (mut machine, now) = active(settings());
    let next = machine.deadline().unwrap();
    assert_eq!(next, now - CLAIM + ms(1000));
    assert_eq!(leases(&turn(&mut machine, next)), [three_seconds(next)]);
}

#[test]
fn a_lease_counts_from_the_tick_not_from_a_send_that_stalled() {
    let (mut machine, _) = active(settings());
    let next = machine.deadline().unwrap();
    machine.tick(next);
    let Some(Action::Advertise { token, .. }) = machine.next() else { panic!() };
    machine.tx_completed(token, next + Duration::from_micros(900), next + Duration::from_micros(950));
    assert_eq!(leases(&actions(&mut machine)), [three_seconds(next)]);
}

#[test]
fn a_late_advertisement_renews_only_as_a_claim_does() {
    let (mut machine, now) = active(settings());
    let late = now + ms(1500);
    assert!(leases(&turn(&mut machine, late)).is_empty());
    assert_eq!(machine.status().role, Role::Active);
    assert_eq!(leases(&turn(&mut machine, late + CLAIM)), [three_seconds(late)]);
}

#[test]
fn a_lease_that_nearly_ended_is_given_up_and_claimed_again() {
    let (mut machine, now) = active(settings());
    let end = machine.status().lease.unwrap();
    assert_eq!(machine.status().role, Role::Active);
    let late = end - ms(5);
    let done = turn(&mut machine, late);
    assert_eq!(leases(&done), [Time::ZERO]);
    assert_eq!(priorities(&done), [100]);
    assert_eq!(machine.status().role, Role::Claiming);
    assert!(!done.contains(&Action::RemoveAddresses) && now < late);
}

#[test]
fn an_advertisement_that_left_after_the_guard_renews_nothing() {
    let (mut machine, now) = active(settings());
    let next = now + ms(990);
    machine.tick(next + ms(10));
    let Some(Action::Advertise { token, .. }) = machine.next() else { panic!() };
    let end = machine.status().lease.unwrap();
    machine.tx_completed(token, next, end - ms(4));
    assert!(actions(&mut machine).is_empty());
}

#[test]
fn an_advertisement_that_can_t_be_sent_is_tried_again_soon() {
    let (mut machine, _) = active(settings());
    let next = machine.deadline().unwrap();
    machine.tick(next);
    let Some(Action::Advertise { token, .. }) = machine.next() else { panic!() };
    machine.failed(token, next);
    assert_eq!(machine.deadline(), Some(next + ms(250)));
}

#[test]
fn the_owner_claims_at_once() {
    let machine = Machine::new(Settings { priority: Priority::OWNER, ..settings() }, START, None);
    assert_eq!(machine.status().role, Role::Claiming);
}

#[test]
fn the_startup_delay_comes_first() {
    let mut machine = backup(Settings { startup_delay: ms(500), ..settings() });
    assert_eq!((machine.status().role, machine.deadline()), (Role::Starting, Some(START + ms(500))));
    machine.tick(START + ms(500));
    assert_eq!(machine.status().role, Role::Backup);
}

#[test]
fn a_new_process_waits_for_three_seconds_however_short_its_interval() {
    let interval = Interval::from_centiseconds(10).unwrap();
    let machine = backup(Settings { interval, ..settings() });
    assert_eq!(machine.deadline(), Some(START + ms(3000)));
}

// === others ===

#[test]
fn a_node_that_may_still_forward_is_waited_for() {
    let (mut machine, now) = claiming(settings());
    machine.advert_received(from(4, 90), now);
    assert!(leases(&turn(&mut machine, now + CLAIM)).is_empty());
    let mut time = now;
    while machine.status().role == Role::Claiming {
        time = machine.deadline().unwrap();
        turn(&mut machine, time);
    }
    assert_eq!((machine.status().role, time), (Role::Active, now + ms(3000)));
}

#[test]
fn a_node_that_sends_priority_zero_is_not_waited_for() {
    let (mut machine, now) = claiming(settings());
    machine.advert_received(from(4, 90), now);
    machine.advert_received(from(4, 0), now + ms(1));
    assert_eq!(leases(&turn(&mut machine, now + CLAIM)), [three_seconds(now)]);
}

#[test]
fn the_lease_ends_before_priority_zero_is_sent() {
    for (what, role) in
        [("higher", Role::Backup), ("handover", Role::Backup), ("fault", Role::Fault), ("leave", Role::Backup)]
    {
        let (mut machine, now) = active(settings());
        match what {
            "higher" => machine.advert_received(from(4, 101), now),
            "handover" => machine.handover(now),
            "fault" => machine.track(Tracked { fault: true, delta: 0 }, now),
            _ => machine.leave(Leave::Handover, now),
        }
        let done = actions(&mut machine);
        assert!(
            matches!(
                done[..],
                [Action::Lease(Time::ZERO), Action::Advertise { priority: 0, .. }, Action::RemoveAddresses]
            ),
            "{what}: {done:?}"
        );
        assert_eq!(machine.status().role, role, "{what}");
        assert_eq!(machine.status().lease, None);
    }
}

#[test]
fn a_node_that_gives_up_a_claim_sends_priority_zero_too() {
    let (mut machine, now) = claiming(settings());
    machine.advert_received(from(6, 100), now);
    assert_eq!(priorities(&actions(&mut machine)), [0]);
}

#[test]
fn of_equal_priorities_the_higher_address_wins() {
    let (mut machine, now) = active(settings());
    machine.advert_received(from(4, 100), now);
    assert_eq!(machine.status().role, Role::Active);
    machine.advert_received(from(6, 100), now);
    assert_eq!((machine.status().role, machine.status().active), (Role::Backup, Some(address(6))));
    assert_eq!(machine.deadline(), Some(now + Interval::DEFAULT.down(Priority::DEFAULT)));
}

#[test]
fn lower_precedence_and_priority_zero_are_answered_but_not_too_often() {
    for advert in [from(4, 90), from(4, 0)] {
        let (mut machine, now) = active(settings());
        let now = now + ms(100);
        machine.advert_received(advert, now);
        assert_eq!(priorities(&turn(&mut machine, now)), [100]);
        machine.advert_received(advert, now + ms(1));
        assert!(priorities(&turn(&mut machine, now + ms(1))).is_empty());
        assert_eq!(machine.deadline(), Some(now + ms(10)));
        assert_eq!(priorities(&turn(&mut machine, now + ms(10))), [100]);
    }
}

#[test]
fn a_backup_adopts_the_active_node_s_interval() {
    let mut machine = backup(settings());
    let interval = Interval::from_centiseconds(500).unwrap();
    machine.advert_received(PeerAdvert { interval, ..from(4, 110) }, START + ms(10));
    assert_eq!(machine.status().interval, interval);
    assert_eq!(machine.deadline(), Some(START + ms(10) + interval.down(Priority::DEFAULT)));
}

#[test]
fn priority_zero_leaves_a_backup_the_skew() {
    let mut machine = backup(settings());
    // Past the wait of a new process.
    let now = START + ms(3000);
    machine.advert_received(from(4, 110), now);
    machine.tick(now);
    machine.advert_received(from(4, 0), now + ms(100));
    machine.tick(now + ms(100));
    assert_eq!(machine.deadline(), Some(now + ms(100) + Interval::DEFAULT.skew(Priority::DEFAULT)));
}

#[test]
fn priority_zero_of_one_that_lost_is_nothing_while_another_advertises() {
    let mut machine = backup(settings());
    machine.advert_received(from(3, 110), START);
    machine.advert_received(from(4, 120), START);
    machine.advert_received(from(3, 0), START + ms(1));
    assert_eq!(machine.deadline(), Some(START + Interval::DEFAULT.down(Priority::DEFAULT)));
}

#[test]
fn a_lower_priority_does_not_put_off_a_preemption() {
    let mut machine = backup(settings());
    let due = machine.deadline();
    machine.advert_received(from(4, 90), START + ms(3000));
    assert_eq!(machine.deadline(), due);
}

#[test]
fn a_lower_priority_does_where_there_is_no_preemption() {
    let mut machine = backup(Settings { preempt: false, ..settings() });
    machine.advert_received(from(4, 90), START + ms(3000));
    assert_eq!(machine.deadline(), Some(START + ms(3000) + Interval::DEFAULT.down(Priority::DEFAULT)));
}

#[test]
fn the_preempt_delay_counts_from_the_first_lower_priority() {
    let mut machine = backup(Settings { preempt_delay: ms(10_000), ..settings() });
    for second in 1..=9 {
        machine.advert_received(from(4, 90), START + ms(1000 * second));
        machine.tick(START + ms(1000 * second));
    }
    assert_eq!(machine.deadline(), Some(START + ms(11_000)));
}

#[test]
fn after_a_handover_the_role_is_not_taken_back() {
    let (mut machine, mut now) = active(settings());
    machine.handover(now);
    for _ in 0..20 {
        now += ms(1000);
        machine.advert_received(from(4, 90), now);
        turn(&mut machine, now);
    }
    assert_eq!(machine.status().role, Role::Backup);
    turn(&mut machine, now + ms(3610));
    assert_eq!(machine.status().role, Role::Claiming);
}

#[test]
fn nothing_is_advertised_just_after_priority_zero() {
    let (mut machine, now) = active(Settings { priority: Priority::OWNER, ..settings() });
    machine.track(Tracked { fault: true, delta: 0 }, now);
    machine.track(Tracked::default(), now);
    assert_eq!(priorities(&actions(&mut machine)), [0]);
    let now = now + ms(50);
    assert!(turn(&mut machine, now).is_empty());
    assert_eq!(machine.deadline(), Some(now + SILENCE));
    assert_eq!(priorities(&turn(&mut machine, now + SILENCE)), [255]);
}

#[test]
fn a_lapsed_lease_is_left_to_the_node_that_has_taken_over_where_there_is_no_preemption() {
    let (mut machine, now) = active(Settings { preempt: false, ..settings() });
    let now = now + ms(5000);
    machine.advert_received(from(4, 90), now);
    turn(&mut machine, now);
    assert_eq!((machine.status().role, machine.status().active), (Role::Backup, Some(address(4))));
}

#[test]
fn what_the_socket_dropped_holds_a_claim() {
    let (mut machine, now) = claiming(settings());
    machine.overran(now);
    assert!(leases(&turn(&mut machine, now + CLAIM)).is_empty());
}

#[test]
fn a_machine_that_was_suspended_forwards_only_after_listening() {
    let (mut machine, now) = active(settings());
    // The clock stood still: for the node itself no time has passed, and its lease still runs.
    assert!(machine.status().lease.is_some_and(|end| end > now));
    machine.slept(now);
    let done = turn(&mut machine, now);
    assert_eq!(done.first(), Some(&Action::Lease(Time::ZERO)));
    assert_eq!(priorities(&done), [0]);
    assert_eq!((machine.status().role, machine.status().lease), (Role::Backup, None));
    // It claims no sooner than a node that starts, and then does not forward while another node might.
    assert!(machine.deadline().unwrap() >= now + Interval::DEFAULT.down(Priority::DEFAULT));
}

#[test]
fn a_suspended_backup_listens_before_it_claims() {
    let mut machine = backup(settings());
    let now = machine.deadline().unwrap() - ms(1);
    machine.slept(now);
    assert!(turn(&mut machine, now + ms(1)).is_empty());
    assert_eq!(machine.status().role, Role::Backup);
    machine.advert_received(from(4, 200), now + ms(500));
    assert_eq!(machine.status().active, Some(address(4)));
}

#[test]
fn an_own_advertisement_that_comes_back_is_nothing() {
    let (mut machine, now) = active(settings());
    machine.advert_received(from(5, 200), now);
    assert_eq!(machine.status().role, Role::Active);
}

// === one packet, and nodes that do not receive ===

/// Receives one advertisement of a node with a lower priority and the longest interval.
fn forged(host: u8) -> PeerAdvert {
    PeerAdvert { interval: Interval::from_centiseconds(4095).unwrap(), ..from(host, 1) }
}

/// Takes a turn at each deadline, `late` after it, until `end`. Returns the roles in between.
fn run(machine: &mut Machine, from: Time, end: Time, late: Duration) -> Vec<Role> {
    let mut roles = vec![machine.status().role];
    let mut now = from;
    while let Some(deadline) = machine.deadline() {
        now = deadline.max(now) + late;
        if now > end {
            break;
        }
        turn(machine, now);
        roles.push(machine.status().role);
    }
    roles.dedup();
    roles
}

#[test]
fn one_packet_of_the_lowest_priority_takes_the_role_from_nobody() {
    let interval = Interval::from_centiseconds(10).unwrap();
    for late in [0, 1500] {
        let (mut machine, now) = active(Settings { interval, ..settings() });
        machine.advert_received(forged(77), now + ms(20));
        let roles = run(&mut machine, now, now + ms(130_000), Duration::from_micros(late));
        assert_eq!(roles, [Role::Active], "each turn late by {late} microseconds");
    }
}

#[test]
fn packets_of_forged_sources_take_the_role_from_nobody() {
    let (mut machine, now) = active(settings());
    for host in 100..=255 {
        machine.advert_received(forged(host), now + ms(20));
    }
    assert_eq!(run(&mut machine, now, now + ms(130_000), Duration::from_micros(1500)), [Role::Active]);
}

#[test]
fn one_packet_holds_a_claim_for_three_seconds_at_most_and_is_named() {
    let interval = Interval::from_centiseconds(10).unwrap();
    let (mut machine, now) = claiming(Settings { interval, ..settings() });
    machine.advert_received(forged(77), now + ms(1));
    run(&mut machine, now, now + ms(2500), Duration::ZERO);
    let status = machine.status();
    assert_eq!((status.role, status.holdup), (Role::Claiming, Some(Holdup::Node { from: address(77), priority: 1 })));
    run(&mut machine, now + ms(2500), now + ms(3001), Duration::ZERO);
    assert_eq!((machine.status().role, machine.status().holdup), (Role::Active, None));
}

#[test]
fn a_claim_reports_that_it_waits_for_its_own_advertisement_to_leave() {
    let mut machine = backup(settings());
    machine.tick(START + ms(3610));
    actions(&mut machine);
    assert_eq!(machine.status().holdup, Some(Holdup::Unsent));
}

/// Returns the time from the first advertisement of a node until this node has left the role to it. That node
/// advertises each second, half an interval after this one, and receives nothing. This node turns in time or `late`.
fn until_yielded(settings: Settings, late: Duration) -> Option<Duration> {
    let (mut machine, now) = active(settings);
    let first = now + ms(500);
    for second in 0..20 {
        let at = first + ms(1000 * second);
        run(&mut machine, at - ms(500), at - ms(10), late);
        machine.advert_received(from(4, 90), at);
        turn(&mut machine, at);
        if machine.status().role == Role::Backup {
            assert_eq!((machine.status().active, machine.status().deaf_peer), (Some(address(4)), Some(address(4))));
            return Some(at - first);
        }
    }
    None
}

#[test]
fn a_node_of_lower_priority_that_goes_on_advertising_is_left_the_role_after_three_intervals() {
    for preempt in [true, false] {
        for late in [0, 900, 1100, 1500] {
            let left = until_yielded(Settings { preempt, ..settings() }, Duration::from_micros(late));
            assert_eq!(left, Some(ms(4000)), "preempt {preempt}, late by {late} microseconds");
        }
    }
}

/// Returns a machine that has left the role to node 4, which does not receive its advertisements, and the time.
fn deaf_peer(settings: Settings) -> (Machine, Time) {
    let (mut machine, mut now) = active(settings);
    while machine.status().deaf_peer.is_none() {
        now += ms(500);
        machine.advert_received(from(4, 90), now);
        turn(&mut machine, now);
    }
    (machine, now)
}

#[test]
fn the_role_is_taken_back_once_the_other_one_answers() {
    let (mut machine, mut now) = deaf_peer(settings());
    let since = now;
    while machine.status().role == Role::Backup {
        now += ms(500);
        machine.advert_received(from(4, 90), now);
        turn(&mut machine, now);
        assert_eq!(machine.status().deaf_peer, Some(address(4)));
    }
    assert_eq!((machine.status().role, now - since), (Role::Claiming, settings().retry));
    machine.advert_received(from(4, 0), now + ms(2));
    turn(&mut machine, now + CLAIM);
    assert_eq!((machine.status().role, machine.status().deaf_peer), (Role::Active, None));
}

#[test]
fn without_preemption_the_role_stays_with_the_deaf_node() {
    let (mut machine, mut now) = deaf_peer(Settings { preempt: false, ..settings() });
    for _ in 0..200 {
        now += ms(500);
        machine.advert_received(from(4, 90), now);
        turn(&mut machine, now);
        assert_eq!((machine.status().role, machine.status().deaf_peer), (Role::Backup, Some(address(4))));
    }
    machine.advert_received(from(4, 0), now + ms(1));
    assert_eq!(machine.status().deaf_peer, None);
    run(&mut machine, now + ms(1), now + ms(1000), Duration::ZERO);
    assert_eq!(machine.status().role, Role::Active);
}

#[test]
fn a_node_that_has_taken_over_meanwhile_is_not_taken_for_deaf() {
    let (mut machine, now) = active(settings());
    for tenth in 35..100 {
        machine.advert_received(from(4, 90), now + ms(100 * tenth));
    }
    turn(&mut machine, now + ms(10_000));
    assert_eq!((machine.status().role, machine.status().deaf_peer), (Role::Claiming, None));
}

#[test]
fn what_was_to_be_done_is_void_once_the_role_is_lost() {
    let (mut machine, now) = claiming(settings());
    machine.tick(now + CLAIM);
    assert_eq!(machine.status().role, Role::Active);
    machine.advert_received(from(4, 110), now + CLAIM);
    let done = actions(&mut machine);
    assert!(
        matches!(done[..], [Action::Lease(Time::ZERO), Action::Advertise { priority: 0, .. }, Action::RemoveAddresses]),
        "{done:?}"
    );
}

#[test]
fn a_lapsed_lease_is_claimed_again_where_there_is_preemption() {
    let (mut machine, now) = active(settings());
    let now = now + ms(5000);
    machine.advert_received(from(4, 90), now);
    turn(&mut machine, now);
    assert_eq!(machine.status().role, Role::Claiming);
}

#[test]
fn a_goodbye_does_not_shorten_the_wait_of_a_new_process() {
    let interval = Interval::from_centiseconds(10).unwrap();
    let mut machine = backup(Settings { interval, ..settings() });
    let now = START + ms(500);
    machine.advert_received(PeerAdvert { interval, ..from(4, 110) }, now);
    machine.advert_received(PeerAdvert { interval, ..from(4, 0) }, now + ms(1));
    turn(&mut machine, now + ms(1));
    assert_eq!(machine.deadline(), Some(START + ms(3000)), "a third node may hang, and forward still");
}

// === tracking, configuration, coming and going ===

#[test]
fn a_change_of_priority_is_advertised_at_once() {
    let (mut machine, now) = active(settings());
    let now = now + ms(100);
    machine.track(Tracked { fault: false, delta: -20 }, now);
    assert_eq!(machine.deadline(), Some(now));
    assert_eq!(priorities(&turn(&mut machine, now)), [80]);
    machine.reconfigure(Settings { priority: Priority::new(50).unwrap(), ..settings() }, now + ms(50));
    assert_eq!(priorities(&turn(&mut machine, now + ms(50))), [30]);
}

#[test]
fn the_end_of_a_fault_makes_a_backup() {
    let mut machine = backup(settings());
    machine.track(Tracked { fault: true, delta: 0 }, START);
    assert_eq!((machine.status().role, machine.deadline()), (Role::Fault, None));
    machine.track(Tracked::default(), START + ms(5000));
    assert_eq!(machine.status().role, Role::Backup);
    assert_eq!(machine.deadline(), Some(START + ms(5000) + Interval::DEFAULT.down(Priority::DEFAULT)));
}

#[test]
fn a_node_that_leaves_to_return_has_a_lease_of_three_seconds() {
    let interval = Interval::from_centiseconds(10).unwrap();
    let (mut machine, now) = active(Settings { interval, ..settings() });
    let now = now + ms(50);
    machine.tick(now);
    machine.leave(Leave::Keep, now);
    assert!(!machine.finished());
    let done = perform(&mut machine, now);
    assert!(matches!(done[0], Action::Advertise { priority: 100, interval: Interval::DEFAULT, .. }));
    assert_eq!(done[1..], [Action::Lease(three_seconds(now))]);
    assert!(machine.finished());
}

#[test]
fn a_lease_found_running_is_gone_on_with() {
    let end = START + ms(2000);
    let mut machine = Machine::new(settings(), START, Some(end));
    assert_eq!((machine.status().role, machine.status().lease), (Role::Active, Some(end)));
    let done = turn(&mut machine, START);
    assert!(leases(&done).is_empty());
    assert_eq!(priorities(&done), [100]);
    assert_eq!(leases(&turn(&mut machine, START + CLAIM)), [three_seconds(START)]);
}

#[test]
fn a_lease_that_no_advertisement_could_have_given_is_not_gone_on_with() {
    let machine = Machine::new(settings(), START, Some(START + Duration::from_secs(3600)));
    assert_eq!(machine.status().role, Role::Backup);
}

// === whatever happens ===

#[derive(Clone, Debug)]
enum Input {
    Advert(u8, u8, u16),
    Track(bool, i32),
    Handover,
    Overran,
    Slept,
    Reconfigure(u8, u16, bool),
    TxCompleted(usize, u64),
    Failed(usize),
    Nothing,
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        3 => (1..8u8, prop::sample::select(vec![0, 1, 90, 100, 110, 255]), 1..200u16).prop_map(|(h, p, i)| Input::Advert(h, p, i)),
        1 => (any::<bool>(), -50..50).prop_map(|(fault, delta)| Input::Track(fault, delta)),
        1 => Just(Input::Handover),
        1 => Just(Input::Overran),
        1 => Just(Input::Slept),
        1 => (1..=255u8, 1..200u16, any::<bool>()).prop_map(|(p, i, preempt)| Input::Reconfigure(p, i, preempt)),
        8 => (0..3usize, 0..3000u64).prop_map(|(which, late)| Input::TxCompleted(which, late)),
        1 => (0..3usize).prop_map(Input::Failed),
        6 => Just(Input::Nothing),
    ]
}

#[test]
fn an_active_node_announces_when_another_one_shows_up_and_when_that_has_stopped() {
    let (mut machine, now) = active(settings());
    let announces =
        |machine: &mut Machine, now| turn(machine, now).iter().filter(|action| **action == Action::Announce).count();
    machine.advert_received(from(4, 90), now + ms(20));
    assert_eq!(announces(&mut machine, now + ms(20)), 1);
    machine.advert_received(from(4, 90), now + ms(40));
    assert_eq!(announces(&mut machine, now + ms(40)), 0, "once, however much arrives");
    machine.advert_received(from(4, 0), now + ms(60));
    assert_eq!(announces(&mut machine, now + ms(60)), 1);
}

#[test]
fn an_active_node_announces_when_all_it_receives_of_another_one_is_priority_zero() {
    let (mut machine, now) = active(settings());
    machine.advert_received(from(4, 0), now + ms(20));
    assert!(turn(&mut machine, now + ms(20)).contains(&Action::Announce));
}

#[test]
fn forged_goodbyes_have_it_announce_once_a_second_at_most() {
    let (mut machine, now) = active(settings());
    let announced = (0..300).filter(|turns| {
        let at = now + ms(20 + 10 * turns);
        machine.advert_received(from(4, 0), at);
        turn(&mut machine, at).contains(&Action::Announce)
    });
    assert_eq!(announced.count(), 3);
}

#[test]
fn an_active_node_announces_when_another_one_has_fallen_silent() {
    let (mut machine, now) = active(settings());
    machine.advert_received(from(4, 90), now);
    let mut announced = Vec::new();
    let mut at = now;
    while at < now + ms(4000) {
        if turn(&mut machine, at).contains(&Action::Announce) {
            announced.push(at - now);
        }
        at += ms(500);
    }
    assert_eq!(announced, [ms(0), ms(3000)]);
}

proptest! {
    #[test]
    fn no_input_breaks_what_others_rely_on(
        inputs in prop::collection::vec((input(), prop_oneof![0..20u64, 0..5000u64], any::<bool>()), 1..200),
    ) {
        let mut machine = Machine::new(settings(), START, None);
        let mut now = START;
        let mut lease = Time::ZERO;
        let mut sent: Vec<(Token, Time, Interval)> = Vec::new();
        let mut left: Vec<(Time, Interval)> = Vec::new();
        let mut peer_leases: Vec<(IpAddr, Time)> = Vec::new();
        let mut own = settings().interval;
        for (input, pause, to_deadline) in inputs {
            now += Duration::from_micros(pause * 100);
            if to_deadline && let Some(deadline) = machine.deadline() {
                now = now.max(deadline);
            }
            let before = machine.status().role;
            match input {
                Input::Advert(host, priority, interval) => {
                    let interval = Interval::from_centiseconds(interval).unwrap();
                    let advert = PeerAdvert { from: address(host), priority, interval };
                    machine.advert_received(advert, now);
                    if priority == 0 {
                        peer_leases.retain(|(from, _)| *from != advert.from);
                    } else if host != 5 {
                        peer_leases.push((advert.from, now + interval.three().min(longest(own))));
                    }
                }
                Input::Track(fault, delta) => machine.track(Tracked { fault, delta }, now),
                Input::Handover => machine.handover(now),
                Input::Overran => machine.overran(now),
                Input::Slept => {
                    machine.slept(now);
                    peer_leases.push((address(99), now + longest(own)));
                }
                Input::Reconfigure(priority, interval, preempt) => {
                    let (priority, interval) = (Priority::new(priority).unwrap(), Interval::from_centiseconds(interval).unwrap());
                    machine.reconfigure(Settings { priority, interval, preempt, ..settings() }, now);
                    own = interval;
                }
                Input::TxCompleted(which, late) if which < sent.len() => {
                    let (token, started, interval) = sent.remove(which);
                    now += Duration::from_micros(late);
                    left.push((started, interval));
                    machine.tx_completed(token, started, now);
                }
                Input::Failed(which) if which < sent.len() => machine.failed(sent.remove(which).0, now),
                _ => {}
            }
            let mut ticked = false;
            loop {
                while let Some(action) = machine.next() {
                    match action {
                        Action::Lease(end) => {
                            if end > Time::ZERO {
                                prop_assert!(left.iter().any(|(at, interval)| end < *at + interval.three()));
                                if lease.is_zero() {
                                    prop_assert!(ticked, "a lease is only begun in a tick");
                                    prop_assert!(peer_leases.iter().all(|(_, hold)| *hold <= now), "{peer_leases:?} at {now:?}");
                                }
                                prop_assert!(lease.is_zero() || lease > now, "a lease that ended is not renewed");
                            }
                            lease = end;
                        }
                        Action::Advertise { token, priority, interval } => {
                            if priority == 0 {
                                prop_assert_eq!(lease, Time::ZERO);
                                sent.clear();
                            } else {
                                prop_assert!(ticked);
                                sent.push((token, now, interval));
                            }
                        }
                        Action::Announce => prop_assert!(lease > now),
                        Action::AddAddresses | Action::RemoveAddresses => {}
                    }
                }
                if ticked {
                    break;
                }
                machine.tick(now);
                ticked = true;
            }
            let status = machine.status();
            prop_assert_eq!(status.lease.unwrap_or_default(), lease);
            prop_assert_eq!(status.role == Role::Active, lease > Time::ZERO, "{:?} -> {:?}", before, status);
            prop_assert!(machine.deadline().is_none_or(|deadline| deadline > now), "{:?} at {:?}", machine.deadline(), now);
        }
    }
}
