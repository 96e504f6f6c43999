//! A door to a server, which the test can shut, listen at, and put words into.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

/// Messages: `>` from the client, `<` from the server, `x` when the door was shut.
pub(crate) type Transcript = Vec<(char, Value)>;

/// A socket that leads to that of a server.
pub(crate) struct Proxy {
    door: PathBuf,
    to: PathBuf,
    replace: &'static [(&'static str, &'static str)],
    transcript: Arc<Mutex<Transcript>>,
    passing: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Opens the door `door` to the socket `to`. In messages of the client, the first text of each pair of `replace` becomes
    /// the second one.
    pub(crate) fn new(door: String, to: String, replace: &'static [(&'static str, &'static str)]) -> Self {
        let mut proxy = Self { door: door.into(), to: to.into(), replace, transcript: Arc::default(), passing: None };
        proxy.open();
        proxy
    }

    /// Returns the messages so far.
    pub(crate) fn transcript(&self) -> Transcript {
        self.transcript.lock().unwrap().clone()
    }

    /// Ends all connections and lets in no other.
    pub(crate) fn shut(&mut self) {
        self.passing.take().unwrap().abort();
        std::fs::remove_file(&self.door).unwrap();
        self.transcript.lock().unwrap().push(('x', Value::Null));
    }

    /// Lets connections in, one after the other.
    pub(crate) fn open(&mut self) {
        let listener = UnixListener::bind(&self.door).unwrap();
        let (to, replace, transcript) = (self.to.clone(), self.replace, self.transcript.clone());
        self.passing = Some(tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if let Ok(server) = UnixStream::connect(&to).await {
                    pass(client, server, replace, &transcript).await;
                }
            }
        }));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(passing) = self.passing.take() {
            passing.abort();
        }
    }
}

/// Passes messages on until one of the two ends the connection.
async fn pass(
    mut client: UnixStream,
    mut server: UnixStream,
    replace: &[(&str, &str)],
    transcript: &Mutex<Transcript>,
) {
    let (mut from_client, mut from_server) = (Messages::default(), Messages::default());
    loop {
        tokio::select! {
            message = from_client.next(&mut client) => {
                let Some(message) = message else { return };
                transcript.lock().unwrap().push(('>', message.clone()));
                let mut text = message.to_string();
                for (from, to) in replace {
                    text = text.replace(from, to);
                }
                server.write_all(text.as_bytes()).await.unwrap();
            }
            message = from_server.next(&mut server) => {
                let Some(message) = message else { return };
                transcript.lock().unwrap().push(('<', message.clone()));
                client.write_all(message.to_string().as_bytes()).await.unwrap();
            }
        }
    }
}

/// Messages out of a stream, in the most simple way.
#[derive(Default)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
}

impl Messages {
    /// The next message; `None` at the end. A call that is dropped loses none.
    pub(crate) async fn next(&mut self, stream: &mut UnixStream) -> Option<Value> {
        loop {
            let mut messages = serde_json::Deserializer::from_slice(&self.bytes).into_iter();
            if let Some(Ok(message)) = messages.next() {
                self.bytes.drain(..messages.byte_offset());
                return Some(message);
            }
            if stream.read_buf(&mut self.bytes).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}
