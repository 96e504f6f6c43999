//! Output of a verb, and its exit code.

use std::{
    io::{self, Write, stdout},
    process::ExitCode,
};

use gateway_api::ctl::CallError;

/// Exit code for bad arguments or configuration; clap uses the same for bad arguments.
pub const BAD_INPUT: u8 = 2;

/// Writes `text`, and returns the exit code `code`. A reader may close the pipe early, as `head` does.
pub(crate) fn write(text: &str, code: ExitCode) -> ExitCode {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => fail(1, &error),
    }
}

/// Writes the reply of the agent, or its error.
pub(crate) fn reply(reply: Result<String, CallError>) -> ExitCode {
    match reply {
        Ok(text) => write(&text, ExitCode::SUCCESS),
        Err(error) => fail(error.exit_code(), &error),
    }
}

/// Prints an error on standard error, and returns the exit code.
pub fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    eprintln!("vtep-gateway: {error}");
    ExitCode::from(code)
}
