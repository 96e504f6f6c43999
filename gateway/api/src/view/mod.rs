//! State of a running gateway: one type for each noun of the command line.
//!
//! These types are the schema of `vtep-gateway status --json` and `vtep-gateway show NOUN --json`, and of the replies
//! of the control socket to `status json` and `show/NOUN`. The crate `gateway-agent` fills them; tables, metrics, the
//! full-screen view and the doctor read them. `docs/JSON.md` describes every field, and a test compares the two. Fields
//! may be added; an existing field keeps its name, its unit and its meaning.
//!
//! Units are in the names: `_seconds`, `_ms`, `_bytes`. Counters only grow, until their maps are created again. A VLAN
//! of 0 means untagged frames. MAC and IP addresses are texts.
//!
//! All but `macs` are cheap to read: the cost depends on the number of switches, bindings and tunnels, not of MACs.
//! There may be a million MACs, so they come in pages.

mod binding_state;
mod bindings;
mod counters;
mod database;
mod health;
mod interfaces;
pub mod mac_text;
mod macs;
mod neighbours;
mod status;
mod switches;
mod tunnels;
mod vrrp;

#[cfg(test)]
mod documents;
#[cfg(any(test, feature = "samples"))]
pub mod samples;

use serde::{Deserialize, Serialize};

pub use binding_state::BindingState;
pub use bindings::{Binding, Traffic};
pub use counters::{Counter, remedy};
pub use database::{Database, DatabaseLock, DatabaseState, Following, Unreachable};
pub use health::{Problem, Severity};
pub use interfaces::{BondMember, Interface, InterfaceRole, LinkState, Mode};
pub use macs::{FilterError, Kind, Mac, MacFilter, Macs, Place};
pub use neighbours::{Neighbour, NeighbourState};
pub use status::EVERY_TUNNEL;
pub use status::{Carried, Forwarding, Status};
pub use switches::Switch;
pub use tunnels::{Path, Tunnel};
pub use vrrp::{Ablest, Nodes, OtherRouter, Role, Router, VrrpCounters};

/// Version of the `--json` output. It grows if a field is removed or changes its meaning, not if one is added.
pub const SCHEMA: u32 = 1;

/// All state but the MACs, at one moment. The control socket returns it for `show/everything`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Everything {
    /// The document of `status`.
    pub status: Status,
    /// The logical switches, by name.
    pub switches: Vec<Switch>,
    /// The bindings, by port and VLAN.
    pub bindings: Vec<Binding>,
    /// The tunnels, by their ends.
    pub tunnels: Vec<Tunnel>,
    /// The next hops of the tunnels, by interface and address.
    pub neighbours: Vec<Neighbour>,
    /// All path counters.
    pub counters: Vec<Counter>,
    /// All drop counters, by reason.
    pub drops: Vec<Counter>,
}
