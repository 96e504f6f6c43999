//! Entry point for the fuzz target in `gateway/fuzz`.

use gateway_api::ctl;

use super::control::{COMMANDS, Control};

/// Feeds bytes of a client of the control socket to the parsers, up to the parsed requests of the agent.
pub fn client(bytes: &[u8]) {
    ctl::fuzzing::client(bytes, COMMANDS, |command, params| {
        let _what_it_means = Control::new(command, params);
    });
}
