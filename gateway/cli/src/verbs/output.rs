//! Output to standard output.

use std::{
    io::{self, Write, stdout},
    process::ExitCode,
};

use super::fail;

/// Writes `text`, and returns the exit code `code`. A reader may close the pipe early, as `head` does.
pub(super) fn write(text: &str, code: ExitCode) -> ExitCode {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => fail(1, &error),
    }
}
