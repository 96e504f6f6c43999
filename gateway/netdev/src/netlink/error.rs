//! Errors of requests, as error numbers of the kernel, and the time after which there is no answer.

use std::{io, time::Duration};

use rtnetlink::Error;

/// Longest wait for an answer that the kernel gives at once. It ends only if a message was lost or could not be parsed.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Returns the error number of a failed request.
pub(super) fn errno(error: &Error) -> i32 {
    match error {
        Error::NetlinkError(message) => message.raw_code().abs(),
        Error::RequestFailed => libc::ENOTCONN,
        _ => libc::EPROTO,
    }
}

/// Returns the kernel's reason in an error of rtnetlink.
pub(crate) fn io_error(error: Error) -> io::Error {
    match error {
        Error::NetlinkError(_) | Error::RequestFailed => io::Error::from_raw_os_error(errno(&error)),
        other => io::Error::other(other.to_string()),
    }
}
