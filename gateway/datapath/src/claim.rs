//! Claim of an interface by one agent. Without it, a second agent with a `run_dir` and `pin_dir` of its own would get
//! only the packets that the first one leaves.
//!
//! The claim is a socket with an abstract name. Like the interface, the name belongs to the network namespace. It
//! disappears with its process, however that ends.

use std::{
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

/// Claim of this process on an interface, held until it is dropped.
#[derive(Debug)]
pub struct Claim {
    /// `None` if a process that is no agent holds the name: it can't keep an agent from its work.
    _listener: Option<UnixListener>,
}

/// Another agent has the interface.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "another vtep-gateway (pid {pid}) has interface {interface}: an interface is one gateway's; take it out of the \
     configuration of one of them, or stop the other with `vtep-gateway exit` and `vtep-gateway detach`"
)]
pub struct Taken {
    /// The interface.
    pub interface: String,
    /// Process id of the owner in the view of this process; 0 in a container that does not see the owner.
    pub pid: i32,
}

impl Claim {
    /// Claims the interface with this index.
    ///
    /// # Errors
    /// Another agent has it.
    pub fn take(ifindex: u32, interface: &str) -> Result<Self, Taken> {
        let name = format!("vtep-gateway/interface/{ifindex}");
        match SocketAddr::from_abstract_name(&name).and_then(|name| UnixListener::bind_addr(&name)) {
            Ok(listener) => Ok(Self { _listener: Some(listener) }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => match owner(&name) {
                // Any user may take a name. Only a user who may attach programs counts as an owner.
                Ok((pid, uid)) if uid == 0 || uid == nix::unistd::geteuid().as_raw() => {
                    Err(Taken { interface: interface.to_owned(), pid })
                }
                Ok((pid, uid)) => {
                    tracing::warn!(
                        "process {pid} of user {uid}, which is no gateway, has the name by which gateways tell that \
                         {interface} is theirs: a second gateway would not be noticed"
                    );
                    Ok(Self { _listener: None })
                }
                // The owner has ended meanwhile, or does not listen.
                Err(error) => Self::unguarded(interface, &error),
            },
            Err(error) => Self::unguarded(interface, &error),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "one of the outcomes of taking")]
    fn unguarded(interface: &str, error: &io::Error) -> Result<Self, Taken> {
        tracing::warn!("a second gateway on {interface} would not be noticed: {error}");
        Ok(Self { _listener: None })
    }
}

/// Returns the process and user that listen under a name.
fn owner(name: &str) -> io::Result<(i32, u32)> {
    let stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    let peer = getsockopt(&stream, PeerCredentials)?;
    Ok((peer.pid(), peer.uid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index that no interface has.
    const NOWHERE: u32 = u32::MAX;

    #[test]
    fn an_interface_is_one_agent_s_until_that_ends() {
        let first = Claim::take(NOWHERE, "eth0").unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(Claim::take(NOWHERE, "eth0").unwrap_err(), Taken { interface: "eth0".to_owned(), pid });
        let _other = Claim::take(NOWHERE - 1, "eth1").unwrap();
        drop(first);
        let _again = Claim::take(NOWHERE, "eth0").unwrap();
    }
}
