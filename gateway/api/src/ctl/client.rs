//! Client side of the control socket: sends a request to an agent and waits for the reply. It blocks.

use std::{
    io::{self, Read, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use gateway_base::json_framing::Framer;
use nix::sys::{
    socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt::SendTimeout},
    time::{TimeVal, TimeValLike},
};

use super::message::{Call, parse_reply};

/// Longest reply, in bytes.
const LONGEST: usize = 16 << 20;

/// Reasons for which a request to an agent fails.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No process listens on the socket.
    #[error(
        "no agent is running: {}: {source}; start one with `vtep-gateway run`, or name the configuration of the one that \
         is meant with --config", path.display()
    )]
    NoAgent {
        /// The socket that was tried.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The connection to the agent failed.
    #[error("cannot talk to the agent at {}: {source}{}", path.display(), hint(source))]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The agent closed the connection before it replied.
    #[error("the agent at {} has hung up without an answer: it has ended, or too many others talk to it; its log says which", path.display())]
    HungUp {
        /// The socket.
        path: PathBuf,
    },
    /// The reply is not that of an agent.
    #[error("what listens at {} is not a vtep-gateway", path.display())]
    Foreign {
        /// The socket.
        path: PathBuf,
    },
    /// The agent refused the request, with this reason.
    #[error("{}", .0.trim_end())]
    Refused(String),
    /// There was no answer in time.
    #[error("the agent at {} has not answered within {} s; it may be hung, see its log and status.json", path.display(), limit.as_secs_f32())]
    TimedOut {
        /// The socket.
        path: PathBuf,
        /// The time limit.
        limit: Duration,
    },
}

fn hint(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied {
        "; run as root, or as a member of the group that gateway.control_group names"
    } else {
        ""
    }
}

impl CallError {
    /// Returns the exit code of a command that fails with this error: 3 if no agent is running, else 1.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::NoAgent { .. }) { 3 } else { 1 }
    }
}

/// Sends a request to the agent at `path` and returns the reply, which must arrive within `limit`.
///
/// # Errors
/// See [`CallError`].
pub fn call(path: &Path, method: &str, params: &[&str], limit: Duration) -> Result<String, CallError> {
    Conversation::open(path, limit)?.ask(method, params)
}

/// Sends a request that ends the agent, and waits up to `limit` until the agent has ended.
///
/// # Errors
/// See [`CallError`].
pub fn end(path: &Path, method: &str, params: &[&str], limit: Duration) -> Result<String, CallError> {
    let mut conversation = Conversation::open(path, limit)?;
    let answer = conversation.ask(method, params)?;
    while !conversation.read()?.is_empty() {}
    Ok(answer)
}

struct Conversation<'a> {
    path: &'a Path,
    limit: Duration,
    deadline: Instant,
    stream: UnixStream,
    chunk: Vec<u8>,
}

impl<'a> Conversation<'a> {
    #[expect(clippy::disallowed_methods, reason = "a command waits in real time")]
    fn open(path: &'a Path, limit: Duration) -> Result<Self, CallError> {
        let deadline = Instant::now() + limit;
        let stream = dial(path, limit).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                CallError::NoAgent { path: path.to_owned(), source }
            }
            _ => trouble(path, limit, source),
        })?;
        Ok(Self { path, limit, deadline, stream, chunk: vec![0; 16 << 10] })
    }

    fn ask(&mut self, method: &str, params: &[&str]) -> Result<String, CallError> {
        self.stream
            .write_all(&Call::new(method, params).bytes())
            .map_err(|error| trouble(self.path, self.limit, error))?;
        let mut framer = Framer::new(LONGEST);
        let foreign = || CallError::Foreign { path: self.path.to_owned() };
        loop {
            if let Some(text) = framer.next_text().map_err(|_| foreign())? {
                return parse_reply(text).ok_or_else(foreign)?.map_err(CallError::Refused);
            }
            let read = self.read()?;
            if read.is_empty() {
                return Err(CallError::HungUp { path: self.path.to_owned() });
            }
            framer.push(read);
        }
    }

    /// Returns the bytes received so far; empty at the end of the stream.
    #[expect(clippy::disallowed_methods, reason = "a command waits in real time")]
    fn read(&mut self) -> Result<&[u8], CallError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(trouble(self.path, self.limit, io::ErrorKind::TimedOut.into()));
        }
        let read = loop {
            let read = self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(&mut self.chunk));
            // The kernel does not restart a read after a signal on a socket with a timeout (signal(7)).
            if !matches!(&read, Err(error) if error.kind() == io::ErrorKind::Interrupted) {
                break read;
            }
        };
        match read {
            Ok(length) => Ok(&self.chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(&[]),
            Err(error) => Err(trouble(self.path, self.limit, error)),
        }
    }
}

/// Connects. If the agent hangs, it accepts no connection, and connecting blocks as long as sending would (unix(7)).
fn dial(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let limit = TimeVal::milliseconds(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX).max(1));
    setsockopt(&socket, SendTimeout, &limit)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(socket))
}

fn trouble(path: &Path, limit: Duration, error: io::Error) -> CallError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => CallError::TimedOut { path, limit },
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => CallError::HungUp { path },
        _ => CallError::Io { path, source: error },
    }
}
