//! What is shown of a running gateway: one type for each thing that has a name on the command line.
//!
//! These types are the schema of everything that `vtep-gateway status --json` and `vtep-gateway show NOUN --json` print and
//! that the control socket answers to `status json` and `show/NOUN`. The agent fills them ([`gateway_agent`]); tables,
//! metrics, the full-screen view and the doctor read them. `docs/JSON.md` describes every field, and a test holds the two
//! together. Fields are added; one that is there keeps its name, its unit and its meaning.
//!
//! Units are in the names: `_seconds`, `_ms`, `_bytes`. Counters only grow, until the maps they are in are made anew. A VLAN
//! of 0 is untagged frames. MAC and IP addresses are texts.
//!
//! All but [`macs`] are cheap to have: they cost as much as there are switches, bindings and tunnels, not MACs. MACs, of
//! which there may be a million, come in pages.

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
pub use interfaces::{Interface, InterfaceRole, Link, Mode};
pub use macs::{Kind, Mac, MacFilter, Macs, Place};
pub use neighbours::{Neighbour, NeighbourState};
pub use status::EVERY_TUNNEL;
pub use status::{Forwarding, Status};
pub use switches::Switch;
pub use tunnels::{Path, Tunnel};
pub use vrrp::{Ablest, Nodes, OtherRouter, Role, Router, VrrpCounters};

/// Version of what `--json` writes. It grows where a field changes its meaning or goes, not where one is added.
pub const SCHEMA: u32 = 1;

/// All of it but the MACs, as of one moment. The control socket answers with it to `show/everything`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Everything {
    /// What `status` tells.
    pub status: Status,
    /// The logical switches, by name.
    pub switches: Vec<Switch>,
    /// The bindings, by port and VLAN.
    pub bindings: Vec<Binding>,
    /// The tunnels, by their ends.
    pub tunnels: Vec<Tunnel>,
    /// The next hops of the tunnels, by interface and address.
    pub neighbours: Vec<Neighbour>,
    /// What happened, and on which path, each counter there is.
    pub counters: Vec<Counter>,
    /// Why packets were dropped, each reason there is.
    pub drops: Vec<Counter>,
}
