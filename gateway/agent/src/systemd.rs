//! Word to the service manager: sd_notify(3). Without one, nothing is said.

use std::{env, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Interval, MissedTickBehavior, interval, sleep},
};

use super::error::AgentError;

/// What the service manager shows, and the signs of life it asks for.
#[derive(Debug, Default)]
pub(super) struct Systemd {
    shown: String,
}

impl Systemd {
    /// All that is known is programmed and attached: what waits for the gateway may go on.
    pub(super) fn ready(&mut self, status: String) {
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.shown = status;
    }

    /// The configuration is being read again; [`Systemd::ready`] follows.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::debug!("the service manager is not told of a reload: {error}"),
        }
    }

    /// How things stand, if that is something else than before.
    pub(super) fn status(&mut self, status: String) {
        if status != self.shown {
            tell(&[NotifyState::Status(&status)]);
            self.shown = status;
        }
    }
}

/// The end has begun.
pub(super) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// A sign of life.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// When signs of life are due: at half the time after which the service manager misses them. None if it does not ask.
pub(super) fn watchdog() -> Option<Interval> {
    let limit = sd_notify::watchdog_enabled()?;
    let mut due = interval((limit / 2).max(Duration::from_millis(1)));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(due)
}

/// How long a start that failed is held back.
const HOLD: Duration = Duration::from_secs(10);

/// Waits before a start that failed ends, so that the service manager, which starts the agent again at once lest a lease ends,
/// does not do so several times in a second for ever. Nothing where there is no service manager; ends at SIGTERM and SIGINT.
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
