//! Numbered packets between a VM and a host outside, sent during events of the gateways.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use anyhow::{Result, anyhow};
use gateway_common::net::MacAddr;

use super::{
    outage::Report,
    probe::{Probe, report},
    tap::Tap,
};
use crate::{
    Host,
    crossing::Station,
    wait::{SOON, pause, wait_for},
};

/// Time between two unicast packets. With the time it takes to wake up they make 1000 packets a second.
const GAP: Duration = Duration::from_micros(900);

/// One broadcast is sent for this number of unicast packets.
const BROADCAST_EACH: u64 = 10;

/// UDP port of the probes, at either end.
const PORT: u16 = 47_890;

/// All stations of the labs are in 10.0.0.0/24.
const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 255);

/// Returns the time, by the clock of kernel receive timestamps.
pub fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Probes that are being sent and received.
#[derive(Debug)]
pub struct Probes {
    stop: Arc<AtomicBool>,
    /// Number of arrivals at either host so far, unicast and broadcast.
    arrived: [Arc<[AtomicU64; 2]>; 2],
    /// Number of probes sent by either host so far.
    sent: [Arc<[AtomicU64; 2]>; 2],
    /// Probes received by either host so far, those of its own as well.
    received: [Arc<Mutex<Received>>; 2],
    senders: Vec<JoinHandle<()>>,
    receivers: Vec<JoinHandle<()>>,
}

/// Probes and when they were received, in that order.
type Received = Vec<(Probe, Duration)>;

/// Position in the flow of probes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    /// Number of probes sent before, unicast and broadcast.
    sent: [[u64; 2]; 2],
    /// Number of probes received before at either host.
    received: [usize; 2],
}

/// Source and destination of the probes of a host.
struct Place {
    tap: Tap,
    socket: UdpSocket,
    target: Ipv4Addr,
}

impl Probes {
    /// Sends 1000 unicast packets and 100 broadcasts a second from each of the two to the other. ARP is not measured:
    /// from now on they know each other's Ethernet addresses.
    ///
    /// # Errors
    /// If the sockets cannot be opened.
    pub fn start((vm, vm_is): (&Host, Station), (ext, ext_is): (&Host, Station)) -> Result<Self> {
        let vm = Place::new(vm, ext_is)?;
        let ext = Place::new(ext, vm_is)?;
        let stop = Arc::new(AtomicBool::new(false));
        let counters = || [(); 2].map(|()| Arc::new([AtomicU64::new(0), AtomicU64::new(0)]));
        let (arrived, sent) = (counters(), counters());
        let (mut senders, mut receivers) = (Vec::new(), Vec::new());
        let received = [(); 2].map(|()| Arc::new(Mutex::new(Received::new())));
        let counted = arrived.iter().zip(&sent).zip(&received);
        for ((own, place), ((arrived, sent), received)) in [(0, vm), (1, ext)].into_iter().zip(counted) {
            let Place { tap, socket, target } = place;
            let (stop_sending, stop_receiving) = (stop.clone(), stop.clone());
            let (arrived, sent, received) = (arrived.clone(), sent.clone(), received.clone());
            receivers.push(thread::spawn(move || receive(own, &tap, &stop_receiving, &arrived, &received)));
            senders.push(thread::spawn(move || send(own, &socket, target, &stop_sending, &sent)));
        }
        Ok(Self { stop, arrived, sent, received, senders, receivers })
    }

    /// Waits until `count` more unicast packets have arrived in each direction, and a broadcast.
    ///
    /// # Errors
    /// If they do not; the error names the direction.
    pub fn wait_more(&self, count: u64) -> Result<()> {
        let now = || load(&self.arrived);
        let before = now();
        let more = || {
            let [vm, ext] = now();
            [[vm[0] - before[0][0], vm[1] - before[0][1]], [ext[0] - before[1][0], ext[1] - before[1][1]]]
        };
        let enough = || more().iter().all(|[unicast, broadcast]| *unicast >= count && *broadcast > 0);
        wait_for(&format!("{count} more probes each way"), SOON, enough).map_err(|error| {
            let [vm, ext] = more();
            error.context(format!(
                "arrived from the outside: {} and {} broadcasts; from the VM: {} and {} broadcasts",
                vm[0], vm[1], ext[0], ext[1]
            ))
        })
    }

