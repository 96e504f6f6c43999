//! Another node that says anything, in reads of any size, with and without the key.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway_ha::peers::fuzzing::session(bytes));
