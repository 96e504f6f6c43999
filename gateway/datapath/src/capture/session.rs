//! A capture, from the first packet to the last.

use std::{io, os::fd::AsFd, path::Path, time::Duration};

use aya::maps::{Array, MapData, PerCpuArray, RingBuf};
use gateway_api::ctl::{self, CallError};
use gateway_base::clock;
use gateway_common::capture::{Filter, RENEW_NS, Tally};
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use super::packet::Packet;
use crate::{
    capture_programs::{self, Capture, CaptureProgramsError},
    load::{LoadError, Objects, Settings},
    pins::PinDir,
};

/// Interval at which the agent is notified that the client is still there.
const RENEW: Duration = Duration::from_secs(1);
/// Time limit for its answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Limit of the packets that are taken in a row before other events are handled.
const BATCH: usize = 256;

/// Error that keeps packets from being captured, or ends a capture.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Error of the agent.
    #[error(transparent)]
    Agent(#[from] CallError),
    /// Error of the programs.
    #[error(transparent)]
    Watch(#[from] CaptureProgramsError),
    /// Error of their pins.
    #[error(transparent)]
    Pins(#[from] LoadError),
    /// Error of the system.
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
    /// The captured packets can't be written.
    #[error("cannot write what is captured: {0}")]
    Write(io::Error),
}

/// Request for a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Filter for packets. The client does not choose its end.
    pub filter: Filter,
    /// Limit of the number of packets.
    pub count: Option<u64>,
}

/// Counts of a capture that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Packets captured.
    pub captured: u64,
    /// Packets left out because of the limit per second.
    pub over_rate: u64,
    /// Packets left out by sampling.
    pub sampled_out: u64,
    /// Packets left out because writing them was too slow.
    pub lost: u64,
}

/// Consumer of packets; an error of it ends the capture.
pub trait Sink {
    /// Handles a packet.
    ///
    /// # Errors
    /// It can't be written.
    fn packet(&mut self, packet: &Packet) -> io::Result<()>;
    /// Flushes: no more packets are ready.
    ///
    /// # Errors
    /// It can't be written.
    fn flush(&mut self) -> io::Result<()>;
}

/// Captures until the number of packets is reached, a signal arrives, or no reader is left. Calls `ready` once packets
/// are being taken.
///
/// # Errors
/// See [`SessionError`]. Then the data plane is as before.
pub async fn capture(
    pins: &PinDir,
    settings: Settings,
    objects: Objects,
    socket: &Path,
    wanted: Wanted,
    sink: &mut impl Sink,
    ready: impl FnOnce(),
) -> Result<Summary, SessionError> {
    let io = |what| move |error| SessionError::Io(what, error);
    let mut signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
        .into_iter()
        .map(|kind| signal(kind).map_err(io("watching for signals")));
    let mut next = || signals.next().unwrap_or_else(|| Err(SessionError::Io("signals", io::ErrorKind::Other.into())));
    let (mut interrupt, mut terminate, mut hangup) = (next()?, next()?, next()?);
    // Loading the programs takes a while, and is useless without an agent, so this comes first.
    ctl::call(socket, "version", &[], ANSWER)?;
    let id = std::process::id();
    let mut session =
        Session::open(capture_programs::for_capture(pins, settings, objects, id)?, wanted, id.to_string())?;
    session.renew_filter()?;
    if let Err(error) = ctl::call(socket, "capture", &["start", &session.id], ANSWER) {
        session.programs.abandon()?;
        return Err(error.into());
    }
    ready();
    let outcome = async {
        let ring = session.ring.as_fd().try_clone_to_owned().map_err(io("watching the ring buffer"))?;
        // SAFETY: it owns its descriptor, always returns the same one, and is not taken out of the AsyncFd.
        let ring = unsafe { AsyncFd::register(ring) }
            .map_err(|error| SessionError::Io("watching the ring buffer", error.into()))?;
        let mut ticks = interval(RENEW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(End::Asked),
                _ = terminate.recv() => return Ok(End::Asked),
                _ = hangup.recv() => return Ok(End::Asked),
                _ = ticks.tick() => {
                    ctl::call(socket, "capture", &["renew", &session.id], ANSWER)?;
                    session.renew_filter()?;
                    session.taken = 0;
                }
                guard = ring.readable() => {
                    let mut guard = guard.map_err(io("watching the ring buffer"))?;
                    match session.take(sink) {
                        Ok(Taken::Some) => {}
                        Ok(Taken::All) => guard.clear_ready(),
                        Ok(Taken::Enough) => return Ok(End::Enough),
                        // The reader has closed the pipe.
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(End::Enough),
                        Err(error) => return Err(SessionError::Write(error)),
                    }
                }
            }
        }
    }
    .await;
    // If the agent does not take this request in time, the capture ends by itself.
    let stopped = ctl::call(socket, "capture", &["stop", &session.id], ANSWER);
    if let Ok(End::Asked) = outcome {
        // Packets that were captured until then.
        while let Taken::Some = session.take(sink).map_err(SessionError::Write)? {}
    }
    let summary = session.summary();
    outcome?;
    stopped?;
    summary
}

