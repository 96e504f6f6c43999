//! Ctrl-C and its kin: whatever xtask has started is ended, and xtask then leaves by itself, cleaning up on its way out.
//!
//! Children run in process groups of their own (see [`crate::child`]), so the terminal's Ctrl-C reaches only xtask. The
//! signals are blocked in all threads but one, which waits for them: no handler, hence nothing unsafe. A child starts
//! with nothing blocked, `std` sees to that.

use std::{
    process,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use nix::{
    sys::signal::{SigSet, Signal, killpg},
    unistd::Pid,
};

static HAPPENED: AtomicBool = AtomicBool::new(false);
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Starts to listen. To be called before any other thread is started.
pub(crate) fn watch() {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    if signals.thread_block().is_err() {
        return;
    }
    thread::spawn(move || {
        while let Ok(signal) = signals.wait() {
            if HAPPENED.swap(true, Ordering::SeqCst) {
                // Asked twice: no more waiting.
                for &group in groups().iter() {
                    let _ = killpg(group, Signal::SIGKILL);
                }
                process::exit(130);
            }
            eprintln!("\nxtask: {signal}: stopping (once more to stop at once)");
            for &group in groups().iter() {
                let _ = killpg(group, signal);
            }
        }
    });
}

/// Whether a signal has asked xtask to stop.
pub(crate) fn happened() -> bool {
    HAPPENED.load(Ordering::SeqCst)
}

/// The process groups to end. Whoever starts one holds the lock while doing so, lest a signal falls in between.
pub(crate) fn groups() -> MutexGuard<'static, Vec<Pid>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}
