//! Captures: programs that hand on packets forward in the place of ours while somebody wants to see them.
//!
//! Whoever captures has loaded and pinned those programs, so the agent spends no time on that. It swaps them in, each in
//! one step, and back when it is told to, when it is not told any more that somebody is there, and when it ends itself.

use std::time::Duration;

use gateway_api::ctl::Answer;
use gateway_common::capture::RENEW_NS;
use gateway_datapath::{
    capture_programs::Pinned,
    load::{LoadError, remove_tree},
    pins::PinDir,
};
use tokio::time::Instant;

use super::{control::CaptureControl, forwarding::Forwarding};

/// The capture there may be.
pub(super) struct Captures {
    pins: PinDir,
    running: Option<Running>,
}

struct Running {
    id: u32,
    /// Over unless it is renewed until then.
    until: Instant,
}

impl Captures {
    /// None. What an earlier run has left of one is removed.
    pub(super) fn new(pins: PinDir) -> Result<Self, LoadError> {
        remove_tree(&pins.captures())?;
        Ok(Self { pins, running: None })
    }

    /// When the one that runs is over.
    pub(super) fn due(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| running.until)
    }

    /// Somebody wants something of capture number `id`.
    pub(super) fn request(&mut self, what: CaptureControl, id: u32, forwarding: &mut Forwarding) -> Answer {
        let until = Instant::now() + Duration::from_nanos(RENEW_NS);
        match (what, &mut self.running) {
            (CaptureControl::Start, Some(other)) => {
                Err(format!("capture {} is running; there can be one at a time", other.id))
            }
            (CaptureControl::Start, None) => {
                let mut capture = Pinned::open(&self.pins, id).map_err(|error| error.to_string())?;
                forwarding.install_capture(&mut capture).map_err(|error| error.to_string())?;
                tracing::info!(capture = id, "packets are captured; they take the slow path meanwhile");
                self.running = Some(Running { id, until });
                Ok(String::new())
            }
            (CaptureControl::Renew, Some(running)) if running.id == id => {
                running.until = until;
                Ok(String::new())
            }
            (CaptureControl::Stop, Some(running)) if running.id == id => {
                self.end(forwarding);
                Ok(String::new())
            }
            (CaptureControl::Renew | CaptureControl::Stop, _) => {
                Err(format!("capture {id} is not running: it was not renewed in time, or the agent has been restarted"))
            }
        }
    }

    /// Puts our own programs back, if others are in their place.
    pub(super) fn end(&mut self, forwarding: &mut Forwarding) {
        let Some(Running { id, .. }) = self.running.take() else { return };
        // First the programs, then the pins: theirs is the map by which they replicate.
        match forwarding.remove_capture() {
            Ok(()) => {
                tracing::info!(capture = id, "capture ended");
                if let Err(error) = remove_tree(&self.pins.capture(id)) {
                    tracing::warn!("{error}");
                }
            }
            Err(error) => tracing::error!("a capture's programs could not be replaced, restart the agent: {error}"),
        }
    }
}
