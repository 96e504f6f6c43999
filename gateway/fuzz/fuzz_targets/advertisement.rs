//! A packet from a raw socket, of either family.
#![no_main]
#![allow(dead_code, unused_imports, unexpected_cfgs, reason = "only a part of the module is used")]

#[path = "../../src/vrrp/mod.rs"]
mod vrrp;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vrrp::fuzzing::packet(bytes));
