//! A configuration file of any text.
#![no_main]
#![allow(dead_code, unused_imports, unexpected_cfgs, reason = "only a part of the modules is used")]

#[path = "../../src/config/mod.rs"]
mod config;
#[path = "../../src/nearest.rs"]
mod nearest;
#[path = "../../src/ovsdb/mod.rs"]
mod ovsdb;
#[path = "../../src/vrrp/mod.rs"]
mod vrrp;

mod database {
    #[path = "../../../src/database/macs.rs"]
    mod macs;
    #[path = "../../../src/database/rows.rs"]
    pub mod rows;
    #[path = "../../../src/database/static_rows.rs"]
    pub(crate) mod static_rows;

    pub use macs::Macs;
    pub use rows::{Contested, Location, LogicalSwitch, Refusal, RefusedBinding, Remote, Rows};
}

libfuzzer_sys::fuzz_target!(|text: &str| config::fuzzing::file(text));
