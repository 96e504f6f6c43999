//! Schedule of the announcements of the virtual addresses. Pure.

use std::time::Duration;

use gateway_config::AnnounceConfig;
use gateway_vrrp::Time;

/// Time between two announcements of one round. A network may lose one because a port has just come up, and then
/// receive the next.
const SPACING: Duration = Duration::from_millis(100);

/// The announcements that are due.
#[derive(Clone, Debug, Default)]
pub(crate) struct Announcing {
    /// Present while this node has the addresses.
    running: Option<Running>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    next: Time,
    /// Announcements left in this round.
    left: u8,
    /// The round after the delay has not begun.
    again: bool,
    /// Time at which this round began.
    began: Time,
}

impl Announcing {
    /// Starts the announcements: the addresses are there, and this node is active.
    pub(crate) fn begin(&mut self, config: &AnnounceConfig, now: Time) {
        self.running = Some(Running { next: now, left: config.count, again: !config.delay.is_zero(), began: now });
    }

    /// Stops the announcements.
    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    /// Returns true if every address is to be announced once now.
    pub(crate) fn due(&mut self, config: &AnnounceConfig, now: Time) -> bool {
        let Some(running) = &mut self.running else { return false };
        if now < running.next {
            return false;
        }
        let announce = running.left > 0;
        running.left = running.left.saturating_sub(1);
        if running.left > 0 {
            running.next = now + SPACING;
        } else if running.again {
            running.again = false;
            running.left = config.count;
            running.next = (running.began + config.delay).max(now + SPACING);
            running.began = running.next;
        } else if config.refresh.is_zero() {
            self.running = None;
        } else {
            running.left = 1;
            running.next = now + config.refresh;
        }
        announce
    }

    /// Returns the time of the next call of [`Announcing::due`].
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.running.map(|running| running.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_secs(1000);

    /// Returns the times in milliseconds from the start, at most the first ten.
    fn times(count: u8, delay: u64, refresh: u64) -> Vec<u128> {
        let config = AnnounceConfig { count, delay: Duration::from_secs(delay), refresh: Duration::from_secs(refresh) };
        let mut announcing = Announcing::default();
        announcing.begin(&config, START);
        let mut times = Vec::new();
        while let Some(next) = announcing.deadline().filter(|_| times.len() < 10) {
            assert!(!announcing.due(&config, next - Duration::from_nanos(1)), "too early");
            if announcing.due(&config, next) {
                times.push((next - START).as_millis());
            }
        }
        times
    }

    #[test]
    fn first_is_sent_at_once_and_the_rest_spaced_apart() {
        assert_eq!(times(3, 0, 0), [0, 100, 200]);
    }

    #[test]
    fn round_is_repeated_once_after_the_delay() {
        assert_eq!(times(2, 5, 0), [0, 100, 5000, 5100]);
    }

    #[test]
    fn refresh_goes_on_after_all_rounds() {
        assert_eq!(times(1, 5, 60)[2..], [65_000, 125_000, 185_000, 245_000, 305_000, 365_000, 425_000, 485_000]);
    }

    #[test]
    fn nothing_is_announced_after_the_stop() {
        let config = AnnounceConfig { count: 3, delay: Duration::ZERO, refresh: Duration::ZERO };
        let mut announcing = Announcing::default();
        announcing.begin(&config, START);
        announcing.stop();
        assert_eq!(announcing.deadline(), None);
        assert!(!announcing.due(&config, START));
    }
}
