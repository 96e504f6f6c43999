//! The kinds of events, by name.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::Event;

macro_rules! kinds {
    ($( $(#[$doc:meta])* $kind:ident, )+) => {
        /// Kind of an event. Its name is the value of `event` in JSON, and `monitor --only` takes it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum)]
        #[serde(rename_all = "snake_case")]
        #[value(rename_all = "snake_case")]
        pub enum Kind {
            $( $(#[$doc])* $kind, )+
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$( Self::$kind, )+];
        }

        impl Event {
            /// Returns the kind of the event.
            pub const fn kind(&self) -> Kind {
                match self {
                    $( Self::$kind { .. } => Kind::$kind, )+
                }
            }
        }
    };
}

kinds! {
    /// The agent has started.
    Started,
    /// The configuration was read again, and is in force.
    Reloaded,
    /// The configuration was read again, and is not in force.
    ReloadRefused,
    /// A station was learned.
    Learned,
    /// A learned station now sends from another place.
    Moved,
    /// A station behind an access port has announced its IP address.
    Announced,
    /// A station has not sent for the ageing time, and is forgotten.
    Aged,
    /// A learned station is forgotten for another reason.
    Forgotten,
    /// A logical switch begins to forward.
    SwitchAdded,
    /// A logical switch no longer forwards.
    SwitchRemoved,
    /// A VLAN of an access port is bound.
    BindingAdded,
    /// A VLAN of an access port is no longer bound.
    BindingRemoved,
    /// Packets to a remote VTEP can leave.
    NextHopResolved,
    /// Packets to a remote VTEP can no longer leave.
    NextHopLost,
    /// A virtual router has another role on this node.
    RoleChanged,
    /// A lease ran out while this node was active.
    LeaseLost,
    /// The state of the database connection changed.
    Database,
    /// A problem was raised.
    Problem,
    /// A problem was cleared.
    ProblemGone,
    /// A fault was raised and published to the database.
    Fault,
    /// Such a fault was cleared.
    FaultGone,
    /// Events were left out of the journal.
    LeftOut,
    /// Events were removed before they were read.
    Missed,
}

impl Kind {
    /// Returns the name of the kind.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Returns true if a station on a VLAN, in a VM or behind a tunnel can cause such events.
    pub const fn is_of_stations(self) -> bool {
        matches!(self, Self::Learned | Self::Moved | Self::Announced | Self::Aged | Self::Forgotten)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}
