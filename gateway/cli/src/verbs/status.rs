//! `status`: one screen, and an exit code that says whether the gateway is healthy.

use std::{path::Path, process::ExitCode};

use gateway_api::{
    ctl::{self, CallError},
    screen::{self, Look},
    view::Status,
};

use super::{ANSWER, fail, output};

/// The gateway is not healthy, or could not be asked.
const UNHEALTHY: u8 = 1;

/// Tells how things stand: for people, or as JSON.
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
