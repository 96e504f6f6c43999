//! Driver: runs one session after another, each on a connection of its own.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    io,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use gateway_base::clock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, WriteHalf},
    sync::{mpsc, oneshot},
    task::yield_now,
    time::{sleep_until, timeout},
};

use super::{
    Cause, Client, Decoder, Event, Events, Options, OptionsError, TransactError,
    client::{Command, Contact, Outcome},
    conversation::Output,
    events::{self, EventSender},
    replica::Replica,
    rotation::Rotation,
    session::Session,
    tls,
    transport::{self, Stream},
};

/// Timeout for connecting, TLS handshake included.
const CONNECT: Duration = Duration::from_secs(5);
/// Size in bytes of one read.
const READ: usize = 64 << 10;
/// Limit of unsent bytes above which no further transaction is accepted.
const UNSENT: usize = 1 << 20;

/// Opens a database: keeps a copy of the tables of `options`, with rows decoded by `decoder`.
///
/// The third part of the result is a future that does the work. Nothing happens before it is run. It ends when the
/// [`Events`] are dropped. Changes and replies to transactions are delivered in the order in which the server sent
/// them.
///
/// # Errors
/// `options` don't make sense. A server that can't be reached is no error, but an [`Event::Down`].
pub fn open<D: Decoder>(
    options: Options,
    decoder: D,
) -> Result<(Client, Events<D::Row>, impl Future<Output = ()>), OptionsError> {
    options.check()?;
    let (client, commands) = Client::new();
    let (sender, events) = events::queue();
    let driver = Driver {
        replica: Replica::new(decoder, &options.tables),
        rotation: Rotation::new(options.remotes.len(), RandomState::new().hash_one(0)),
        options: Arc::new(options),
        commands,
        contact: client.contact(),
        events: sender,
    };
    Ok((client, events, driver.run()))
}

struct Driver<D: Decoder> {
    options: Arc<Options>,
    replica: Replica<D>,
    rotation: Rotation,
    commands: mpsc::Receiver<Command>,
    contact: Contact,
    events: EventSender<D::Row>,
}

/// The receiver of the events was dropped.
struct Left;

/// End of a connection.
struct Ended {
    reason: String,
    cause: Cause,
    /// Time for which the connection was usable.
    lasted: Option<Duration>,
}

impl<D: Decoder> Driver<D> {
    async fn run(mut self) {
        // After the end there is nothing left to do.
        let Err(Left) = self.go_round().await;
    }

    async fn go_round(&mut self) -> Result<std::convert::Infallible, Left> {
        loop {
            let (options, at) = (self.options.clone(), self.rotation.remote());
            let remote = options.remotes.get(at);
            let connecting = timeout(CONNECT, transport::connect(remote, options.tls.as_ref(), &options.server));
            let reason = format!("still connecting to {remote}");
            let Ended { reason, cause, lasted } = match self.meanwhile(&reason, connecting).await? {
                Ok(Ok(stream)) => self.talk(stream, remote.to_string()).await?,
                Ok(Err(error)) => Ended { reason: error.to_string(), cause: error.cause(), lasted: None },
                Err(_) => {
                    let reason = format!("no answer within {CONNECT:?}");
                    Ended { reason, cause: Cause::Unreachable, lasted: None }
                }
            };
            self.events.send(Event::Down { remote: remote.to_string(), reason: reason.clone(), cause });
            let again = self.rotation.failed(now(), lasted);
            self.meanwhile(&reason, sleep_until(again.into())).await?;
        }
    }

    /// Waits for a future while there is no connection.
    async fn meanwhile<T>(&mut self, reason: &str, what: impl Future<Output = T>) -> Result<T, Left> {
        let mut what = pin!(what);
        loop {
            tokio::select! {
                result = &mut what => return Ok(result),
                Some(command) = self.commands.recv() => match command {
                    Command::Transact { reply, .. } => {
                        answer(reply, Err(TransactError::Down { reason: reason.to_owned() }));
                    }
                    // A lock belongs to a connection.
                    Command::Lock { .. } => {}
                },
                () = self.events.left() => return Err(Left),
            }
        }
    }