/// Reason for the end.
enum End {
    /// A signal.
    Asked,
    /// No reader for more.
    Enough,
}

/// Result of taking packets.
enum Taken {
    /// There may be more.
    Some,
    /// There are no more for now.
    All,
    /// The number of packets is reached.
    Enough,
}

struct Session {
    id: String,
    wanted: Wanted,
    programs: Capture,
    filter: Array<MapData, Filter>,
    tally: PerCpuArray<MapData, Tally>,
    ring: RingBuf<MapData>,
    captured: u64,
    /// Packets in this second, those of all CPUs together: the kernel applies the limit to each CPU.
    taken: u64,
    over_rate: u64,
}

impl Session {
    fn open(mut programs: Capture, wanted: Wanted, id: String) -> Result<Self, SessionError> {
        Ok(Self {
            filter: programs.take("capture")?,
            tally: programs.take("captures")?,
            ring: programs.take("captured")?,
            id,
            wanted,
            programs,
            captured: 0,
            taken: 0,
            over_rate: 0,
        })
    }

    /// Lets the kernel take packets for the next few seconds. If this process dies, that ends.
    fn renew_filter(&mut self) -> Result<(), SessionError> {
        let now = clock::coarse_ns().map_err(|error| SessionError::Io("reading the clock", error.into()))?;
        let filter = Filter { until: now + RENEW_NS, ..self.wanted.filter };
        self.filter.set(0, filter, 0).map_err(|error| SessionError::Io("map capture", io::Error::other(error)))
    }

    fn take(&mut self, sink: &mut impl Sink) -> io::Result<Taken> {
        let realtime = clock::realtime().saturating_sub(clock::monotonic());
        for _ in 0..BATCH {
            let Some(item) = self.ring.next() else {
                sink.flush()?;
                return Ok(Taken::All);
            };
            let Some(packet) = Packet::read(&item, realtime) else { continue };
            if self.taken >= u64::from(self.wanted.filter.rate) {
                self.over_rate += 1;
                continue;
            }
            self.taken += 1;
            sink.packet(&packet)?;
            self.captured += 1;
            if self.wanted.count.is_some_and(|count| self.captured >= count) {
                sink.flush()?;
                return Ok(Taken::Enough);
            }
        }
        Ok(Taken::Some)
    }

    fn summary(&self) -> Result<Summary, SessionError> {
        let cpus = self.tally.get(&0, 0).map_err(|error| SessionError::Io("map captures", io::Error::other(error)))?;
        let mut sum = Tally::default();
        cpus.iter().for_each(|cpu| sum.add(cpu));
        Ok(Summary {
            captured: self.captured,
            over_rate: sum.over_rate + self.over_rate,
            sampled_out: sum.sampled_out,
            lost: sum.lost,
        })
    }
}
