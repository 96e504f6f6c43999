//! Formats errors with all their causes: the message of a library alone seldom has the kernel's reason.

use std::{error::Error, io};

/// Formats an error with its chain of causes in one line. A cause that adds nothing new is left out.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// Returns the `errno` of the kernel, if it is among the causes.
pub fn errno(error: &(dyn Error + 'static)) -> Option<i32> {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(number) = inner.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(number);
        }
        cause = inner.source();
    }
    None
}

/// Returns a remedy if the kernel ran out of something, to be appended to the reason.
pub const fn remedy(errno: Option<i32>) -> &'static str {
    match errno {
        Some(libc::EMFILE) => {
            "; this process may have no more open files: raise LimitNOFILE= of the service, or `ulimit -n`"
        }
        Some(libc::ENFILE) => "; the system may have no more open files: raise fs.file-max",
        Some(libc::ENOMEM) => "; there is no memory for it: lower gateway.fdb_size, or give the machine more",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to create map `clocks`")]
    struct Created(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("map error: {0}")]
    struct Map(#[from] Created);

    #[test]
    fn the_kernel_s_reason_is_included_and_known_by_its_number() {
        let error = Map(Created(io::Error::from_raw_os_error(libc::EMFILE)));
        assert_eq!(chain(&error), "map error: failed to create map `clocks`: Too many open files (os error 24)");
        assert_eq!(errno(&error), Some(libc::EMFILE));
        assert!(remedy(errno(&error)).contains("LimitNOFILE="));
    }
}
