//! Netlink: opens the sockets, sends the requests and decodes the answers, for all of this crate.
//!
//! - `socket` opens the connections of tasks: one for requests, one for notifications.
//! - `request` sends single requests from threads without a runtime; `attribute` has their attributes.
//! - `link`, `address`, `route` and `neighbour` decode a kind of message each, and `change` the notifications.
//!
//! The modules above this one decide what to request, and what follows from an answer.

mod address;
mod attribute;
mod change;
mod error;
mod link;
mod neighbour;
mod request;
mod route;
mod socket;

pub use address::InterfaceAddress;
pub use attribute::{attribute, push_attribute};
pub use change::Change;
pub use link::{Link, MasterKind, Vlan};
pub use neighbour::{Neighbour, NeighbourKey, NeighbourState};
pub use request::{request, request_with};
pub use route::{Answer, Forbidden, Route};
pub use rtnetlink::Handle;
pub use socket::{connect, listen};

pub(crate) use address::addresses;
pub(crate) use error::{ANSWER_LIMIT, io_error};
pub(crate) use link::{link_named, links, set_promiscuous};
pub(crate) use neighbour::{ManageRequest, manage_neighbour, neighbour_of, neighbours};
pub(crate) use route::look_up;
pub(crate) use socket::{Changes, subscribe};
