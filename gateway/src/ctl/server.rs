//! The agent's side of the socket.

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::UnixStream,
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    Answer, Command,
    commands::{Decision, decide},
    listener::Listener,
    message::{BadCall, Call, reply},
};
use crate::ovsdb::framing::{Framer, FramingError};

/// Clients at a time. Whoever comes when there are as many is shown the door.
const CLIENTS: usize = 16;

/// Longest request, in bytes.
const LONGEST: usize = 64 << 10;

/// Bytes read at a time.
const CHUNK: usize = 4 << 10;

/// How long a client has for its next request, to the end of it.
const IDLE: Duration = Duration::from_secs(30);

/// How long the agent has for an answer.
const ANSWER: Duration = Duration::from_secs(60);

/// How long a client has to take a reply.
const WRITE: Duration = Duration::from_secs(5);

/// Rest after a client that could not be accepted: the next one could not be either.
const REST: Duration = Duration::from_secs(1);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    /// Another process answers there.
    #[error("{}: another process listens there; stop it, or set another gateway.run_dir", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// It is something else, which is not removed unasked.
    #[error("{}: there is something that is not a socket; remove it, or set another gateway.run_dir", path.display())]
    NotASocket {
        /// What should be the socket.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot open the control socket {}: {source}", path.display())]
    Open {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// What clients ask of the agent.
pub type Requests = mpsc::Receiver<Request>;

/// A request that waits for its answer. Dropped without one, the client is told so.
#[derive(Debug)]
pub struct Request {
    /// Which command, by its name in the table.
    pub command: &'static str,
    /// As many as the table allows.
    pub params: Vec<String>,
    reply: oneshot::Sender<(Answer, oneshot::Sender<()>)>,
}

impl Request {
    /// True once nobody waits for the answer any more.
    pub fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    /// Answers. The future ends when the client has the answer, or is gone, or does not take it; whoever goes on need
    /// not wait, but a process that ends with this answer should.
    pub fn answer(self, answer: Answer) -> impl Future<Output = ()> {
        let (sent, has_it) = oneshot::channel();
        // A client that is gone needs none.
        let _ = self.reply.send((answer, sent));
        async {
            let _ = has_it.await;
        }
    }
}

/// Opens the socket: what clients ask comes through the one; the other does the work, and has to be polled. It never ends.
/// When it is dropped, clients are hung up on and the socket is gone.
///
/// # Errors
/// The socket can't be.
pub fn open(
    path: &Path,
    commands: &'static [Command],
) -> Result<(Requests, impl Future<Output = ()> + use<>), CtlError> {
    let listener = Listener::open(path)?;
    let (sender, requests) = mpsc::channel(CLIENTS);
    Ok((requests, serve(listener, commands, sender)))
}

async fn serve(listener: Listener, commands: &'static [Command], requests: mpsc::Sender<Request>) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.socket.accept() => match accepted {
                Ok(_) if clients.len() >= CLIENTS => {
                    tracing::warn!("control socket: {CLIENTS} clients are connected, one more was sent away");
                }
                Ok((stream, _)) => {
                    let requests = requests.clone();
                    clients.spawn(async move {
                        if let Err(reason) = client(stream, commands, &requests).await {
                            tracing::warn!("control socket: hung up on a client: {reason}");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!("control socket: a client could not be accepted: {error}");
                    sleep(REST).await;
                }
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

/// Why a client is hung up on.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("it sent a message of more than {LONGEST} bytes")]
    TooLong,
    #[error("it does not speak JSON-RPC")]
    Framing,
    #[error(transparent)]
    Call(#[from] BadCall),
    #[error("it sent no request for {} s", IDLE.as_secs())]
    Silent,
    #[error("it did not take its reply within {} s", WRITE.as_secs())]
    Deaf,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<FramingError> for Trouble {
    fn from(error: FramingError) -> Self {
        match error {
            FramingError::TooLong(_) => Self::TooLong,
            FramingError::Tls | FramingError::NotAnObject(_) | FramingError::TooDeep => Self::Framing,
        }
    }
}

/// Serves a client, one request after the other: nothing is read while one is being answered, so the kernel makes a client
/// wait that sends without end.
async fn client(
    mut stream: UnixStream,
    commands: &'static [Command],
    requests: &mpsc::Sender<Request>,
) -> Result<(), Trouble> {
    let mut framer = Framer::new(LONGEST);
    while let Some(call) = next(&mut stream, &mut framer).await? {
        let id = call.id.clone();
        let (answer, sent) = match decide(commands, call) {
            Decision::Reply(answer) => (answer, None),
            Decision::Ask { command, params } => tokio::select! {
                asked = ask(requests, command, params) => asked,
                () = hung_up(&stream) => return Ok(()),
            },
        };
        timeout(WRITE, stream.write_all(&reply(&id, &answer))).await.map_err(|_| Trouble::Deaf)??;
        if let Some(sent) = sent {
            let _ = sent.send(());
        }
    }
    Ok(())
}

/// The next request, none when the client has hung up.
async fn next(stream: &mut UnixStream, framer: &mut Framer) -> Result<Option<Call>, Trouble> {
    let deadline = Instant::now() + IDLE;
    let mut chunk = [0; CHUNK];
    loop {
        if let Some(text) = framer.next()? {
            return Ok(Some(Call::parse(text)?));
        }
        match timeout_at(deadline, stream.read(&mut chunk)).await.map_err(|_| Trouble::Silent)?? {
            0 => return Ok(None),
            length => framer.push(&chunk[..length]),
        }
    }
}

/// Ends when the client has closed its end of the stream, so that one who no longer waits for an answer takes nobody's
/// place. One that only has nothing more to ask still wants it, and one that has sent more already is not looked at.
async fn hung_up(stream: &UnixStream) {
    let is_closed = async {
        let (read, write) = (stream.ready(Interest::READABLE).await?, stream.ready(Interest::WRITABLE).await?);
        io::Result::Ok(read.is_read_closed() && write.is_write_closed())
    };
    if !is_closed.await.unwrap_or(true) {
        std::future::pending::<()>().await;
    }
}

async fn ask(
    requests: &mpsc::Sender<Request>,
    command: &'static str,
    params: Vec<String>,
) -> (Answer, Option<oneshot::Sender<()>>) {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        requests.send(Request { command, params, reply }).await.ok()?;
        answer.await.ok()
    };
    match timeout(ANSWER, asked).await {
        Ok(Some((answer, sent))) => (answer, Some(sent)),
        Ok(None) => (Err("the agent is ending, and did not answer".to_owned()), None),
        Err(_) => (Err(format!("the agent did not answer within {} s", ANSWER.as_secs())), None),
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
