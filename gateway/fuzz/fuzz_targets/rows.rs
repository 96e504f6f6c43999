//! Updates of any kind to the rows of a table, one in a line.
#![no_main]

libfuzzer_sys::fuzz_target!(|updates: &str| gateway_ovsdb::fuzzing::rows(updates));
