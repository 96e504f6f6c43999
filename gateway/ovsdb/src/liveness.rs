//! Is the server still there?

use std::time::{Duration, Instant};

/// How long a server may need to put a complete picture together, during which it answers nothing else.
const PICTURE: Duration = Duration::from_secs(60);

/// Watches the silence of a server. Whoever is silent for the probe interval is asked, and then given as much time again.
#[derive(Debug)]
pub(crate) struct Liveness {
    /// `None`: never ask.
    probe: Option<Duration>,
    heard: Instant,
    asked: Option<Instant>,
    /// A complete picture is awaited.
    patient: bool,
}

/// What silence leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// It is not long enough for anything.
    Short,
    /// Ask whether the server is there.
    Ask,
    /// It is gone.
    Gone(Duration),
}

impl Liveness {
    /// With a probe interval; zero means never.
    pub(crate) fn new(now: Instant, probe: Duration) -> Self {
        Self { probe: Some(probe).filter(|probe| !probe.is_zero()), heard: now, asked: None, patient: false }
    }

    /// Bytes came, whatever they say.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.asked = None;
    }

    /// A complete picture is awaited, or no longer.
    pub(crate) fn set_patient(&mut self, patient: bool) {
        self.patient = patient;
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let probe = self.probe?;
        let patience = if self.patient { PICTURE.max(probe) } else { probe };
        Some(self.asked.map_or(self.heard + probe, |asked| asked + patience))
    }

    /// Looks how long the silence is. If it says to ask, that is taken as done.
    pub(crate) fn look(&mut self, now: Instant) -> Silence {
        match (self.deadline(), self.asked) {
            (Some(deadline), None) if now >= deadline => {
                self.asked = Some(now);
                Silence::Ask
            }
            (Some(deadline), Some(_)) if now >= deadline => Silence::Gone(now - self.heard),
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
        assert_eq!(liveness.look(now + PROBE / 2), Silence::Short);
        assert_eq!(liveness.look(now + PROBE), Silence::Ask);
        assert_eq!(liveness.look(now + PROBE * 3 / 2), Silence::Short);
        assert_eq!(liveness.look(now + PROBE * 2), Silence::Gone(PROBE * 2));
    }

    #[test]
    fn any_word_starts_anew() {
        let (now, mut liveness) = start();
        assert_eq!(liveness.look(now + PROBE), Silence::Ask);
        liveness.heard(now + PROBE);
        assert_eq!(liveness.look(now + PROBE * 3 / 2), Silence::Short);
        assert_eq!(liveness.look(now + PROBE * 2), Silence::Ask);
    }

    #[test]
    fn a_picture_may_take_longer() {
        let (now, mut liveness) = start();
        liveness.set_patient(true);
        assert_eq!(liveness.look(now + PROBE), Silence::Ask);
        assert_eq!(liveness.look(now + PICTURE), Silence::Short);
        assert_eq!(liveness.look(now + PROBE + PICTURE), Silence::Gone(PROBE + PICTURE));
    }

    #[test]
    fn zero_is_never() {
        let (now, _) = start();
        let mut liveness = Liveness::new(now, Duration::ZERO);
        assert_eq!((liveness.deadline(), liveness.look(now + PROBE * 1000)), (None, Silence::Short));
    }
}
