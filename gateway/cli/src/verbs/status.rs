//! `status`: one screen, and an exit code that reports the health of the gateway.

use std::{path::Path, process::ExitCode};

use gateway_api::{
    ctl::{self, CallError},
    screen::{self, Look},
    view::Status,
};

use super::{ANSWER, fail, output};

/// Exit code if the gateway is not healthy, or could not be reached.
const UNHEALTHY: u8 = 1;

/// Shows the state of the gateway, as text or as JSON.
pub(super) fn carry_out(socket: &Path, json: bool) -> ExitCode {
    let answer = match ctl::call(socket, "status", &["json"], ANSWER) {
        Ok(answer) => answer,
        Err(error) => return fail(error.exit_code(), &error),
    };
    let Ok(status) = serde_json::from_str::<Status>(&answer) else {
        let error = CallError::Foreign { path: socket.to_owned() };
        return fail(error.exit_code(), &error);
    };
    let code = if status.healthy { ExitCode::SUCCESS } else { ExitCode::from(UNHEALTHY) };
    let text = if json { answer } else { screen::status(&status, Look::of_stdout()) };
    output::write(&text, code)
}
