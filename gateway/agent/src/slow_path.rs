//! Finds known unicast that TC carries where XDP should, by what is counted and not by what is attached.
//!
//! Programs may be attached and see no frame as theirs. Flooded frames and the first frames of a station go by TC
//! always, and are not counted here: the counters are those of frames to known stations.

use std::time::Duration;

use gateway_common::counters::Paths;

/// Time over which frames are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// Frames in a window below which it says nothing.
const ENOUGH: u64 = 100;
/// Slow windows after which the slow path is a problem.
const RAISED: u32 = 3;
/// Time without a slow window after which it is none.
const OVER: Duration = Duration::from_secs(60);

/// Frames to known stations, by the hook that forwarded them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// By XDP.
    pub(crate) xdp: u64,
    /// By TC.
    pub(crate) tc: u64,
}

impl Carried {
    const fn since(self, before: Self) -> Self {
        Self { xdp: self.xdp.saturating_sub(before.xdp), tc: self.tc.saturating_sub(before.tc) }
    }

    /// Returns true if TC carried most of the frames, and false if XDP did. Returns `None` for too few frames.
    const fn is_slow(self) -> Option<bool> {
        if self.xdp + self.tc < ENOUGH { None } else { Some(self.tc > self.xdp) }
    }
}

/// Directions of known unicast. Each has a counter for each hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Encap,
    Decap,
    Local,
}

/// The number of directions.
const DIRECTIONS: usize = 3;

impl Direction {
    const ALL: [Self; DIRECTIONS] = [Self::Encap, Self::Decap, Self::Local];

    const fn carried(self, paths: &Paths) -> Carried {
        match self {
            Self::Encap => Carried { xdp: paths.xdp_encap, tc: paths.tc_encap },
            Self::Decap => Carried { xdp: paths.xdp_decap, tc: paths.tc_decap },
            Self::Local => Carried { xdp: paths.xdp_local, tc: paths.tc_local },
        }
    }

    const fn problem(self) -> &'static str {
        match self {
            Self::Encap => {
                "frames from VLANs into tunnels take the slow path: TC carries most of them, although all interfaces are in \
                 XDP mode; compare tc_encap with xdp_encap in `vtep-gateway show counters`"
            }
            Self::Decap => {
                "frames from tunnels take the slow path: TC carries most of them, although all interfaces are in XDP mode; \
                 compare tc_decap with xdp_decap in `vtep-gateway show counters`"
            }
            Self::Local => {
                "frames between access ports take the slow path: TC carries most of them, although all interfaces are in XDP \
                 mode; compare tc_local with xdp_local in `vtep-gateway show counters`"
            }
        }
    }
}

/// Ways on which XDP is expected to carry known unicast. On the others some interface is in TC mode, or does not take
/// every frame that XDP redirects, so a share of TC is normal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    /// From VLANs into tunnels.
    pub(crate) encap: bool,
    /// From tunnels to VLANs.
    pub(crate) decap: bool,
    /// Between access ports.
    pub(crate) local: bool,
}

impl Expected {
    const fn on(self, direction: Direction) -> bool {
        match direction {
            Direction::Encap => self.encap,
            Direction::Decap => self.decap,
            Direction::Local => self.local,
        }
    }
}

/// Slow windows of a direction.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    slow: u32,
    /// Time of the last slow window.
    last: Duration,
}

impl Evidence {
    fn window(&mut self, carried: Carried, expected: bool, now: Duration) {
        match carried.is_slow() {
            _ if !expected => *self = Self::default(),
            Some(true) => *self = Self { slow: self.slow + 1, last: now },
            Some(false) => *self = Self::default(),
            None if self.slow > 0 && now.saturating_sub(self.last) >= OVER => *self = Self::default(),
            None => {}
        }
    }

    const fn stands(self) -> bool {
        self.slow >= RAISED
    }
}

/// Counters at the beginning of a window.
#[derive(Clone, Copy, Debug)]
struct Begun {
    at: Duration,
    paths: Paths,
    expected: Expected,
}

/// Windows of the counters.
#[derive(Debug, Default)]
pub(super) struct SlowPath {
    begun: Option<Begun>,
    evidence: [Evidence; DIRECTIONS],
    measured: Option<Carried>,
}

impl SlowPath {
    /// Compares the counters at `now` with those at the beginning of the window. A window in which programs or drivers
    /// have changed begins anew.
    pub(super) fn poll(&mut self, paths: Paths, expected: Expected, now: Duration) {
        let begun = match self.begun {
            Some(begun) if begun.expected == expected => begun,
            _ => {
                self.begun = Some(Begun { at: now, paths, expected });
                return;
            }
        };
        if now.saturating_sub(begun.at) < WINDOW {
            return;
        }
        let mut all = Carried::default();
        for (direction, evidence) in Direction::ALL.into_iter().zip(&mut self.evidence) {
            let carried = direction.carried(&paths).since(direction.carried(&begun.paths));
            evidence.window(carried, expected.on(direction), now);
            all = Carried { xdp: all.xdp + carried.xdp, tc: all.tc + carried.tc };
        }
        self.measured = Some(all);
        self.begun = Some(Begun { at: now, paths, expected });
    }

