//! Requests and replies.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;

/// Longest request, in bytes.
pub const LONGEST: usize = 64 << 10;

/// A request.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Call {
    /// Name of the command.
    pub method: String,
    /// Parameters; strings, if the client follows the protocol.
    pub params: Vec<Value>,
    /// Identifier that the reply must carry. Null: the client wants no reply, so this is a notification and not a
    /// request.
    pub id: Value,
}

/// Reasons for which a message is not a request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCall {
    /// Not JSON, or not a JSON-RPC 1.0 request.
    #[error("it sent something that is no request ({0})")]
    Shape(String),
    /// A request with the id `null` (JSON-RPC 1.0, 1.3).
    #[error("it sent a notification, which has no receiver here")]
    Notification,
}

impl Call {
    /// Makes a request with the id 0.
    pub fn new(method: &str, params: &[&str]) -> Self {
        Self { method: method.to_owned(), params: params.iter().map(|param| (*param).into()).collect(), id: 0.into() }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// See [`BadCall`].
    pub fn parse(text: &[u8]) -> Result<Self, BadCall> {
        let call: Self = serde_json::from_slice(text).map_err(|error| BadCall::Shape(error.to_string()))?;
        if call.id.is_null() { Err(BadCall::Notification) } else { Ok(call) }
    }

    /// Returns the request as JSON.
    pub fn bytes(&self) -> Vec<u8> {
        json!({ "method": self.method, "params": self.params, "id": self.id }).to_string().into_bytes()
    }
}

/// Returns the reply to the request `id` as JSON.
pub fn reply(id: &Value, answer: &Answer) -> Vec<u8> {
    // Open vSwitch's client prints the text unchanged; without a line end, further output would continue the line.
    let line = |text: &str| if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    let (result, error) = match answer {
        Ok(text) => (Value::from(line(text)), Value::Null),
        Err(text) => (Value::Null, Value::from(line(text))),
    };
    json!({ "id": id, "result": result, "error": error }).to_string().into_bytes()
}

/// Parses a reply; `None` if the text is not one.
pub(crate) fn parse_reply(text: &[u8]) -> Option<Answer> {
    #[derive(Deserialize)]
    struct Reply {
        result: Option<String>,
        error: Option<String>,
    }
    let reply: Reply = serde_json::from_slice(text).ok()?;
    match (reply.result, reply.error) {
        (result, None) => Some(Ok(result.unwrap_or_default())),
        (_, Some(error)) => Some(Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_as_it_was_written() {
        let call = Call::new("status", &["json"]);
        assert_eq!(Call::parse(&call.bytes()), Ok(call));
    }

    #[test]
    fn a_reply_reads_as_it_was_written_with_its_line_ended() {
        assert_eq!(parse_reply(&reply(&7.into(), &Ok("fine".into()))), Some(Ok("fine\n".into())));
        assert_eq!(parse_reply(&reply(&7.into(), &Err("no\n".into()))), Some(Err("no\n".into())));
        assert_eq!(parse_reply(&reply(&7.into(), &Ok(String::new()))), Some(Ok(String::new())));
    }

    #[test]
    fn a_reply_carries_the_id_of_its_request_whatever_that_is() {
        let reply: Value = serde_json::from_slice(&reply(&json!(["a", 1]), &Ok(String::new()))).unwrap();
        assert_eq!(reply["id"], json!(["a", 1]));
    }

    #[test]
    fn a_notification_is_no_request() {
        assert_eq!(Call::parse(br#"{"method":"exit","params":[],"id":null}"#), Err(BadCall::Notification));
    }

    #[test]
    fn a_message_without_method_or_list_is_no_request() {
        for text in ["{}", r#"{"method":1,"params":[],"id":0}"#, r#"{"method":"x","params":{},"id":0}"#] {
            assert!(matches!(Call::parse(text.as_bytes()), Err(BadCall::Shape(_))), "{text}");
        }
    }
}
