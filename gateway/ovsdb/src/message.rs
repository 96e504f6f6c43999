//! Messages of JSON-RPC 1.0, in the subset that OVSDB uses (RFC 7047, section 4).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Message from a server.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    /// Expects a reply.
    Request { id: &'a RawValue, method: Cow<'a, str>, params: &'a RawValue },
    /// Expects no reply.
    Notification { method: Cow<'a, str>, params: &'a RawValue },
    /// Reply to the request with this id. An id that is not a number does not belong to this client.
    Reply { id: Option<u64>, result: Result<&'a RawValue, RpcError> },
}

/// Error reply to a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}{}{details}", if details.is_empty() { "" } else { ": " })]
pub struct RpcError {
    /// Name of the error, as the server sends it.
    pub error: String,
    /// Details of the error; may be empty.
    pub details: String,
}

impl RpcError {
    /// Returns true if the server does not know the method. Servers use slightly different texts for it.
    pub(crate) fn is_unknown_method(&self) -> bool {
        self.error.contains("unknown method") || self.details.contains("unknown method")
    }
}

/// Error: a message can't be parsed.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    #[error("it sent a message that is not JSON-RPC: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it sent a message that is neither a request nor a reply")]
    Neither,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Parses one JSON text.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, MessageError> {
        match serde_json::from_slice(text)? {
            Envelope { id: Some(id), method: Some(method), params, .. } => {
                Ok(Self::Request { id, method, params: params.unwrap_or(RawValue::NULL) })
            }
            Envelope { id: None, method: Some(method), params, .. } => {
                Ok(Self::Notification { method, params: params.unwrap_or(RawValue::NULL) })
            }
            Envelope { id: Some(id), method: None, result, error, .. } => {
                let result = error.map_or(Ok(result.unwrap_or(RawValue::NULL)), |error| Err(refusal(error)));
                Ok(Self::Reply { id: id.get().parse().ok(), result })
            }
            Envelope { id: None, method: None, .. } => Err(MessageError::Neither),
        }
    }
}

/// Limit in characters of a server's error text that goes into the log.
const SAID: usize = 500;

/// Truncates `text`.
pub(crate) fn short(mut text: String) -> String {
    if let Some((cut, _)) = text.char_indices().nth(SAID) {
        text.truncate(cut);
        text.push('…');
        text.shrink_to_fit();
    }
    text
}

/// Parses an error. Errors are objects in the RFC (section 3.1, `<error>`); `ovsdb-server` also sends a bare string for
/// some.
fn refusal(json: &RawValue) -> RpcError {
    #[derive(Deserialize)]
    struct Object {
        error: String,
        #[serde(default)]
        details: String,
    }
    if let Ok(Object { error, details }) = serde_json::from_str(json.get()) {
        return RpcError { error: short(error), details: short(details) };
    }
    let error = serde_json::from_str(json.get()).unwrap_or_else(|_| json.get().to_owned());
    RpcError { error: short(error), details: String::new() }
}

/// Writes a request.
pub(crate) fn request(out: &mut Vec<u8>, id: u64, method: &str, params: &impl Serialize) {
    #[derive(Serialize)]
    struct Request<'a, P> {
        id: u64,
        method: &'a str,
        params: &'a P,
    }
    write(out, &Request { id, method, params });
}

/// Writes the reply to a request.
pub(crate) fn reply(out: &mut Vec<u8>, id: &RawValue, result: &RawValue) {
    write(out, &Reply { id, result, error: RawValue::NULL });
}

/// Writes an error reply to a request with an unknown method.
pub(crate) fn refuse(out: &mut Vec<u8>, id: &RawValue) {
    #[derive(Serialize)]
    struct Refusal<'a> {
        id: &'a RawValue,
        result: (),
        error: &'static str,
    }
    write(out, &Refusal { id, result: (), error: "unknown method" });
}

#[derive(Serialize)]
struct Reply<'a> {
    id: &'a RawValue,
    result: &'a RawValue,
    error: &'a RawValue,
}

fn write(out: &mut Vec<u8>, message: &impl Serialize) {
    // Writing to a Vec can't fail, and no message has a map with keys that are not strings.
    serde_json::to_writer(out, message).expect("messages are JSON");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Message<'_> {
        Message::parse(text.as_bytes()).unwrap()
    }

    fn error(text: &str) -> RpcError {
        let Message::Reply { result: Err(error), .. } = parse(text) else { panic!("{text}") };
        error
    }

    #[test]
    fn requests_notifications_and_replies_are_distinguished() {
        assert!(matches!(parse(r#"{"id":"echo","method":"echo","params":[]}"#), Message::Request { .. }));
        assert!(matches!(parse(r#"{"id":null,"method":"update","params":[]}"#), Message::Notification { .. }));
        assert!(matches!(parse(r#"{"method":"update","params":[]}"#), Message::Notification { .. }));
        assert!(matches!(parse(r#"{"id":7,"result":[],"error":null}"#), Message::Reply { id: Some(7), result: Ok(_) }));
    }

    #[test]
    fn a_reply_may_be_null() {
        let Message::Reply { result: Ok(result), .. } = parse(r#"{"id":7,"result":null,"error":null}"#) else {
            panic!()
        };
        assert_eq!(result.get(), "null");
    }

    #[test]
    fn an_id_that_is_not_ours_is_read() {
        assert!(matches!(parse(r#"{"id":"x","result":null}"#), Message::Reply { id: None, .. }));
    }

    #[test]
    fn errors_are_read_as_objects_and_as_strings() {
        let object =
            error(r#"{"id":1,"result":null,"error":{"error":"unknown database","details":"no X","syntax":"1"}}"#);
        assert_eq!(object.to_string(), "unknown database: no X");
        assert_eq!(error(r#"{"id":1,"error":"canceled"}"#).to_string(), "canceled");
        assert_eq!(error(r#"{"id":1,"error":17}"#).to_string(), "17");
    }

    #[test]
    fn other_json_is_refused() {
        for text in ["{}", r#"{"params":[]}"#, r#"{"method":1}"#, "{\"id\":1,}", r#"{"id":1,"id":2}"#, "[]", "\u{1}"] {
            assert!(Message::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_carries_the_id_as_it_came() {
        let Message::Request { id, params, .. } = parse(r#"{"id":["x",1.50],"method":"echo","params":["hi"]}"#) else {
            panic!();
        };
        let mut out = Vec::new();
        reply(&mut out, id, params);
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"id":["x",1.50],"result":["hi"],"error":null}"#);
    }

    #[test]
    fn requests_are_written() {
        let mut out = Vec::new();
        request(&mut out, 3, "get_schema", &["d"]);
        assert_eq!(out, br#"{"id":3,"method":"get_schema","params":["d"]}"#);
    }
}