    /// Returns the frames to known stations in the last window, by hook. `None` before the first window has ended.
    pub(super) const fn measured(&self) -> Option<Carried> {
        self.measured
    }

    /// Returns the problems. The gateway forwards all the same.
    pub(super) fn problems(&self) -> impl Iterator<Item = &'static str> {
        let standing = Direction::ALL.into_iter().zip(self.evidence).filter(|(_, evidence)| evidence.stands());
        standing.map(|(direction, _)| direction.problem())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Expected = Expected { encap: true, decap: true, local: true };

    /// Counters that grow in each window, and the time.
    struct Gateway {
        found: SlowPath,
        paths: Paths,
        now: Duration,
    }

    impl Gateway {
        fn new() -> Self {
            let mut this = Self { found: SlowPath::default(), paths: Paths::default(), now: Duration::from_secs(1000) };
            this.found.poll(this.paths, ALL, this.now);
            this
        }

        /// A window of frames from VLANs into tunnels.
        fn window(&mut self, xdp: u64, tc: u64) -> usize {
            self.window_with(ALL, xdp, tc)
        }

        fn window_with(&mut self, expected: Expected, xdp: u64, tc: u64) -> usize {
            self.paths.xdp_encap += xdp;
            self.paths.tc_encap += tc;
            self.now += WINDOW;
            self.found.poll(self.paths, expected, self.now);
            self.found.problems().count()
        }
    }

    #[test]
    fn known_unicast_that_tc_carries_for_three_windows_is_a_problem_until_xdp_carries_it() {
        let mut gateway = Gateway::new();
        assert_eq!([(); 4].map(|()| gateway.window(0, 500)), [0, 0, 1, 1]);
        assert!(gateway.found.problems().all(|text| text.contains("tc_encap") && !text.contains("tc_decap")));
        assert_eq!(gateway.found.measured(), Some(Carried { xdp: 0, tc: 500 }));
        assert_eq!(gateway.window(500, 10), 0);
        assert_eq!(gateway.window(0, 500), 0, "it begins anew");
    }

    #[test]
    fn each_direction_is_judged_by_its_own_counters() {
        let mut gateway = Gateway::new();
        for _ in 0..3 {
            gateway.paths.tc_decap += 1000;
            gateway.paths.tc_local += 1000;
            gateway.window(100_000, 0);
        }
        let problems: Vec<_> = gateway.found.problems().collect();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].contains("tc_decap") && problems[1].contains("tc_local"));
    }

    #[test]
    fn flooded_frames_and_a_few_known_ones_say_nothing() {
        let mut gateway = Gateway::new();
        for _ in 0..10 {
            gateway.paths.tc_flood += 10_000;
            gateway.paths.xdp_to_tc += 10_000;
            assert_eq!(gateway.window(0, ENOUGH - 1), 0);
        }
    }

    #[test]
    fn a_share_of_tc_is_no_problem() {
        let mut gateway = Gateway::new();
        assert_eq!([(); 5].map(|()| gateway.window(300, 299)), [0; 5]);
    }

    #[test]
    fn a_quiet_gateway_keeps_the_problem_for_a_while_only() {
        let mut gateway = Gateway::new();
        for _ in 0..3 {
            gateway.window(0, 500);
        }
        let quiet: Vec<usize> = (0..7).map(|_| gateway.window(0, 0)).collect();
        assert_eq!(quiet, [1, 1, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn where_an_interface_is_in_tc_mode_tc_is_expected() {
        let mut gateway = Gateway::new();
        for _ in 0..3 {
            gateway.window(0, 500);
        }
        let without = Expected { encap: false, ..ALL };
        // The window in which that changes says nothing.
        assert_eq!(gateway.window_with(without, 0, 500), 1);
        assert_eq!([(); 4].map(|()| gateway.window_with(without, 0, 500)), [0; 4]);
    }

    #[test]
    fn frames_before_the_agent_started_are_past() {
        let mut found = SlowPath::default();
        let paths = Paths { tc_encap: 1_000_000, ..Paths::default() };
        let mut now = Duration::from_secs(5);
        for _ in 0..5 {
            found.poll(paths, ALL, now);
            now += WINDOW;
        }
        assert_eq!((found.problems().count(), found.measured()), (0, Some(Carried::default())));
    }
}
