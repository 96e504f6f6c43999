//! A server that says anything, in reads of any size.
#![no_main]
#![allow(dead_code, unused_imports, unexpected_cfgs, reason = "only a part of the module is used")]

#[path = "../../src/ovsdb/mod.rs"]
mod ovsdb;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ovsdb::fuzzing::session(bytes));
