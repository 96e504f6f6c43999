//! Notifies the service manager: sd_notify(3). Does nothing without one.

use std::{env, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Interval, MissedTickBehavior, interval, sleep},
};

use super::error::AgentError;

/// State that the service manager shows, and its watchdog.
#[derive(Debug, Default)]
pub(super) struct Systemd {
    shown: String,
}

impl Systemd {
    /// Notifies that everything known is programmed and attached: units that wait for the gateway may start.
    pub(super) fn ready(&mut self, status: String) {
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.shown = status;
    }

    /// Notifies that the configuration is being read again; [`Systemd::ready`] follows.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::debug!("the service manager is not told of a reload: {error}"),
        }
    }

    /// Sends the status line, if it has changed.
    pub(super) fn status(&mut self, status: String) {
        if status != self.shown {
            tell(&[NotifyState::Status(&status)]);
            self.shown = status;
        }
    }
}

/// Notifies that the agent ends.
pub(super) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// Sends a keep-alive to the watchdog.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// Returns the interval of keep-alives: half the watchdog's timeout. `None` if there is no watchdog.
pub(super) fn watchdog() -> Option<Interval> {
    let limit = sd_notify::watchdog_enabled()?;
    let mut due = interval((limit / 2).max(Duration::from_millis(1)));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(due)
}

/// Time for which a failed start is held back.
const HOLD: Duration = Duration::from_secs(10);

/// Holds back the end of a failed start. The service manager restarts the agent at once, lest a lease ends; without a
/// delay it would do so several times a second for ever. Does nothing without a service manager. Ends at SIGTERM and
/// SIGINT.
pub async fn hold_back(error: &AgentError) {
    if env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else { return };
    tell(&[NotifyState::Status(&format!("could not start: {error}"))]);
    tracing::warn!("it could not start: held back for {} s before it is tried again", HOLD.as_secs());
    tokio::select! {
        () = sleep(HOLD) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("the service manager can't be told how things stand ($NOTIFY_SOCKET): {error}");
    }
}
