//! Two namespaces, a cable, and sockets on it.

use std::{
    net::IpAddr,
    path::PathBuf,
    process::Child,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use gateway_ha::{AdvertSocket, Family, Received, SendError, SocketOptions, Transmission};
use gateway_vrrp::{Advertisement, Checksum, Interval, PacketError, Time, Token, Version, Vrid};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::{sleep, timeout};

use crate::netns::{Netns, PATIENCE, run};

pub(crate) const OWN: &str = "10.9.0.1";
pub(crate) const PEER: &str = "10.9.0.2";
pub(crate) const OWN_LINK_LOCAL: &str = "fe80::ff:fe00:1";
pub(crate) const PEER_LINK_LOCAL: &str = "fe80::ff:fe00:2";

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// This thread's namespace with `own0`, and another one with `peer0` at the other end of the cable.
pub(crate) struct Lab {
    pub(crate) peer: Netns,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let peer = Netns::new();
        run(&format!(
            "ip link add own0 address 02:00:00:00:00:01 type veth peer name peer0 address 02:00:00:00:00:02 netns {}",
            peer.path()
        ));
        let lab = Self { peer };
        run("ip link set own0 addrgenmode none");
        lab.peer.run("ip link set peer0 addrgenmode none");
        run(&format!("ip addr add {OWN}/24 dev own0"));
        run(&format!("ip addr add {OWN_LINK_LOCAL}/64 dev own0 nodad"));
        lab.peer.run(&format!("ip addr add {PEER}/24 dev peer0"));
        lab.peer.run(&format!("ip addr add {PEER_LINK_LOCAL}/64 dev peer0 nodad"));
        run("ip link set own0 up");
        lab.peer.run("ip link set peer0 up");
        lab
    }

    /// A socket at the other end.
    pub(crate) fn open_peer(&self, family: Family, peers: &[&str]) -> AdvertSocket {
        self.peer.within(|| open("peer0", family, peers))
    }
}

pub(crate) fn options(interface: &str, family: Family) -> SocketOptions<'_> {
    SocketOptions { interface, family, peers: &[], source: None, virtual_addresses: &[], listen: true }
}

pub(crate) fn open(interface: &str, family: Family, peers: &[&str]) -> AdvertSocket {
    let peers: Vec<IpAddr> = peers.iter().map(|peer| ip(peer)).collect();
    AdvertSocket::open(&SocketOptions { peers: &peers, ..options(interface, family) }).unwrap()
}

/// Something to send.
pub(crate) fn advertisement(address: &str) -> Advertisement {
    Advertisement {
        version: Version::V3,
        vrid: Vrid::new(51).unwrap(),
        priority: 150,
        interval: Interval::DEFAULT,
        addresses: vec![ip(address)],
        checksum: Checksum::PseudoHeader,
    }
}

pub(crate) fn parse(received: &Received) -> Result<Advertisement, PacketError> {
    Advertisement::parse(&received.message, &received.envelope)
}

/// Waits until there is something.
pub(crate) async fn until<T>(what: &str, mut is: impl FnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = is() {
                return found;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never {what}"))
}

/// Waits for a message.
pub(crate) async fn arrival(socket: &mut AdvertSocket) -> Received {
    until("received", || socket.receive().unwrap()).await
}

/// Waits until this has left.
pub(crate) async fn departure(socket: &mut AdvertSocket, sent: Transmission) {
    until("left", || socket.tx_completed().filter(|left| *left == sent)).await;
}

/// Sends advertisements that no `Machine` has requested.
pub(crate) trait SendNext {
    /// Sends an advertisement under a token of its own, without authentication.
    fn send_next(&mut self, advertisement: &Advertisement) -> Result<Transmission, SendError>;
}

impl SendNext for AdvertSocket {
    fn send_next(&mut self, advertisement: &Advertisement) -> Result<Transmission, SendError> {
        static TOKENS: AtomicU64 = AtomicU64::new(0);
        let token = Token(TOKENS.fetch_add(1, Ordering::Relaxed));
        let transmission = Transmission { token, started: Time::ZERO };
        self.send(advertisement, None, transmission).map(|()| transmission)
    }
}

/// A program that is ended with the test, and its directory.
pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    pub(crate) fn new(child: Child) -> Self {
        Self { child }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// A directory that goes with the test.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vtep-gateway-wire-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
