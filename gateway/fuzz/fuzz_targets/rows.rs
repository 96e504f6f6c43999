//! Updates of any kind to the rows of a table, one in a line.
#![no_main]
#![allow(dead_code, unused_imports, unexpected_cfgs, reason = "only a part of the module is used")]

#[path = "../../src/ovsdb/mod.rs"]
mod ovsdb;

libfuzzer_sys::fuzz_target!(|updates: &str| ovsdb::fuzzing::rows(updates));
