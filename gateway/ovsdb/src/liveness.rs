//! Inactivity probe: detects that a server is gone.

use std::time::{Duration, Instant};

/// Time a server may need to prepare the complete contents, during which it answers nothing else.
const SNAPSHOT: Duration = Duration::from_secs(60);

/// Inactivity timer of a server. A server that is silent for the probe interval is sent an echo, and then has the same
/// time again to answer.
#[derive(Debug)]
pub(crate) struct Liveness {
    /// Probe interval. `None`: never probe.
    probe: Option<Duration>,
    /// Time at which bytes last came.
    last_received: Instant,
    asked: Option<Instant>,
    /// True while the complete contents are awaited.
    patient: bool,
}

/// Action after a time of silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Too short: do nothing.
    Short,
    /// Send an echo to the server.
    Ask,
    /// The server is gone.
    Gone(Duration),
}

impl Liveness {
    /// Creates the timer with a probe interval; zero means never.
    pub(crate) fn new(now: Instant, probe: Duration) -> Self {
        Self { probe: Some(probe).filter(|probe| !probe.is_zero()), last_received: now, asked: None, patient: false }
    }

    /// Records that bytes came, whatever their contents.
    pub(crate) fn received(&mut self, now: Instant) {
        self.last_received = now;
        self.asked = None;
    }

    /// Sets whether the complete contents are awaited.
    pub(crate) fn set_patient(&mut self, patient: bool) {
        self.patient = patient;
    }

    /// Returns the time at which to check again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let probe = self.probe?;
        let patience = if self.patient { SNAPSHOT.max(probe) } else { probe };
        Some(self.asked.map_or(self.last_received + probe, |asked| asked + patience))
    }

    /// Checks the duration of the silence. A returned [`Silence::Ask`] counts as carried out.
    pub(crate) fn check(&mut self, now: Instant) -> Silence {
        match (self.deadline(), self.asked) {
            (Some(deadline), None) if now >= deadline => {
                self.asked = Some(now);
                Silence::Ask
            }
            (Some(deadline), Some(_)) if now >= deadline => Silence::Gone(now - self.last_received),
            _ => Silence::Short,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE: Duration = Duration::from_secs(5);

    #[expect(clippy::disallowed_methods, reason = "any instant will do to start from")]
    fn start() -> (Instant, Liveness) {
        let now = Instant::now();
        (now, Liveness::new(now, PROBE))
    }

    #[test]
    fn silence_is_asked_about_then_taken_for_the_end() {
        let (now, mut liveness) = start();
        assert_eq!(liveness.check(now + PROBE / 2), Silence::Short);
        assert_eq!(liveness.check(now + PROBE), Silence::Ask);
        assert_eq!(liveness.check(now + PROBE * 3 / 2), Silence::Short);
        assert_eq!(liveness.check(now + PROBE * 2), Silence::Gone(PROBE * 2));
    }

    #[test]
    fn any_byte_restarts_the_timer() {
        let (now, mut liveness) = start();
        assert_eq!(liveness.check(now + PROBE), Silence::Ask);
        liveness.received(now + PROBE);
        assert_eq!(liveness.check(now + PROBE * 3 / 2), Silence::Short);
        assert_eq!(liveness.check(now + PROBE * 2), Silence::Ask);
    }

    #[test]
    fn a_snapshot_may_take_longer() {
        let (now, mut liveness) = start();
        liveness.set_patient(true);
        assert_eq!(liveness.check(now + PROBE), Silence::Ask);
        assert_eq!(liveness.check(now + SNAPSHOT), Silence::Short);
        assert_eq!(liveness.check(now + PROBE + SNAPSHOT), Silence::Gone(PROBE + SNAPSHOT));
    }

    #[test]
    fn zero_is_never() {
        let (now, _) = start();
        let mut liveness = Liveness::new(now, Duration::ZERO);
        assert_eq!((liveness.deadline(), liveness.check(now + PROBE * 1000)), (None, Silence::Short));
    }
}
