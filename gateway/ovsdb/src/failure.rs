//! Reasons for which a connection fails.

use std::time::Duration;

use gateway_base::json_framing::FramingError;

use super::{
    Cause,
    message::{MessageError, RpcError},
    replica::UnknownRow,
    server::WrongServer,
};

/// Reason for which a connection fails. The text describes the server, which is named next to it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
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
    #[error("it sent {bytes} bytes for {what}, which is far too much")]
    TooMuch { what: &'static str, bytes: usize },
    #[error("it sent a change before the picture that it changes")]
    TooEarly,
    #[error("it refused {request}: {error}")]
    Refused { request: &'static str, error: RpcError },
    #[error("it has been silent for {0:.1?}")]
    Silent(Duration),
    #[error("it has not answered a request for {0:.0?}")]
    Unanswered(Duration),
    #[error("it has been sending one message for {0:.0?}")]
    Slow(Duration),
    #[error("it does not read what it is sent: more than {0} bytes wait for it")]
    Deaf(usize),
}

impl Failure {
    /// Returns the cause of the failure.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Framing(FramingError::Tls) => Cause::Tls,
            Self::WrongServer(_) => Cause::WrongServer,
            Self::Unreadable { what: "get_schema", .. } | Self::Refused { request: "get_schema", .. } => Cause::Schema,
            Self::Silent(_) | Self::Unanswered(_) | Self::Slow(_) | Self::Deaf(_) => Cause::Silent,
            Self::Framing(_)
            | Self::Message(_)
            | Self::UnknownRow(_)
            | Self::Unreadable { .. }
            | Self::TooMuch { .. }
            | Self::TooEarly
            | Self::Refused { .. } => Cause::Protocol,
        }
    }
}
