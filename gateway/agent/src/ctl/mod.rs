//! The agent's side of the control socket.

mod admission;
mod listener;
pub mod server;

pub use listener::group;
pub use server::{Counters, CtlError, Request, Requests, open};
