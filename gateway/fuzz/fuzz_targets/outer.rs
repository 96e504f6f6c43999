//! A packet from the underlay: the programs of both hooks and a reference parser must come to the same.
//!
//! The input is the packet. What the reference parser branches on is what libFuzzer sees of coverage, so inputs that it
//! tells apart are kept, and the programs are held to each of them. It takes root, as loading programs does.
#![no_main]

#[path = "outer/plane.rs"]
mod plane;
#[path = "outer/reference.rs"]
mod reference;

use std::cell::RefCell;

use plane::Plane;

thread_local! {
    static PLANE: RefCell<Plane> = RefCell::new(Plane::load());
}

libfuzzer_sys::fuzz_target!(|packet: &[u8]| {
    // The kernel takes no shorter packet for a test run, and this is all of one page that it leaves to the packet.
    if !(14..=3000).contains(&packet.len()) {
        return;
    }
    PLANE.with_borrow_mut(|plane| {
        let expected = reference::parse(packet);
        for (hook, outcome) in [("XDP", plane.xdp(packet)), ("TC", plane.tc(packet))] {
            let allowed = outcome.as_ref().is_none_or(|outcome| expected.allows(outcome));
            assert!(allowed, "at {hook}: expected {expected:?}, found {outcome:?}");
        }
    });
});
