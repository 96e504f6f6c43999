//! Random schedules of everything that can go wrong between nodes that stand in for each other, with the real state
//! machine and a model of the rest. Each schedule follows from its seed alone.
//!
//! `VTEP_SIMULATION_SCHEDULES=n` runs so many; `VTEP_SIMULATION_SEED=n` runs that one and tells all that happens.

mod check;
mod clock;
mod network;
mod node;
mod random;
mod schedule;
mod world;

use std::{
    env,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use world::{Flaw, World};

const SCHEDULES: u64 = 10_000;

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
                        let mut failure = failure.lock().unwrap();
                        if failure.as_ref().is_none_or(|(other, _)| seed < *other) {
                            *failure = Some((seed, error));
                        }
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap()
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
            "schedule {seed}: {error}\nto see it:\nVTEP_SIMULATION_SEED={seed} cargo test -p gateway --test \
             vrrp_simulation never_two -- --nocapture"
        );
    }
}
