//! Reports ports that lose frames redirected to them.

use std::{collections::BTreeMap, time::Duration};

use gateway_common::loss::Loss;

/// Time without losses after which a port counts as good again.
const OVER: Duration = Duration::from_secs(60);

/// Problem of a port that loses frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// One sentence with the remedy.
    pub(super) text: String,
    /// True if it leaves the gateway healthy.
    pub(super) is_warning: bool,
}

/// Losses that continue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Going {
    /// Time of the last loss, and the number of polls that have seen a loss.
    last: Duration,
    looks: u32,
}

impl Going {
    fn grown(&mut self, now: Duration) {
        self.last = now;
        self.looks += 1;
    }

    /// Returns true after the second loss. A single one may be a link that comes or goes.
    fn stands(&self) -> bool {
        self.looks > 1
    }

    fn end(&mut self, now: Duration) {
        if self.looks > 0 && now.saturating_sub(self.last) >= OVER {
            *self = Self::default();
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Port {
    counted: Loss,
    refused: Going,
    full: Going,
}

/// Counters at the last poll, and the losses that continue.
#[derive(Debug, Default)]
pub(super) struct Losses {
    ports: BTreeMap<u32, Port>,
    looked: bool,
}

impl Losses {
    /// Compares the counters at `now` with the last ones. Returns the ports whose driver has refused frames since the
    /// last poll. The first poll only reads the counters: earlier losses are past.
    pub(super) fn poll(&mut self, counted: BTreeMap<u32, Loss>, now: Duration) -> Vec<u32> {
        let first = !std::mem::replace(&mut self.looked, true);
        self.ports.retain(|ifindex, _| counted.contains_key(ifindex));
        let mut refused = Vec::new();
        for (ifindex, loss) in counted {
            let known = self.ports.contains_key(&ifindex);
            let port = self.ports.entry(ifindex).or_default();
            let before = std::mem::replace(&mut port.counted, loss);
            port.refused.end(now);
            port.full.end(now);
            if first && !known {
                continue;
            }
            if loss.refused > before.refused {
                port.refused.grown(now);
                if matches!(loss.error as i32, libc::ENXIO | libc::EOPNOTSUPP) {
                    refused.push(ifindex);
                }
            }
            if loss.full > before.full {
                port.full.grown(now);
            }
        }
        refused
    }

    /// Returns the losses on the way out of an interface, since counting began.
    pub(super) fn of(&self, ifindex: u32) -> Loss {
        self.ports.get(&ifindex).map(|port| port.counted).unwrap_or_default()
    }

    /// Returns the problems; `name` gives the name of an interface.
    pub(super) fn problems<'n>(&self, name: impl Fn(u32) -> Option<&'n str>) -> Vec<Problem> {
        let mut all = Vec::new();
        for (ifindex, port) in &self.ports {
            let Some(name) = name(*ifindex) else { continue };
            if port.refused.stands() {
                let error = std::io::Error::from_raw_os_error(port.counted.error as i32);
                let text = format!(
                    "{name} loses frames that XDP redirects to it ({error}): see redirect_refused in `vtep-gateway show \
                     counters`; mode = \"tc\" for {name} has TC send them"
                );
                all.push(Problem { text, is_warning: false });
            }
            if port.full.stands() {
                let text = format!(
                    "{name} loses frames that XDP redirects to it because its queue is full: is it the slower one, or is nobody \
                     taking from it (`ip -s link show {name}`)?"
                );
                all.push(Problem { text, is_warning: true });
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1000 + seconds)
    }

    fn counted(refused: u64, full: u64, error: i32) -> BTreeMap<u32, Loss> {
        [(7, Loss { refused, full, error: error.cast_unsigned().into() })].into()
    }

    fn warnings(losses: &Losses) -> Vec<bool> {
        losses.problems(|_| Some("a0")).into_iter().map(|problem| problem.is_warning).collect()
    }

    #[test]
    fn what_was_lost_before_the_first_look_is_past() {
        let mut losses = Losses::default();
        losses.poll(counted(500, 500, libc::ENXIO), at(0));
        losses.poll(counted(500, 500, libc::ENXIO), at(1));
        assert!(warnings(&losses).is_empty());
        assert_eq!(losses.of(7).refused, 500);
    }

    #[test]
    fn refusing_that_goes_on_is_a_fault_and_a_full_queue_a_warning() {
        let mut losses = Losses::default();
        losses.poll(counted(0, 0, 0), at(0));
        losses.poll(counted(1, 1, libc::ENETDOWN), at(1));
        assert!(warnings(&losses).is_empty(), "once may be a link that goes");
        losses.poll(counted(2, 2, libc::ENETDOWN), at(2));
        assert_eq!(warnings(&losses), [false, true]);
        let text = &losses.problems(|_| Some("a0"))[0].text;
        assert!(text.contains("a0") && text.contains("Network is down"), "{text}");
    }

    #[test]
    fn a_minute_without_a_loss_ends_it() {
        let mut losses = Losses::default();
        (0..3).for_each(|n| drop(losses.poll(counted(n, 0, libc::ENXIO), at(n))));
        losses.poll(counted(2, 0, libc::ENXIO), at(61));
        assert_eq!(warnings(&losses), [false]);
        losses.poll(counted(2, 0, libc::ENXIO), at(62));
        assert!(warnings(&losses).is_empty());
    }

    #[test]
    fn a_driver_that_refuses_is_named_at_once() {
        let mut losses = Losses::default();
        losses.poll(BTreeMap::new(), at(0));
        losses.poll(counted(0, 0, 0), at(1));
        assert_eq!(losses.poll(counted(3, 0, libc::EOPNOTSUPP), at(2)), [7]);
        assert!(losses.poll(counted(4, 0, libc::ENETDOWN), at(3)).is_empty());
    }
}
