//! Why a connection can't go on.

use std::time::Duration;

use super::{
    framing::FramingError,
    message::{MessageError, RpcError},
    replica::UnknownRow,
    server::WrongServer,
};

/// Why a connection can't go on. It is said of the server, which is told beside it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Framing(#[from] FramingError),
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(transparent)]
    WrongServer(#[from] WrongServer),
    #[error(transparent)]
    UnknownRow(#[from] UnknownRow),
    #[error("it sent something for {what} that can't be read: {error}")]
    Unreadable { what: &'static str, error: serde_json::Error },
    #[error("it sent a change before the picture that it changes")]
    TooEarly,
    #[error("it refused {request}: {error}")]
    Refused { request: &'static str, error: RpcError },
    #[error("it has been silent for {0:.1?}")]
    Silent(Duration),
}
