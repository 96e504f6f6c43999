//! Requests the status of the running agent on its control socket.

use std::{io, path::Path, time::Duration};

use gateway_api::ctl::{self, CallError};

use crate::doctor::agent::Answer;

/// Timeout of the request; the agent's loop may be busy with a large change.
const LIMIT: Duration = Duration::from_secs(5);

/// Requests the status.
pub(in super::super) fn probe(socket: &Path) -> Answer {
    match ctl::call(socket, "status", &["json"], LIMIT) {
        Ok(text) => match serde_json::from_str(&text) {
            Ok(status) => Answer::Status(Box::new(status)),
            Err(error) => Answer::Foreign(error.to_string()),
        },
        Err(CallError::NoAgent { .. }) => Answer::None,
        Err(CallError::TimedOut { .. }) => Answer::Hung,
        Err(error) if is_denied(&error) => Answer::Refused(error.to_string()),
        Err(error) => Answer::Broken(error.to_string()),
    }
}

fn is_denied(error: &CallError) -> bool {
    matches!(error, CallError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
}
