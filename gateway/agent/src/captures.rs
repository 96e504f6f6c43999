//! Captures: while a client wants to see packets, programs that hand packets on forward in place of the usual ones.
//!
//! The client that captures has loaded and pinned those programs, so the agent spends no time on that. The agent
//! installs each in one step. It removes them when the client requests that, when the client does not renew the
//! capture, and when the agent itself ends.

use std::time::Duration;

use gateway_api::ctl::{Answer, CaptureControl};
use gateway_common::capture::RENEW_NS;
use gateway_datapath::{
    capture_programs::Pinned,
    load::{LoadError, remove_tree},
    pins::PinDir,
};
use gateway_vrrp::Time;

use super::data_plane::DataPlane;

/// The current capture, if there is one.
pub(super) struct Captures {
    pins: PinDir,
    running: Option<Running>,
}

struct Running {
    id: u32,
    /// The capture ends at this time unless it is renewed.
    until: Time,
}

impl Captures {
    /// Makes the state without a capture. Removes a capture of an earlier run.
    pub(super) fn new(pins: PinDir) -> Result<Self, LoadError> {
        remove_tree(&pins.captures())?;
        Ok(Self { pins, running: None })
    }

    /// Returns the time at which the current capture ends.
    pub(super) fn due(&self) -> Option<Time> {
        self.running.as_ref().map(|running| running.until)
    }

    /// Handles a request for capture number `id`.
    pub(super) fn request(&mut self, what: CaptureControl, id: u32, plane: &mut impl DataPlane, now: Time) -> Answer {
        let until = now + Duration::from_nanos(RENEW_NS);
        match (what, &mut self.running) {
            (CaptureControl::Start, Some(other)) => {
                Err(format!("capture {} is running; there can be one at a time", other.id))
            }
            (CaptureControl::Start, None) => {
                let mut capture = Pinned::open(&self.pins, id).map_err(|error| error.to_string())?;
                plane.install_capture(&mut capture).map_err(|error| error.to_string())?;
                tracing::info!(capture = id, "packets are captured; they take the slow path meanwhile");
                self.running = Some(Running { id, until });
                Ok(String::new())
            }
            (CaptureControl::Renew, Some(running)) if running.id == id => {
                running.until = until;
                Ok(String::new())
            }
            (CaptureControl::Stop, Some(running)) if running.id == id => {
                self.end(plane);
                Ok(String::new())
            }
            (CaptureControl::Renew | CaptureControl::Stop, _) => {
                Err(format!("capture {id} is not running: it was not renewed in time, or the agent has been restarted"))
            }
        }
    }

    /// Ends a capture that its client has not renewed in time.
    pub(super) fn expire(&mut self, plane: &mut impl DataPlane, now: Time) {
        if self.due().is_some_and(|due| due <= now) {
            tracing::warn!("a capture was not renewed, and is over");
            self.end(plane);
        }
    }

    /// Installs the usual programs again, if capture programs are in their place.
    pub(super) fn end(&mut self, plane: &mut impl DataPlane) {
        let Some(Running { id, .. }) = self.running.take() else { return };
        // First the programs, then the pins: the pinned map is the one by which they replicate.
        match plane.remove_capture() {
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
