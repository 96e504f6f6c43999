//! Addresses of servers.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

/// Default port of OVSDB (IANA).
const PORT: u16 = 6640;

/// Address of a server in the syntax of Open vSwitch (`ovsdb(7)`, "Active" connection methods).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// `unix:/path`
    Unix(PathBuf),
    /// `tcp:host[:port]`
    Tcp(HostPort),
    /// `ssl:host[:port]`
    Ssl(HostPort),
}

/// Address or name, and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Address, without brackets, or name.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// List of servers, at least one, separated by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remotes(Vec<Remote>);

/// Error: a text is not the address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not where a database server listens: {problem}")]
pub struct RemoteError {
    text: String,
    problem: &'static str,
}

impl Remote {
    /// Returns true for a server on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(to) | Self::Ssl(to) => {
                let address = to.host.parse::<IpAddr>().map(|address| address.to_canonical());
                address.map_or(to.host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
            }
        }
    }
}

impl Remotes {
    /// Returns the servers, in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = &Remote> {
        self.0.iter()
    }

    /// Returns the number of servers.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the server with this index.
    ///
    /// # Panics
    /// If there is no server with this index.
    pub fn get(&self, at: usize) -> &Remote {
        &self.0[at]
    }
}

impl FromStr for Remotes {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, RemoteError> {
        text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Remote {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, RemoteError> {
        parse(text).map_err(|problem| RemoteError { text: text.to_owned(), problem })
    }
}

fn parse(text: &str) -> Result<Remote, &'static str> {
    let (method, rest) = text.split_once(':').ok_or("it should start with unix:, tcp: or ssl:")?;
    match method {
        "unix" if rest.is_empty() => Err("the path of the socket is missing"),
        "unix" => Ok(Remote::Unix(rest.into())),
        "tcp" => Ok(Remote::Tcp(host_port(rest)?)),
        "ssl" => Ok(Remote::Ssl(host_port(rest)?)),
        "punix" | "ptcp" | "pssl" => Err("connections are made, not waited for: unix:, tcp: or ssl:"),
        _ => Err("it should start with unix:, tcp: or ssl:"),
    }
}

fn host_port(text: &str) -> Result<HostPort, &'static str> {
    let (host, rest) = if let Some(text) = text.strip_prefix('[') {
        text.split_once(']').ok_or("the ] after the address is missing")?
    } else if text.matches(':').count() > 1 {
        return Err("an IPv6 address has to be in brackets, as in tcp:[2001:db8::1]:6640");
    } else {
        text.split_at(text.find(':').unwrap_or(text.len()))
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => {
            port.parse().ok().filter(|&port| port > 0).ok_or("the port should be a number from 1 to 65535")?
        }
        None if rest.is_empty() => PORT,
        None => return Err("a colon and the port should come after the address"),
    };
    if host.is_empty() { Err("the address is missing") } else { Ok(HostPort { host: host.to_owned(), port }) }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(to) => write!(f, "tcp:{to}"),
            Self::Ssl(to) => write!(f, "ssl:{to}"),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<Remotes>().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn several_are_read() {
        let text = "unix:/run/db.sock,tcp:10.0.0.1:6641,ssl:[::1]:6640";
        assert_eq!(shown(text), text);
    }

    #[test]
    fn the_port_may_be_left_out() {
        assert_eq!(
            shown("tcp:10.0.0.1, ssl:[::1],tcp:db.example"),
            "tcp:10.0.0.1:6640,ssl:[::1]:6640,tcp:db.example:6640"
        );
    }

    #[test]
    fn wrong_ones_say_what_is_wrong() {
        for (text, problem) in [
            ("", "unix:"),
            ("/run/db.sock", "unix:"),
            ("udp:10.0.0.1", "unix:"),
            ("unix:", "path"),
            ("ptcp:6640", "waited"),
            ("tcp:::1:6640", "brackets"),
            ("tcp:[::1", "]"),
            ("tcp:[::1]6640", "colon"),
            ("tcp:10.0.0.1:0", "port"),
            ("tcp:10.0.0.1:x", "port"),
            ("tcp::6640", "address"),
            ("tcp:10.0.0.1,", "unix:"),
        ] {
            let error = text.parse::<Remotes>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
