//! Protocol of one connection: the messages and their order.
//!
//! ```text
//! list_dbs ──▶ set_db_change_aware, monitor of _Server ──▶ get_schema ──▶ monitor_cond_since ──▶ live
//!                 (if the server has it)         ▲         ▲                 │ unknown: monitor_cond, monitor
//!                                      wrong one: leave    └─ monitor_canceled: the schema was changed, or worse
//! ```

use std::{collections::HashMap, mem};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{json, value::RawValue};

use super::{
    Decoder, Event, Lock, LockRequest, Operation, Options, TransactError,
    client::Outcome,
    failure::Failure,
    locking::Locking,
    message::{self, Message, RpcError},
    monitor::{self, Contents, Method, MonitorId},
    outbox::Outbox,
    replica::Replica,
    schema::Schema,
    server::{self, Databases},
    transaction::{self, Expected},
    update,
};

/// Limit of unsent bytes. A server that does not read its replies is disconnected.
pub(crate) const UNSENT: usize = 8 << 20;
/// Limit in bytes of the server's data about itself (database `_Server`).
const OF_ITSELF: usize = 1 << 20;

/// Id of the monitor of `_Server`. Those of the tables have numbers.
const SERVER_MONITOR: &str = "server";

/// Result of a message from a server.
#[derive(Debug, PartialEq)]
pub enum Output<R> {
    /// An event to report.
    Event(Event<R>),
    /// A transaction was answered.
    Answer { call: u64, outcome: Outcome },
}

/// State of the protocol on one connection.
#[derive(Debug)]
pub(crate) struct Conversation {
    remote: String,
    database: String,
    leader_only: bool,
    out: Outbox,
    last_call: u64,
    calls: HashMap<u64, Call>,
    databases: Databases,
    locking: Locking,
    /// Number of times that the tables were requested. Messages of earlier rounds are ignored.
    round: u64,
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// The server is not yet known to be the right one, or the schema is awaited.
    Opening,
    /// The complete contents are awaited; the schema has this version.
    Snapshot { schema_version: String },
    /// Changes arrive, and transactions may be sent.
    Live,
}

/// Request that has no reply yet.
#[derive(Debug)]
enum Call {
    Databases,
    ChangeAware,
    Server,
    Schema { round: u64 },
    Tables { round: u64, method: Method },
    Echo,
    Lock { round: u64 },
    Unlock,
    Transaction(Box<[Expected]>),
}

impl Conversation {
    /// Starts the protocol with the server `remote`.
    pub(crate) fn new(remote: String, options: &Options) -> Self {
        let mut conversation = Self {
            remote,
            database: options.database.clone(),
            leader_only: options.leader_only,
            out: Outbox::default(),
            last_call: 0,
            calls: HashMap::new(),
            databases: Databases::default(),
            locking: Locking::default(),
            round: 0,
            phase: Phase::Opening,
        };
        conversation.call("list_dbs", &json!([]), Call::Databases);
        conversation
    }

    pub(crate) fn out(&self) -> &Outbox {
        &self.out
    }

    pub(crate) fn out_mut(&mut self) -> &mut Outbox {
        &mut self.out
    }

    pub(crate) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// Returns true while the complete contents are awaited, which can take a while.
    pub(crate) fn awaits_snapshot(&self) -> bool {
        matches!(self.phase, Phase::Snapshot { .. })
    }

    /// Returns true once the schema was received. From then on messages may be as long as the tables are.
    pub(crate) fn knows_schema(&self) -> bool {
        self.phase != Phase::Opening || self.round > 1
    }

    /// Returns the number of the last request.
    pub(crate) fn last_call(&self) -> u64 {
        self.last_call
    }

    /// Returns true if the request with this number has no reply yet.
    pub(crate) fn awaits(&self, call: u64) -> bool {
        self.calls.contains_key(&call)
    }

    /// Requests or releases a lock. Returns the state of the lock if it is known at once.
    pub(crate) fn lock(&mut self, name: &str, request: LockRequest) -> Option<Lock> {
        if !self.is_live() {
            return None;
        }
        if self.databases.is_relay(&self.database) {
            return (request != LockRequest::Release).then_some(Lock::Unsupported);
        }
        let calls = self.locking.request(name, request);
        if calls.is_empty() {
            return self.locking.state();
        }
        for (method, name) in calls {
            let call = if method == "unlock" { Call::Unlock } else { Call::Lock { round: self.locking.round() } };
            self.call(method, &json!([name]), call);
        }
        None
    }

