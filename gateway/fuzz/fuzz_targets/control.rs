//! A client of the control socket that says anything, in reads of any size.
#![no_main]
#![allow(dead_code, unused_imports, unexpected_cfgs, reason = "only a part of the modules is used")]

#[path = "../../src/ovsdb/mod.rs"]
mod ovsdb;

mod ctl {
    #[path = "../../../src/ctl/commands.rs"]
    mod commands;
    #[path = "../../../src/ctl/fuzzing.rs"]
    pub mod fuzzing;
    #[path = "../../../src/ctl/message.rs"]
    mod message;

    pub use commands::{Access, Answer, Command};
}

mod view {
    #[path = "../../../src/view/mac_text.rs"]
    pub(crate) mod mac_text;
    #[path = "../../../src/view/macs.rs"]
    mod macs;

    pub use macs::MacFilter;
}

mod events {
    #[path = "../../../src/events/page.rs"]
    mod page;

    pub use page::Cursor;

    /// Stands for the real one, which no request has.
    #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    pub struct Record;
}

mod agent {
    #[path = "../../../src/agent/control.rs"]
    pub(crate) mod control;
}

use agent::control::{COMMANDS, Control};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ctl::fuzzing::client(bytes, COMMANDS, |command, params| {
    let _what_it_means = Control::new(command, params);
}));
