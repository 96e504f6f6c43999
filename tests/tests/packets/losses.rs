//! The programs at the kernel's tracepoints.

use gateway_datapath::{losses, pins::PinDir};

use crate::world::World;

#[test]
fn the_programs_that_count_what_a_redirect_loses_are_taken_by_the_kernel() {
    let mut world = World::new();
    let pins = PinDir::new(format!("/sys/fs/bpf/vgl{}", std::process::id()));
    let mut held = Vec::new();
    let done = losses::attach(&mut world.ebpf, &pins, &mut held);
    let attached = held.len();
    drop(held);
    std::fs::remove_dir_all(pins.root()).unwrap();
    done.unwrap();
    assert_eq!(attached, 2);
}
