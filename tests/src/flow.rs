//! A steady flow of numbered packets, to see whether a change loses any.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};

use crate::{
    Host,
    wait::{SOON, pause, wait_for},
};

/// Time between two packets. With the time it takes to wake up they make 1000 packets a second.
const GAP: Duration = Duration::from_micros(900);

/// Time between two packets for an emulated server: its NICs have small queues, and its processor may have to wait.
const SLOW_GAP: Duration = Duration::from_millis(9);

/// A flow that runs until it is finished.
#[derive(Debug)]
pub struct Flow {
    name: String,
    stop: Arc<AtomicBool>,
    arrived: Arc<AtomicU64>,
    sender: JoinHandle<Result<u64>>,
    receiver: JoinHandle<Vec<u64>>,
}

/// Result of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Packets sent.
    pub sent: u64,
    /// Numbers of the packets that did not arrive.
    pub lost: Vec<u64>,
    /// Packets that arrived more than once.
    pub doubled: u64,
}

impl Tally {
    /// Returns true if every packet arrived exactly once.
    pub fn is_whole(&self) -> bool {
        self.lost.is_empty() && self.doubled == 0
    }
}

impl Flow {
    /// Sends 1000 packets a second from `from` to `address` on `to`.
    ///
    /// # Errors
    /// If the sockets cannot be opened.
    pub fn start(from: &Host, to: &Host, address: IpAddr) -> Result<Self> {
        Self::paced(from, to, address, GAP)
    }

    /// Sends 100 packets a second likewise.
    ///
    /// # Errors
    /// If the sockets cannot be opened.
    pub fn slow(from: &Host, to: &Host, address: IpAddr) -> Result<Self> {
        Self::paced(from, to, address, SLOW_GAP)
    }

    fn paced(from: &Host, to: &Host, address: IpAddr, gap: Duration) -> Result<Self> {
        let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
        let inlet = to.enter(|| {
            let socket = UdpSocket::bind(SocketAddr::new(address, 0))?;
            socket.set_read_timeout(Some(Duration::from_millis(50)))?;
            widen(&socket)?;
            Ok(socket)
        })?;
        let target = inlet.local_addr()?;
        let outlet = from.enter(|| Ok(UdpSocket::bind(SocketAddr::new(any, 0))?))?;
        let stop = Arc::new(AtomicBool::new(false));
        let arrived = Arc::new(AtomicU64::new(0));
        Ok(Self {
            name: format!("{} -> {}", from.name(), to.name()),
            sender: thread::spawn({
                let stop = stop.clone();
                move || send(&outlet, target, gap, &stop)
            }),
            receiver: thread::spawn({
                let (stop, arrived) = (stop.clone(), arrived.clone());
                move || receive(&inlet, &stop, &arrived)
            }),
            stop,
            arrived,
        })
    }

    /// Waits until `count` more packets have arrived, so that the flow has run for a while before, or after, a change.
    ///
    /// # Errors
    /// If they do not arrive.
    pub fn wait_more(&self, count: u64) -> Result<()> {
        let goal = self.arrived.load(Ordering::Relaxed) + count;
        wait_for(&format!("{count} packets {}", self.name), SOON, || self.arrived.load(Ordering::Relaxed) >= goal)
    }

    /// Stops the flow, lets the last packets arrive, and counts.
    ///
    /// # Errors
    /// If sending failed.
    pub fn finish(self) -> Result<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sender.join().map_err(|_| anyhow!("the sender panicked"))?.context(self.name)?;
        let arrived = self.receiver.join().map_err(|_| anyhow!("the receiver panicked"))?;
        let mut seen = vec![0u64; usize::try_from(sent)?];
        for number in arrived {
            seen[usize::try_from(number)?] += 1;
        }
        let lost = (0u64..).zip(&seen).filter(|(_, times)| **times == 0).map(|(number, _)| number).collect();
        Ok(Tally { sent, lost, doubled: seen.iter().filter(|times| **times > 1).count() as u64 })
    }
}

fn send(socket: &UdpSocket, target: SocketAddr, gap: Duration, stop: &AtomicBool) -> Result<u64> {
    let mut number = 0u64;
    while !stop.load(Ordering::Relaxed) {
        socket.send_to(&number.to_be_bytes(), target)?;
        number += 1;
        pause(gap);
    }
    Ok(number)
}

/// Returns the numbers of all packets, until the flow is stopped and no more arrive for a while.
fn receive(socket: &UdpSocket, stop: &AtomicBool, arrived: &AtomicU64) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut buffer = [0u8; 8];
    let mut quiet = 0;
    while quiet < 10 {
        match socket.recv(&mut buffer) {
            Ok(8) => {
                numbers.push(u64::from_be_bytes(buffer));
                arrived.fetch_add(1, Ordering::Relaxed);
                quiet = 0;
            }
            Ok(_) => {}
            Err(_) if stop.load(Ordering::Relaxed) => quiet += 1,
            Err(_) => {}
        }
    }
    numbers
}

/// Enlarges the receive buffer for packets that arrive while other tests have the CPUs.
fn widen(socket: &UdpSocket) -> Result<()> {
    let bytes: libc::c_int = 8 << 20;
    // SAFETY: the option takes an integer, which lives through the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const bytes).cast(),
            size_of_val(&bytes) as libc::socklen_t,
        )
    };
    if result < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(()) }
}
