//! A minimal HTTP client on a host of the lab, for single requests.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

use anyhow::{Context, Result};

use crate::{Host, wait::SOON};

/// Reply of a server.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status code, like 200.
    pub status: u16,
    /// All headers, a line for each.
    pub headers: String,
    /// The body.
    pub body: String,
}

/// Gets `path`. The server sends the body in one piece, since the request is HTTP/1.0.
///
/// # Errors
/// If there is no server, or the reply is no HTTP.
pub fn get(host: &Host, address: SocketAddr, path: &str) -> Result<Reply> {
    ask(host, address, &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n"))
}

/// Sends a request as it is, and returns the reply.
///
/// # Errors
/// If there is no server, or the reply is no HTTP.
pub fn ask(host: &Host, address: SocketAddr, request: &str) -> Result<Reply> {
    let answer = host.enter(|| {
        let mut stream = TcpStream::connect_timeout(&address, SOON)?;
        stream.set_read_timeout(Some(SOON))?;
        // A server that has read enough may have answered and closed the connection already.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error.into()),
            _ => Ok(answer),
        }
    })?;
    let text = String::from_utf8(answer)?;
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("{address} answered {text:?}"))?;
    let (first, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("{address} answered {first:?}"))?;
    Ok(Reply { status, headers: headers.replace('\r', ""), body: body.into() })
}

/// Escapes `text` as a part of a URL.
pub fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02X}") })
        .collect()
}