    /// Sends an echo request, to probe the server.
    pub(crate) fn echo(&mut self) {
        self.call("echo", &json!([]), Call::Echo);
    }

    /// Sends a transaction. Returns the number that identifies its [`Output::Answer`].
    pub(crate) fn transact(&mut self, operations: &[Operation]) -> Result<u64, TransactError> {
        if !self.is_live() {
            let reason = format!("{} has not sent a complete picture yet", self.remote);
            return Err(TransactError::Down { reason });
        }
        let (database, call) = (mem::take(&mut self.database), Call::Transaction(transaction::expected(operations)));
        let id = self.call("transact", &transaction::Params { database: &database, operations }, call);
        self.database = database;
        Ok(id)
    }

    /// Processes a message.
    pub(crate) fn take<D: Decoder>(
        &mut self,
        message: Message<'_>,
        replica: &mut Replica<D>,
        outputs: &mut Vec<Output<D::Row>>,
    ) -> Result<(), Failure> {
        match message {
            Message::Request { id, method, params } => {
                // Checked before the reply is written: the server chooses the length of an echo.
                let unsent = self.out.unsent().len();
                if unsent + id.get().len() + params.get().len() > UNSENT {
                    return Err(Failure::Deaf(UNSENT));
                }
                if method == "echo" {
                    message::reply(self.out.writer(), id, params);
                } else {
                    message::refuse(self.out.writer(), id);
                }
                Ok(())
            }
            Message::Notification { method, params } => self.notified(&method, params, replica, outputs),
            Message::Reply { id, result } => match id.and_then(|id| Some((id, self.calls.remove(&id)?))) {
                Some((id, call)) => self.answered(id, call, result, replica, outputs),
                None => Ok(()),
            },
        }
    }

    fn answered<D: Decoder>(
        &mut self,
        id: u64,
        call: Call,
        result: Result<&RawValue, RpcError>,
        replica: &mut Replica<D>,
        outputs: &mut Vec<Output<D::Row>>,
    ) -> Result<(), Failure> {
        match call {
            Call::Databases => self.open(&read::<Vec<String>>("list_dbs", accepted("list_dbs", result)?)?),
            Call::Server => {
                self.take_server(accepted("a monitor of _Server", result)?)?;
                self.ask_for_schema();
                Ok(())
            }
            Call::Schema { round } if round == self.round => {
                let schema: Schema = read("get_schema", accepted("get_schema", result)?)?;
                replica.set_layout(replica.layout().with(&schema));
                self.phase = Phase::Snapshot { schema_version: schema.version };
                self.ask_for_tables(Method::Since, replica);
                Ok(())
            }
            Call::Tables { round, method } if round == self.round => match (result, method.older()) {
                (Err(error), Some(older)) if error.is_unknown_method() => {
                    self.ask_for_tables(older, replica);
                    Ok(())
                }
                (result, _) => {
                    let result = accepted(method.name(), result)?;
                    let contents = method.reply(result).map_err(|error| unreadable(method.name(), error))?;
                    self.take_snapshot(&contents, replica, outputs)
                }
            },
            Call::Transaction(expected) => {
                outputs.push(Output::Answer { call: id, outcome: transaction::outcome(result, &expected) });
                Ok(())
            }
            // A server that does not know the method ends the connection on a change of schema, which also works.
            Call::ChangeAware | Call::Echo | Call::Unlock => Ok(()),
            Call::Lock { round } => {
                let state = lock_state(result);
                outputs.extend(self.locking.answered(round, state).map(|lock| Output::Event(Event::Lock(lock))));
                Ok(())
            }
            Call::Schema { .. } | Call::Tables { .. } => Ok(()),
        }
    }

