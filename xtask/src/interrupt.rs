//! Ctrl-C and similar signals: xtask ends everything that it has started, and then ends by itself and cleans up.
//!
//! Children run in process groups of their own (see [`crate::child`]), so the terminal's Ctrl-C reaches only xtask.
//! Handlers are used rather than blocked signals, since a child would inherit those.

use std::{
    process,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use signal_hook::{
    consts::{SIGHUP, TERM_SIGNALS},
    iterator::Signals,
    low_level::signal_name,
};

static HAPPENED: AtomicBool = AtomicBool::new(false);
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Starts to watch for signals.
pub(crate) fn watch() {
    let mut signals = match Signals::new(TERM_SIGNALS.iter().chain(&[SIGHUP])) {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("xtask: Ctrl-C will leave what it has started behind: {error}");
            return;
        }
    };
    thread::spawn(move || {
        for signal in signals.forever() {
            let again = HAPPENED.swap(true, Ordering::SeqCst);
            // The signal of xtask is not passed on: a shell's background jobs, for one, are started with SIGINT
            // ignored.
            let deadly = if again { Signal::SIGKILL } else { Signal::SIGTERM };
            for &group in groups().iter() {
                let _ = killpg(group, deadly);
            }
            if again {
                process::exit(130);
            }
            let name = signal_name(signal).unwrap_or("signal");
            eprintln!("\nxtask: {name}: stopping (once more to stop at once)");
        }
    });
}

/// Returns true if a signal has asked xtask to stop.
pub(crate) fn happened() -> bool {
    HAPPENED.load(Ordering::SeqCst)
}

/// Returns the process groups to end. A thread that starts one holds the lock meanwhile, so that no signal comes in
/// between.
pub(crate) fn groups() -> MutexGuard<'static, Vec<Pid>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}
