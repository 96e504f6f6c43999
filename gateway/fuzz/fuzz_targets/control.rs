//! Any bytes from a client of the control socket, in reads of any size.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway_api::ctl::fuzzing::client(bytes));
