//! HTTP from a host of the lab, as much of it as is needed to ask one thing.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

use anyhow::{Context, Result};

use crate::{Host, wait::SOON};

/// What was answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Like 200.
    pub status: u16,
    /// All headers, a line for each.
    pub headers: String,
    /// What comes after them.
    pub body: String,
}

/// What is at `path`; the server sends it in one piece, since it is asked in HTTP/1.0.
///
/// # Errors
/// If there is no server, or what it says is no HTTP.
pub fn get(host: &Host, address: SocketAddr, path: &str) -> Result<Reply> {
    ask(host, address, &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n"))
}

/// The answer to a request, which is sent as it is.
///
/// # Errors
/// If there is no server, or what it says is no HTTP.
pub fn ask(host: &Host, address: SocketAddr, request: &str) -> Result<Reply> {
    let answer = host.enter(|| {
        let mut stream = TcpStream::connect_timeout(&address, SOON)?;
        stream.set_read_timeout(Some(SOON))?;
        // A server that has read enough may have answered and hung up already.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error.into()),
            _ => Ok(answer),
        }
    })?;
    let text = String::from_utf8(answer)?;
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("{address} said {text:?}"))?;
    let (first, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("{address} said {first:?}"))?;
    Ok(Reply { status, headers: headers.replace('\r', ""), body: body.into() })
}

/// `text` as a part of a URL.
pub fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02X}") })
        .collect()
}