    /// Runs one connection until it ends.
    async fn talk(&mut self, stream: Box<dyn Stream>, remote: String) -> Result<Ended, Left> {
        let mut session = Session::new(now(), remote, &self.options);
        let mut waiting = HashMap::new();
        let (reason, cause) = self.converse(stream, &mut session, &mut waiting).await?;
        for reply in waiting.into_values() {
            answer(reply, Err(TransactError::Down { reason: reason.clone() }));
        }
        let lasted = session.live_since().map(|since| now() - since);
        Ok(Ended { reason, cause, lasted })
    }

    /// Runs the session until it fails. Returns the reason.
    async fn converse(
        &mut self,
        stream: Box<dyn Stream>,
        session: &mut Session,
        waiting: &mut HashMap<u64, oneshot::Sender<Outcome>>,
    ) -> Result<(String, Cause), Left> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut buffer = vec![0; READ];
        let mut flushed = true;
        // The last messages of a server explain more than a failed write. So the connection is read to its end.
        let mut send_error: Option<io::Error> = None;
        loop {
            let outgoing = session.unsent();
            let room = outgoing.len() < UNSENT;
            let sending = send_error.is_none() && !(outgoing.is_empty() && flushed);
            let deadline = session.deadline();
            tokio::select! {
                read = reader.read(&mut buffer) => match read {
                    Ok(0) => return Ok(ended(None, send_error)),
                    Err(error) => return Ok(ended(Some(error), send_error)),
                    Ok(count) => {
                        self.contact.received(clock::realtime());
                        let mut outputs = Vec::new();
                        let result = session.receive(now(), &buffer[..count], &mut self.replica, &mut outputs);
                        self.give(outputs, waiting);
                        if let Err(failure) = result {
                            return Ok((failure.to_string(), failure.cause()));
                        }
                        // A server that never stops sending must not block this thread for all else.
                        yield_now().await;
                    }
                },
                put = put(&mut writer, outgoing), if sending => match put {
                    Ok(count) => {
                        session.sent(count);
                        flushed = count == 0;
                    }
                    Err(error) => send_error = Some(error),
                },
                () = sleep_until(deadline.unwrap_or_else(now).into()), if deadline.is_some() => {
                    if let Err(failure) = session.check(now()) {
                        return Ok((failure.to_string(), failure.cause()));
                    }
                }
                Some(command) = self.commands.recv(), if room => match command {
                    Command::Transact { operations, reply } => match session.transact(now(), &operations) {
                        Ok(call) => drop(waiting.insert(call, reply)),
                        Err(error) => answer(reply, Err(error)),
                    },
                    Command::Lock { name, request } => {
                        session.lock(now(), &name, request).into_iter().for_each(|event| self.events.send(event));
                    }
                },
                () = self.events.left() => return Err(Left),
            }
        }
    }

    fn give(&mut self, outputs: Vec<Output<D::Row>>, waiting: &mut HashMap<u64, oneshot::Sender<Outcome>>) {
        for output in outputs {
            match output {
                Output::Event(event) => self.events.send(event),
                Output::Answer { call, outcome } => {
                    if let Some(reply) = waiting.remove(&call) {
                        answer(reply, outcome);
                    }
                }
            }
        }
    }
}

/// Writes some of `bytes`. If there are none, flushes the bytes that were written before. A call that is dropped before
/// its end has done nothing.
async fn put(writer: &mut WriteHalf<Box<dyn Stream>>, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        writer.flush().await.map(|()| 0)
    } else {
        match writer.write(bytes).await {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            result => result,
        }
    }
}

/// Sends the outcome to the client. A client that has gone does not need it.
fn answer(reply: oneshot::Sender<Outcome>, outcome: Outcome) {
    let _: Result<(), Outcome> = reply.send(outcome);
}

fn ended(read: Option<io::Error>, write: Option<io::Error>) -> (String, Cause) {
    let reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
    match (read.filter(|error| !reset(error)), write) {
        (Some(error), _) | (None, Some(error)) => {
            let cause = if tls::is_about_tls(&error) { Cause::Tls } else { Cause::Closed };
            (tls::explain(&error), cause)
        }
        (None, None) => ("it closed the connection".to_owned(), Cause::Closed),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the driver: the machines below it get the time from here")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
