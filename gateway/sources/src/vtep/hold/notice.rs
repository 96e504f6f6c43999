//! Notifications of state changes, with their texts.

use std::{fmt, time::Duration};

/// Notification of a state change, reported once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The database cannot be reached. Forwarding stays for this time, or without limit.
    Gone(Option<Duration>),
    /// Everything was withdrawn from this number of logical switches, as by a controller that exits. Holds the hold
    /// time too.
    Withdrawn(usize, Duration),
    /// The database was recreated. It had this number of logical switches. Holds the hold time too.
    Emptied(usize, Duration),
    /// This gateway's row was deleted. This number of logical switches forwarded. Holds the hold time too.
    Deleted(usize, Duration),
    /// The database is back, or a controller has filled it.
    Restored,
    /// The hold time is over.
    Expired,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(None) => f.write_str("the database is gone: forwarding stays as it is until it is back"),
            Self::Gone(Some(hold)) => {
                write!(f, "the database is gone: forwarding stays as it is for {} seconds at most", hold.as_secs())
            }
            Self::Deleted(switches, hold) => write!(
                f,
                "this gateway's row in Physical_Switch was deleted, and all of its bindings with it: {switches} logical \
                 switches forward as before for {} seconds at most; bind their VLANs again (vtep-ctl bind-ls)",
                hold.as_secs()
            ),
            Self::Withdrawn(switches, hold) => write!(
                f,
                "all tunnel keys and remote MACs were withdrawn at once, as by a controller that exits: {switches} logical \
                 switches forward as before for {} seconds at most",
                hold.as_secs()
            ),
            Self::Emptied(switches, hold) => write!(
                f,
                "the database was emptied: {switches} logical switches forward as before for {} seconds at most",
                hold.as_secs()
            ),
            Self::Restored => f.write_str("the database is back and filled: forwarding follows it"),
            Self::Expired => f.write_str("the hold time is over: what was held is no longer forwarded"),
        }
    }
}