    /// Returns the current position.
    pub fn mark(&self) -> Mark {
        // The order matters: a packet sent after the mark is received after it, and looked for there.
        let received = self.received.each_ref().map(|received| lock(received).len());
        Mark { sent: load(&self.sent), received }
    }

    /// Returns the number of unicast packets that have arrived so far: at the outside host, and at the VM.
    pub fn arrived(&self) -> [u64; 2] {
        let [vm, ext] = load(&self.arrived);
        [ext[0], vm[0]]
    }

    /// Returns the result of the probes sent between two marks so far. Those still on their way count as lost.
    pub fn between(&self, from: Mark, to: Mark) -> Report {
        let [vm, ext] = self.received.each_ref().map(|received| lock(received));
        let received = [(&vm, from.received[0]), (&ext, from.received[1])]
            .map(|(received, from)| received.get(from..).unwrap_or(&[]));
        report(from.sent, to.sent, received)
    }

    /// Stops the probes, lets the last ones arrive, and counts.
    ///
    /// # Errors
    /// If a thread panicked.
    pub fn finish(self) -> Result<Report> {
        Ok(self.finish_since(Mark::default())?.0)
    }

    /// Stops the probes likewise; also returns the result of those sent after `mark`.
    ///
    /// # Errors
    /// If a thread panicked.
    pub fn finish_since(mut self, mark: Mark) -> Result<(Report, Report)> {
        self.stop.store(true, Ordering::Relaxed);
        for sender in self.senders.drain(..) {
            sender.join().map_err(|_| anyhow!("a sender of probes panicked"))?;
        }
        for receiver in self.receivers.drain(..) {
            receiver.join().map_err(|_| anyhow!("a receiver of probes panicked"))?;
        }
        let end = self.mark();
        Ok((self.between(Mark::default(), end), self.between(mark, end)))
    }
}

fn load(counters: &[Arc<[AtomicU64; 2]>; 2]) -> [[u64; 2]; 2] {
    counters.each_ref().map(|counters| counters.each_ref().map(|counter| counter.load(Ordering::SeqCst)))
}

fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place {
    fn new(host: &Host, other: Station) -> Result<Self> {
        know(host, other.v4(), other.mac())?;
        let tap = Tap::open(host, "eth0")?;
        // Keeps the host from answering that the port is closed; it is never read.
        let socket = host.enter(|| {
            let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)))?;
            socket.set_broadcast(true)?;
            Ok(socket)
        })?;
        Ok(Self { tap, socket, target: other.v4() })
    }
}

/// Adds a permanent neighbour entry for another host to `host`.
fn know(host: &Host, address: Ipv4Addr, mac: MacAddr) -> Result<()> {
    host.ip(&format!("neigh replace {address} lladdr {mac} nud permanent dev eth0")).map(drop)
}

fn send(own: u8, socket: &UdpSocket, target: Ipv4Addr, stop: &AtomicBool, sent: &[AtomicU64; 2]) {
    let mut number = 0;
    let send = |broadcast: bool, number, target| {
        // Counted first: a probe that is not counted at a mark is not received before it. A probe for which the host's
        // own queue has no room is lost like any other.
        sent[usize::from(broadcast)].fetch_add(1, Ordering::SeqCst);
        let _ = socket.send_to(&Probe { sender: own, broadcast, number }.bytes(), (target, PORT));
    };
    while !stop.load(Ordering::Relaxed) {
        send(false, number, target);
        if number % BROADCAST_EACH == 0 {
            send(true, number / BROADCAST_EACH, BROADCAST);
        }
        number += 1;
        pause(GAP);
    }
}

/// Receives all probes, until they are stopped and no more arrive for a while.
fn receive(own: u8, tap: &Tap, stop: &AtomicBool, arrived: &[AtomicU64; 2], received: &Mutex<Received>) {
    let mut quiet = 0;
    while quiet < 10 {
        let packet = tap.next(Duration::from_millis(50), PORT);
        let Some((probe, at)) = packet.and_then(|(bytes, at)| Some((Probe::parse(&bytes)?, at))) else {
            quiet += u32::from(stop.load(Ordering::Relaxed));
            continue;
        };
        lock(received).push((probe, at));
        if probe.sender != own {
            arrived[usize::from(probe.broadcast)].fetch_add(1, Ordering::Relaxed);
        }
        quiet = 0;
    }
}
