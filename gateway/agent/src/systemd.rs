//! Notifies the service manager: sd_notify(3). Does nothing without one.

use std::{env, pin::Pin, time::Duration};

use gateway_ha::Handle;
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
        notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.shown = status;
    }

    /// Notifies that the configuration is being read again; [`Systemd::ready`] follows.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(error) => tracing::debug!("the service manager was not notified of a reload: {error}"),
        }
    }

    /// Sends the status line, if it has changed.
    pub(super) fn status(&mut self, status: String) {
        if status != self.shown {
            notify(&[NotifyState::Status(&status)]);
            self.shown = status;
        }
    }
}

/// Notifies that the agent ends.
pub(super) fn stopping(status: &str) {
    notify(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// Watchdog of the service manager. A loop that hangs sends no keep-alive. If its virtual routers hang, it sends no
/// second one.
pub(super) struct Watchdog<'a> {
    /// Half the watchdog's timeout; `None` if there is no watchdog.
    clock: Option<Interval>,
    ha: Option<&'a Handle>,
    /// Answer of the virtual routers after the last keep-alive.
    pulse: Option<Pin<Box<dyn Future<Output = ()> + 'a>>>,
}

impl<'a> Watchdog<'a> {
    /// Starts the watchdog, if the service manager has set one.
    pub(super) fn start(ha: Option<&'a Handle>) -> Self {
        let clock = sd_notify::watchdog_enabled().map(|limit| {
            let mut due = interval((limit / 2).max(Duration::from_millis(1)));
            due.set_missed_tick_behavior(MissedTickBehavior::Delay);
            due
        });
        Self { clock, ha, pulse: None }
    }

    /// Waits until a keep-alive is due and the virtual routers have answered after the last one. Never ends without a
    /// watchdog. Cancel safe.
    pub(super) async fn due(&mut self) {
        if let Some(pulse) = &mut self.pulse {
            pulse.await;
            self.pulse = None;
        }
        match &mut self.clock {
            Some(clock) => drop(clock.tick().await),
            None => std::future::pending().await,
        }
    }

    /// Sends a keep-alive.
    pub(super) fn keep_alive(&mut self) {
        notify(&[NotifyState::Watchdog]);
        self.pulse = self.ha.map(|ha| Box::pin(ha.settled()) as Pin<Box<_>>);
    }
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
    notify(&[NotifyState::Status(&format!("could not start: {error}"))]);
    tracing::warn!("it could not start: held back for {} s before it is tried again", HOLD.as_secs());
    tokio::select! {
        () = sleep(HOLD) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("the service manager can't be notified ($NOTIFY_SOCKET): {error}");
    }
}