    fn notified<D: Decoder>(
        &mut self,
        method: &str,
        params: &RawValue,
        replica: &mut Replica<D>,
        outputs: &mut Vec<Output<D::Row>>,
    ) -> Result<(), Failure> {
        if method == "monitor_canceled" {
            let (id,): (MonitorId<'_>,) =
                serde_json::from_str(params.get()).map_err(|error| unreadable("monitor_canceled", error))?;
            if id.is_number(self.round) {
                self.ask_for_schema();
            }
            return Ok(());
        }
        if let "locked" | "stolen" = method {
            let state = if method == "locked" { Lock::Held } else { Lock::Stolen };
            // A notification of another form is not about a lock of this client.
            if let Ok((name,)) = serde_json::from_str::<(&str,)>(params.get()) {
                outputs.extend(self.locking.notified(name, state).map(|lock| Output::Event(Event::Lock(lock))));
            }
            return Ok(());
        }
        let Some(notification) = monitor::notification(method, params) else { return Ok(()) };
        let (id, contents) = notification.map_err(|error| unreadable("an update", error))?;
        if id.is_name(SERVER_MONITOR) {
            return self.take_server(contents.updates);
        }
        if !id.is_number(self.round) {
            return Ok(());
        }
        if !self.is_live() {
            return Err(Failure::TooEarly);
        }
        let updates = update::read(contents.updates, replica.layout(), contents.format);
        let events = replica.apply(updates.map_err(|error| unreadable("an update", error))?)?;
        replica.set_last_transaction(contents.transaction);
        outputs.extend(events.into_iter().map(Output::Event));
        Ok(())
    }

    /// Continues after the reply to `list_dbs`: the server has the databases `names`.
    fn open(&mut self, names: &[String]) -> Result<(), Failure> {
        if names.iter().any(|name| name == server::DATABASE) {
            self.call("set_db_change_aware", &json!([true]), Call::ChangeAware);
            let params = json!([server::DATABASE, SERVER_MONITOR, server::requests()]);
            self.call(Method::Plain.name(), &params, Call::Server);
        } else if names.contains(&self.database) {
            self.ask_for_schema();
        } else {
            return Err(server::no_such_database(&self.database, names.iter().map(String::as_str)).into());
        }
        Ok(())
    }

    fn take_server(&mut self, updates: &RawValue) -> Result<(), Failure> {
        if updates.get().len() > OF_ITSELF {
            return Err(Failure::TooMuch { what: "a monitor of _Server", bytes: updates.get().len() });
        }
        self.databases.take(updates).map_err(|error| unreadable("a monitor of _Server", error))?;
        Ok(self.databases.judge(&self.database, self.leader_only)?)
    }

    fn ask_for_schema(&mut self) {
        self.round += 1;
        self.phase = Phase::Opening;
        let (params, round) = (json!([self.database]), self.round);
        self.call("get_schema", &params, Call::Schema { round });
    }

    fn ask_for_tables<D: Decoder>(&mut self, method: Method, replica: &Replica<D>) {
        let (round, since) = (self.round, replica.last_transaction());
        let params = method.params(&self.database, &json!(round), replica.layout().requests(), since);
        self.call(method.name(), &params, Call::Tables { round, method });
    }

    fn take_snapshot<D: Decoder>(
        &mut self,
        contents: &Contents<'_>,
        replica: &mut Replica<D>,
        outputs: &mut Vec<Output<D::Row>>,
    ) -> Result<(), Failure> {
        let updates = update::read(contents.updates, replica.layout(), contents.format);
        let updates = updates.map_err(|error| unreadable("a picture", error))?;
        let events = if contents.complete { replica.replace(updates) } else { replica.catch_up(updates)? };
        replica.set_last_transaction(contents.transaction);
        if let Phase::Snapshot { schema_version } = mem::replace(&mut self.phase, Phase::Live) {
            let (remote, missing) = (self.remote.clone(), replica.layout().missing());
            outputs.push(Output::Event(Event::Up { remote, schema_version, missing }));
        }
        outputs.extend(events.into_iter().map(Output::Event));
        Ok(())
    }

    fn call(&mut self, method: &str, params: &impl Serialize, call: Call) -> u64 {
        self.last_call += 1;
        message::request(self.out.writer(), self.last_call, method, params);
        self.calls.insert(self.last_call, call);
        self.last_call
    }
}

fn lock_state(result: Result<&RawValue, RpcError>) -> Lock {
    #[derive(serde::Deserialize)]
    struct Answer {
        locked: bool,
    }
    match result.ok().and_then(|result| serde_json::from_str(result.get()).ok()) {
        Some(Answer { locked: true }) => Lock::Held,
        Some(Answer { locked: false }) => Lock::Waiting,
        // A server that does not know the method has no other client that uses the lock.
        None => Lock::Unsupported,
    }
}

fn accepted<'a>(request: &'static str, result: Result<&'a RawValue, RpcError>) -> Result<&'a RawValue, Failure> {
    result.map_err(|error| Failure::Refused { request, error })
}

fn read<T: DeserializeOwned>(what: &'static str, json: &RawValue) -> Result<T, Failure> {
    serde_json::from_str(json.get()).map_err(|error| unreadable(what, error))
}

fn unreadable(what: &'static str, error: serde_json::Error) -> Failure {
    Failure::Unreadable { what, error }
}
