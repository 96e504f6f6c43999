//! Random schedules of all faults between redundant nodes, with the real state machine, the real turn that drives it,
//! and a model of the rest. The seed alone determines a schedule.
//!
//! `VTEP_SIMULATION_SCHEDULES=n` runs n schedules; `VTEP_SIMULATION_SEED=n` runs that one and prints every event.

mod check;
mod clock;
mod driver;
mod network;
mod node;
mod random;
mod schedule;
mod world;

use std::{
    env,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use network::Network;
use random::Random;
use schedule::{Blow, Schedule};
use world::{Flaw, World};

const SCHEDULES: u64 = 100_000;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// Runs schedules 0 to `count` on all processors until one fails.
fn first_failure(count: u64, run: impl Fn(u64) -> Result<(), String> + Sync) -> Option<(u64, String)> {
    let next = AtomicU64::new(0);
    let failure = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        break;
                    }
                    if let Err(error) = run(seed) {
                        next.store(count, Ordering::Relaxed);
                        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                        if failure.as_ref().is_none_or(|(other, _)| seed < *other) {
                            *failure = Some((seed, error));
                        }
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn never_two_forward_who_hear_each_other_and_soon_one_does() {
    if let Some(seed) = number("VTEP_SIMULATION_SEED") {
        World::new(seed, Flaw::None, true).run().unwrap_or_else(|error| panic!("schedule {seed}: {error}"));
        return;
    }
    let count = number("VTEP_SIMULATION_SCHEDULES").unwrap_or(SCHEDULES);
    if let Some((seed, error)) = first_failure(count, |seed| World::new(seed, Flaw::None, false).run()) {
        panic!(
            "schedule {seed}: {error}\nto see it:\nVTEP_SIMULATION_SEED={seed} cargo test -p simulation --test \
             vrrp_simulation never_two -- --nocapture"
        );
    }
}

/// Checks that the simulation finds the effect of a flaw of the driver.
fn finds(flaw: Flaw, what: &str) {
    let found = first_failure(2_000, |seed| match World::new(seed, flaw, false).run() {
        Err(error) if error.contains(what) => Err(error),
        _ => Ok(()),
    });
    assert!(found.is_some(), "{flaw:?} is not found");
}

const BOTH: &str = "hear each other";

#[test]
fn a_driver_that_ticks_before_it_has_read_everything_is_found() {
    finds(Flaw::TicksUndrained, BOTH);
}

#[test]
fn a_driver_that_takes_sent_for_left_is_found() {
    finds(Flaw::TakesSentForLeft, BOTH);
}

#[test]
fn a_node_that_sends_priority_zero_and_goes_on_is_found() {
    finds(Flaw::Lies, BOTH);
}

#[test]
fn a_driver_that_reports_nothing_of_others_is_found() {
    finds(Flaw::Deaf, BOTH);
}

#[test]
fn a_node_that_forgets_the_tick_of_the_coarse_clock_is_found() {
    finds(Flaw::ForgetsTick, BOTH);
}

#[test]
fn a_driver_that_reports_no_socket_losses_is_found() {
    finds(Flaw::IgnoresOverrun, BOTH);
}

#[test]
fn another_node_forwards_within_the_time_that_is_promised() {
    let found = first_failure(3_000, |seed| {
        let mut random = Random::new(seed);
        let schedule = Schedule::quiet(&mut random);
        let (settings, at) = (schedule.settings.clone(), schedule.calm + random.within(0..300 * clock::MILLISECOND));
        let silent = random.once_in(2);
        let leaves = random.within(0..3);
        // What priority 0 overtakes is a hold more.
        let network = Network::orderly(settings.len());
        let mut world = World::of(random, schedule, network, Flaw::None, false);
        let mut gone = None;
        while world.step()? {
            if world.now() < at {
                continue;
            }
            let forwarders = world.forwarders();
            let Some((node, since)) = gone else {
                let [node] = forwarders[..] else { return Err(format!("{forwarders:?} forward")) };
                world.strike(match (silent, leaves) {
                    (true, _) => Blow::Die(node),
                    (false, 0) => Blow::LeaveForGood(node),
                    (false, 1) => Blow::Handover(node),
                    (false, _) => Blow::Fault(node, true),
                });
                gone = Some((node, world.now()));
                continue;
            };
            let taken = forwarders.iter().find(|other| **other != node);
            let slowest = (0..settings.len()).filter(|other| *other != node).map(|other| {
                let (interval, priority) = (settings[other].interval, settings[other].priority);
                if silent { interval.down(priority) } else { interval.skew(priority) }
            });
            let promised = taken.map_or(slowest.max().unwrap_or_default(), |taken| {
                let (interval, priority) = (settings[*taken].interval, settings[*taken].priority);
                if silent { interval.down(priority) } else { interval.skew(priority) }
            });
            let took = std::time::Duration::from_nanos(world.now() - since);
            // A claim, silence after priority 0, the delay of the network, and steps of the processes.
            if took > promised + std::time::Duration::from_millis(20) {
                return Err(format!("no node forwards {took:?} after {node} is gone, {promised:?} are promised"));
            }
            if taken.is_some() {
                return Ok(());
            }
        }
        Err("no node has taken over".to_owned())
    });
    assert_eq!(found, None);
}

#[test]
fn where_one_direction_works_two_forward_for_about_four_intervals_and_then_one_does() {
    let found = first_failure(3_000, |seed| {
        let mut random = Random::new(seed);
        let schedule = Schedule::one_way(&mut random);
        let (calm, interval, stalls) = (schedule.calm, schedule.longest, schedule.stalls);
        let preempt = schedule.settings[0].preempt;
        let cut = schedule.blows[0].0;
        let network = Network::calm(schedule.settings.len());
        let mut world = World::of(random, schedule, network, Flaw::None, false);
        while world.step()? {
            let forwarders = world.forwarders();
            if stalls == 0 && world.now() > cut && world.now() < calm && forwarders.is_empty() {
                return Err(format!("no node forwards at {}", world.now()));
            }
        }
        let expected = if preempt { 0 } else { 1 };
        match world.forwarders()[..] {
            // A node that stalls may have lost the role to the other one before.
            [one] if one == expected || stalls != 0 => Ok(()),
            ref others => {
                Err(format!("{others:?} forward in the end, with an interval of {interval} ns, preempt {preempt}"))
            }
        }
    });
    assert_eq!(found, None);
}

#[test]
fn a_node_restarted_within_its_lease_forwards_without_a_gap() {
    let found = first_failure(1_000, |seed| {
        let mut random = Random::new(seed);
        let schedule = Schedule::restarts(&mut random);
        let calm = schedule.calm;
        let network = Network::calm(schedule.settings.len());
        let mut world = World::of(random, schedule, network, Flaw::None, false);
        let mut forwarder = None;
        while world.step()? {
            if world.now() < calm {
                continue;
            }
            let now = world.forwarders().first().copied();
            forwarder = forwarder.or(now);
            if now.is_none() || now != forwarder {
                return Err(format!("{now:?} forwards at {}, not {forwarder:?}", world.now()));
            }
        }
        Ok(())
    });
    assert_eq!(found, None);
}
