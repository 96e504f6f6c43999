//! The protocol's quantities.

use std::{fmt, time::Duration};

/// Virtual router identifier, 1 to 255 (RFC 9568 section 5.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(u8);

impl Vrid {
    /// Returns `None` for 0, which is reserved.
    pub const fn new(value: u8) -> Option<Self> {
        if value == 0 { None } else { Some(Self(value)) }
    }

    /// Returns the number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Priority that a router can be configured with, 1 to 255 (RFC 9568 section 5.2.4). 255 is that of the owner of the
/// addresses. On the wire there is also 0, sent by a router that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// Priority of the owner of the addresses.
    pub const OWNER: Self = Self(255);
    /// Priority of a router without a configured one.
    pub const DEFAULT: Self = Self(100);

    /// Returns `None` for 0.
    pub const fn new(value: u8) -> Option<Self> {
        if value == 0 { None } else { Some(Self(value)) }
    }

    /// Returns the number.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Returns the priority after tracking has added `delta`: 1 to 254. The owner's priority never changes.
    #[must_use]
    pub(crate) fn adjusted(self, delta: i32) -> Self {
        if self == Self::OWNER {
            return self;
        }
        Self(i32::from(self.0).saturating_add(delta).clamp(1, 254) as u8)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Time between advertisements in centiseconds, 1 to 4095 (RFC 9568 section 5.2.7, twelve bits). Version 2 has whole
/// seconds only, 1 to 255 (RFC 3768 section 5.3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(u16);

impl Interval {
    /// One second.
    pub const DEFAULT: Self = Self(100);

    /// Returns `None` for 0, and beyond 4095.
    pub const fn from_centiseconds(value: u16) -> Option<Self> {
        if value == 0 || value > 4095 { None } else { Some(Self(value)) }
    }

    /// Returns `None` for 0. More than 40 seconds, which version 2 can express, are cut to 4095 centiseconds.
    pub const fn from_seconds(value: u8) -> Option<Self> {
        let centiseconds = value as u16 * 100;
        Self::from_centiseconds(if centiseconds > 4095 { 4095 } else { centiseconds })
    }

    /// Returns the number of centiseconds.
    pub const fn centiseconds(self) -> u16 {
        self.0
    }

    /// Returns the interval as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64 * 10)
    }

    /// Returns three times the interval. A lease of one advertisement runs that long, and a backup takes over after
    /// that much silence plus the skew.
    pub const fn three(self) -> Duration {
        Duration::from_millis(self.0 as u64 * 30)
    }

    /// Returns Skew_Time (RFC 9568 section 6.1): (256 - priority) / 256 of the interval.
    pub fn skew(self, priority: Priority) -> Duration {
        self.duration() * (256 - u32::from(priority.get())) / 256
    }

    /// Returns Active_Down_Interval (RFC 9568 section 6.1): three intervals and the skew.
    pub fn down(self, priority: Priority) -> Duration {
        self.three() + self.skew(priority)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.duration())
    }
}

/// Protocol version that is sent. Both versions are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 3768: IPv4 only, whole seconds.
    V2,
    /// RFC 9568.
    #[default]
    V3,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "2",
            Self::V3 => "3",
        })
    }
}

/// Data that the checksum of version 3 over IPv4 covers when sent. Both forms are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// The message and a pseudo-header (RFC 9568 section 5.2.8).
    #[default]
    PseudoHeader,
    /// The message alone, as in version 2.
    MessageOnly,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_and_down_interval_are_those_of_the_rfc() {
        let second = Interval::DEFAULT;
        assert_eq!(second.skew(Priority::DEFAULT), Duration::from_micros(609_375));
        assert_eq!(second.down(Priority::DEFAULT), Duration::from_micros(3_609_375));
        assert_eq!(second.skew(Priority::OWNER), Duration::from_nanos(3_906_250));
    }

    #[test]
    fn tracking_moves_a_priority_within_bounds_and_never_the_owner_s() {
        assert_eq!(Priority::DEFAULT.adjusted(-20).get(), 80);
        assert_eq!(Priority::DEFAULT.adjusted(-300).get(), 1);
        assert_eq!(Priority::DEFAULT.adjusted(300).get(), 254);
        assert_eq!(Priority::OWNER.adjusted(-20), Priority::OWNER);
    }

    #[test]
    fn what_is_no_value_of_the_protocol_is_none() {
        assert!(Vrid::new(0).is_none() && Priority::new(0).is_none() && Interval::from_centiseconds(0).is_none());
        assert!(Interval::from_centiseconds(4096).is_none() && Interval::from_seconds(0).is_none());
        assert_eq!(Interval::from_seconds(255).unwrap().centiseconds(), 4095);
    }
}
