//! A client of OVSDB (RFC 7047 and the extensions of `ovsdb-server(7)`): a live copy of some tables, and transactions.
//!
//! The client does not know the meaning of the tables. [`open`] returns three things: a [`Client`] that sends
//! transactions, [`Events`] that report the changes of the tables, and a future that does the work and has to be run.
//!
//! From the wire up: `framing` cuts the stream into JSON texts, `message` distinguishes requests from replies, and
//! `conversation` is the order of the messages. In it, `server` checks that the server is the right one, `monitor`
//! follows the tables, and `transaction` changes them. `session` combines these for one connection, with `liveness` to
//! detect its end. `update` parses the updates of tables by the `schema`, and the `replica` keeps the rows and returns
//! the difference. None of these modules does IO or reads a clock: bytes and the time are passed in. `driver` and
//! `transport` do. When a connection is lost, `rotation` selects the next server and the time to try it. The `replica`
//! outlives the connection, so that only the changes since then are reported.

#![forbid(unsafe_code)]

mod client;
mod columns;
mod conversation;
mod difference;
mod driver;
mod event;
mod events;
mod failure;
#[cfg(fuzzing)]
#[allow(missing_docs, unreachable_pub, reason = "not part of the library")]
pub mod fuzzing;
mod layout;
mod liveness;
mod locking;
mod message;
pub mod monitor;
mod operation;
mod options;
mod outbox;
mod packed;
mod remote;
mod replica;
mod rotation;
mod schema;
pub mod server;
pub mod session;
mod timeouts;
mod tls;
mod transaction;
mod transport;
mod update;
mod uuid;
mod value;
mod wire_value;

pub use client::{Client, Contact, LockRequest};
pub use columns::Columns;
pub use driver::open;
pub use event::{Cause, Change, Decoder, Event, Lock, RowError};
pub use events::Events;
pub use operation::{Condition, Function, Mutation, Mutator, Operation, OperationResult, Row, TransactError};
pub use options::{Fingerprint, FingerprintError, Options, OptionsError, ServerIdentity, TableSelect, TlsFiles};
pub use remote::{HostPort, Remote, RemoteError, Remotes};
pub use uuid::{Uuid, UuidError};
pub use value::{Atom, Datum};
