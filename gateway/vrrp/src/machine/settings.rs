//! Settings of a [`Machine`](super::Machine).

use std::{net::IpAddr, time::Duration};

use crate::{Interval, Priority, Version};

/// Configuration of a virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Priority before tracking changes it. The higher one wins.
    pub priority: Priority,
    /// Time between own advertisements.
    pub interval: Interval,
    /// Protocol version that is sent.
    pub version: Version,
    /// Source address of advertisements. Between equal priorities the higher address wins.
    pub own: IpAddr,
    /// True if this node takes the role from an active node of lower priority.
    pub preempt: bool,
    /// Time from the first advertisement of a lower priority until this node takes the role.
    pub preempt_delay: Duration,
    /// Time from the start until this node takes part.
    pub startup_delay: Duration,
    /// Longest time by which the clock of the data plane lags. The data plane compares leases with that clock.
    pub lag: Duration,
    /// Time until a node that does not receive this node's advertisements is preempted again, after the role was left
    /// to it.
    pub retry: Duration,
}
