//! The agent's side of the control socket: its path in the file system ([`listener`]), the clients that it admits
//! ([`admission`]) and serves ([`server`]), and their requests to the loop ([`request`]).

mod admission;
mod error;
mod listener;
mod request;
mod server;

pub use error::CtlError;
pub(crate) use listener::group;
#[cfg(test)]
pub(crate) use request::Reply;
pub use request::{Request, Requests};
pub(crate) use server::{Counters, open};
