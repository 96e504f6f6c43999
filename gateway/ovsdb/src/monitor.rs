//! The three monitor methods that follow tables, from the newest to the oldest.

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{Uuid, update::Format};

/// Method that monitors tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// `monitor_cond_since`: from a transaction on, if the server still knows it (`ovsdb-server(7)`, 4.1.15; OVS 2.12).
    Since,
    /// `monitor_cond`: with differences (`ovsdb-server(7)`, 4.1.12; OVS 2.6).
    Cond,
    /// `monitor`: the method of the RFC (section 4.1.5).
    Plain,
}

/// Contents of a monitor reply or of an update notification.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    /// True for the complete contents, false for the changes since then.
    pub complete: bool,
    /// Transaction that the copy corresponds to once this is applied.
    pub transaction: Option<Uuid>,
    pub updates: &'a RawValue,
    pub format: Format,
}

impl Method {
    /// Returns the method to try when the server does not know this one.
    pub(crate) fn older(self) -> Option<Self> {
        match self {
            Self::Since => Some(Self::Cond),
            Self::Cond => Some(Self::Plain),
            Self::Plain => None,
        }
    }

    /// Returns the name of the method.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Since => "monitor_cond_since",
            Self::Cond => "monitor_cond",
            Self::Plain => "monitor",
        }
    }

    /// Returns the parameters of the method.
    pub(crate) fn params(self, database: &str, id: &Value, requests: Value, since: Option<Uuid>) -> Value {
        match self {
            Self::Since => json!([database, id, requests, since.unwrap_or(Uuid::ZERO)]),
            Self::Cond | Self::Plain => json!([database, id, requests]),
        }
    }

    /// Parses the reply.
    pub(crate) fn reply(self, result: &RawValue) -> Result<Contents<'_>, serde_json::Error> {
        match self {
            Self::Since => {
                let (found, transaction, updates) = serde_json::from_str::<(bool, Uuid, _)>(result.get())?;
                let transaction = Some(transaction).filter(|&transaction| transaction != Uuid::ZERO);
                Ok(Contents { complete: !found, transaction, updates, format: Format::Difference })
            }
            Self::Cond => {
                Ok(Contents { complete: true, transaction: None, updates: result, format: Format::Difference })
            }
            Self::Plain => Ok(Contents { complete: true, transaction: None, updates: result, format: Format::OldNew }),
        }
    }
}

/// Id of a monitor, as a server returns it: any JSON, which is not parsed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct MonitorId<'a>(#[serde(borrow)] &'a RawValue);

impl MonitorId<'_> {
    /// Returns true if this is the number `id`.
    pub(crate) fn is_number(self, id: u64) -> bool {
        self.0.get().parse() == Ok(id)
    }

    /// Returns true if this is the name `id`, which must not contain characters that JSON escapes.
    pub(crate) fn is_name(self, id: &str) -> bool {
        self.0.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) == Some(id)
    }
}

/// Parses a notification; `None`: it is not about a monitor. The first part of the result is the monitor's id.
pub(crate) fn notification<'a>(
    method: &str,
    params: &'a RawValue,
) -> Option<Result<(MonitorId<'a>, Contents<'a>), serde_json::Error>> {
    #[derive(Deserialize)]
    struct Two<'a>(#[serde(borrow)] MonitorId<'a>, #[serde(borrow)] &'a RawValue);
    #[derive(Deserialize)]
    struct Three<'a>(#[serde(borrow)] MonitorId<'a>, Uuid, #[serde(borrow)] &'a RawValue);
    let contents = |transaction, updates, format| Contents { complete: false, transaction, updates, format };
    let two = |format| {
        let two = serde_json::from_str(params.get());
        two.map(|Two(id, updates)| (id, contents(None, updates, format)))
    };
    Some(match method {
        "update" => two(Format::OldNew),
        "update2" => two(Format::Difference),
        "update3" => serde_json::from_str(params.get())
            .map(|Three(id, transaction, updates)| (id, contents(Some(transaction), updates, Format::Difference))),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "00000000-0000-0000-0000-000000000001";

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn each_method_has_the_next_older_one_after_it() {
        let methods = std::iter::successors(Some(Method::Since), |method| method.older());
        assert_eq!(methods.map(Method::name).collect::<Vec<_>>(), ["monitor_cond_since", "monitor_cond", "monitor"]);
    }

    #[test]
    fn the_last_transaction_is_asked_for_if_there_is_one() {
        let params = |since| Method::Since.params("d", &json!(1), json!({}), since);
        assert_eq!(params(None)[3], "00000000-0000-0000-0000-000000000000");
        assert_eq!(params(Some(UUID.parse().unwrap()))[3], UUID);
    }

    #[test]
    fn a_server_that_knows_the_transaction_sends_the_changes() {
        let json = format!(r#"[true,"{UUID}",{{}}]"#);
        let contents = Method::Since.reply(raw(&json)).unwrap();
        assert_eq!((contents.complete, contents.transaction), (false, UUID.parse().ok()));
    }

    #[test]
    fn a_standalone_database_has_no_transactions_to_go_back_to() {
        let contents = Method::Since.reply(raw(r#"[false,"00000000-0000-0000-0000-000000000000",{}]"#)).unwrap();
        assert_eq!((contents.complete, contents.transaction), (true, None));
    }

    #[test]
    fn notifications_are_read() {
        let json = format!(r#"[7,"{UUID}",{{}}]"#);
        let (id, contents) = notification("update3", raw(&json)).unwrap().unwrap();
        assert!(id.is_number(7) && !id.is_number(8) && !id.is_name("7"));
        assert_eq!((contents.transaction, contents.format), (UUID.parse().ok(), Format::Difference));
        let (id, contents) = notification("update", raw(r#"["x",{}]"#)).unwrap().unwrap();
        assert!(id.is_name("x") && !id.is_name("y") && !id.is_number(7));
        assert_eq!((contents.transaction, contents.format), (None, Format::OldNew));
        assert!(notification("update2", raw("[1]")).unwrap().is_err());
        assert!(notification("locked", raw("[1]")).is_none());
    }
}
