//! A client of OVSDB (RFC 7047 and the extensions of `ovsdb-server(7)`): a live copy of some tables, and transactions.
//!
//! It knows nothing of what the tables mean. [`open`] gives three things: a [`Client`] that sends transactions, [`Events`]
//! that tell how the tables change, and the future that does the work and has to be run.
//!
//! From the wire up: `framing` cuts the stream into JSON texts, `message` tells requests from replies, and `conversation`
//! says what is asked in which order: `server` judges whether it is the right one, `monitor` follows the tables,
//! `transaction` changes them. `session` is all that for one connection, with `liveness` to notice its end. What the server
//! tells of its tables is read by `update` after the `schema` and kept by the `replica`, which gives the difference. None of
//! them does IO or reads a clock: bytes and the time are passed in. `driver` and `transport` do. When a connection is lost,
//! `rotation` says which server is tried next and when, and the `replica` lives on, so that only what changed meanwhile is
//! told.

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
mod patience;
mod remote;
mod replica;
mod rotation;
mod schema;
pub mod server;
pub mod session;
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
