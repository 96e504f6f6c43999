//! Client of the agent that a verb is for.

use std::{path::Path, time::Duration};

use gateway_api::ctl::{self, CallError};
use serde::de::DeserializeOwned;

/// Timeout of a request to a running agent. Its loop may be busy with a large change.
const ANSWER: Duration = Duration::from_secs(10);

/// Client of the agent behind a control socket.
#[derive(Clone, Copy)]
pub(crate) struct Agent<'a> {
    socket: &'a Path,
}

impl<'a> Agent<'a> {
    /// Creates a client; it connects for each request.
    pub(crate) const fn new(socket: &'a Path) -> Self {
        Self { socket }
    }

    /// Sends a request, and returns the reply as text.
    pub(crate) fn call(self, command: &str, params: &[&str]) -> Result<String, CallError> {
        ctl::call(self.socket, command, params, ANSWER)
    }

    /// Sends a request, and returns the reply parsed from JSON.
    pub(crate) fn ask<T: DeserializeOwned>(self, command: &str, params: &[&str]) -> Result<T, CallError> {
        self.parse(&self.call(command, params)?)
    }

    /// Parses a reply from JSON.
    pub(crate) fn parse<T: DeserializeOwned>(self, reply: &str) -> Result<T, CallError> {
        serde_json::from_str(reply).map_err(|_| CallError::Foreign { path: self.socket.to_owned() })
    }
}
