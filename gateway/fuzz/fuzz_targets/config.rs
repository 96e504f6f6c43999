//! A configuration file of any text.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| gateway_config::fuzzing::file(text));
