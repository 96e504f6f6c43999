//! A server that says anything, in reads of any size.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway_ovsdb::fuzzing::session(bytes));
