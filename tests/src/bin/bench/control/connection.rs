//! Connections to the database server that process received data as little as possible.

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use super::LATER;

/// A connection that receives whole JSON texts.
struct Connection {
    stream: UnixStream,
    buffer: Vec<u8>,
    /// Number of open brackets. None of the received texts has any in a string.
    depth: i64,
    /// The last bytes received.
    tail: Vec<u8>,
}

impl Connection {
    fn connect(socket: &str) -> Result<Self> {
        let stream = UnixStream::connect(socket).with_context(|| format!("connecting to {socket}"))?;
        stream.set_read_timeout(Some(LATER))?;
        Ok(Self { stream, buffer: vec![0; 1 << 16], depth: 0, tail: Vec::new() })
    }

    fn send(&mut self, text: &str) -> Result<()> {
        self.stream.set_nonblocking(false)?;
        Ok(self.stream.write_all(text.as_bytes())?)
    }

    /// Reads available data, or waits for some if `patient`. Returns true if data came and all of it is complete.
    fn read(&mut self, patient: bool) -> Result<bool> {
        self.stream.set_nonblocking(!patient)?;
        let count = match self.stream.read(&mut self.buffer) {
            Ok(0) => bail!("the server has closed the connection"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock && !patient => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let came = &self.buffer[..count];
        let of = |bracket: u8| came.iter().filter(|byte| **byte == bracket).count() as i64;
        self.depth += of(b'{') - of(b'}');
        if self.depth == 0 {
            self.tail = came[count.saturating_sub(400)..].to_vec();
        }
        Ok(self.depth == 0)
    }
}

/// Client that sends transactions.
pub(crate) struct Writer(Connection);

impl Writer {
    /// Connects.
    pub(crate) fn connect(socket: &str) -> Result<Self> {
        Connection::connect(socket).map(Self)
    }

    /// Sends `operations` without waiting.
    pub(crate) fn send(&mut self, operations: &str) -> Result<()> {
        self.0.send(&format!(r#"{{"method":"transact","params":[{operations}],"id":1}}"#))
    }

    /// Returns true if the answer has just arrived.
    pub(crate) fn is_answered(&mut self) -> Result<bool> {
        self.answered(false)
    }

    /// Sends `operations` and waits for the answer.
    pub(crate) fn transact(&mut self, operations: &str) -> Result<()> {
        self.send(operations)?;
        while !self.answered(true)? {}
        Ok(())
    }

    fn answered(&mut self, patient: bool) -> Result<bool> {
        let complete = self.0.read(patient)?;
        let tail = String::from_utf8_lossy(&self.0.tail);
        ensure!(!complete || !tail.contains("details"), "the transaction failed: {tail}");
        Ok(complete)
    }
}

/// Reader: requests the same tables as the agent, in the same way, and discards the updates.
pub(crate) struct Follower(Connection);

impl Follower {
    /// Connects and sends the request.
    pub(crate) fn connect(socket: &str) -> Result<Self> {
        let mut connection = Connection::connect(socket)?;
        let tables: Map<String, Value> = gateway_sources::vtep::tables()
            .into_iter()
            .map(|table| (table.name, json!([{ "columns": table.columns }])))
            .collect();
        let params = json!([gateway_sources::vtep::DATABASE, 1, tables, "00000000-0000-0000-0000-000000000000"]);
        connection.send(&json!({ "method": "monitor_cond_since", "params": params, "id": 1 }).to_string())?;
        Ok(Self(connection))
    }

    /// Waits for the initial content.
    pub(crate) fn wait_snapshot(&mut self) -> Result<()> {
        self.wait_published()
    }

    /// Waits for an update.
    pub(crate) fn wait_published(&mut self) -> Result<()> {
        while !self.0.read(true)? {}
        Ok(())
    }

    /// Returns true if an update has just arrived.
    pub(crate) fn is_published(&mut self) -> Result<bool> {
        self.0.read(false)
    }
}
