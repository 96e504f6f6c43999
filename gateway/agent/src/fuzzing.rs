//! A way in for the fuzz target of `gateway/fuzz`.

use gateway_api::ctl;

use super::control::{COMMANDS, Control};

/// A client of the control socket that says this, up to what its requests mean to the agent.
pub fn client(bytes: &[u8]) {
    ctl::fuzzing::client(bytes, COMMANDS, |command, params| {
        let _what_it_means = Control::new(command, params);
    });
}
