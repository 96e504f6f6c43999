//! A packet from a raw socket, of either family.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway_vrrp::fuzzing::packet(bytes));
