//! A client of the control socket that says anything, in reads of any size.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway_agent::fuzzing::client(bytes));
