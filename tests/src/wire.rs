//! A tap on a host's interface: sends handmade frames, and receives every frame that arrives.

use std::{io, time::Duration};

use anyhow::{Context, Result};

use crate::{
    Host,
    frame::Frame,
    packet_socket::{PacketSocket, Received},
    wait::{Deadline, SOON},
};

/// Longest frame that is read whole.
const LONGEST: usize = 65_536;

/// A tap on one interface.
#[derive(Debug)]
pub struct Wire {
    socket: PacketSocket,
    place: String,
}

impl Wire {
    /// Opens `dev` of `host`; frames that arrive from now on wait to be read.
    ///
    /// # Errors
    /// If there is no such interface.
    pub fn open(host: &Host, dev: &str) -> Result<Self> {
        let ifindex = host.ifindex(dev)?;
        let place = format!("{dev} of {}", host.name());
        let socket = host.enter(|| open(ifindex).with_context(|| format!("opening {place} for raw frames")))?;
        Ok(Self { socket, place })
    }

    /// Opens the interface with this index in the namespace of the calling thread.
    ///
    /// # Errors
    /// If there is no such interface.
    pub fn here(ifindex: u32) -> Result<Self> {
        let place = format!("interface {ifindex}");
        let socket = open(ifindex).with_context(|| format!("opening {place} for raw frames"))?;
        Ok(Self { socket, place })
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// If the interface does not take it.
    pub fn send(&self, frame: &Frame) -> Result<()> {
        self.socket.send(&frame.bytes()).with_context(|| format!("sending a frame from {}", self.place))
    }

    /// Returns the next frame that `wanted` accepts; skips others.
    ///
    /// # Errors
    /// If none arrives.
    pub fn expect(&self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Result<Frame> {
        let deadline = Deadline::after(SOON);
        while let Some(left) = deadline.left() {
            match self.next(left)? {
                Some(frame) if wanted(&frame) => return Ok(frame),
                _ => {}
            }
        }
        anyhow::bail!("no such frame came to {}: {what}", self.place)
    }

    /// Returns all frames that have arrived.
    ///
    /// # Errors
    /// If the interface is gone.
    pub fn arrived(&self) -> Result<Vec<Frame>> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next(Duration::ZERO)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    /// Returns the next frame, if one arrives within `limit`.
    fn next(&self, limit: Duration) -> Result<Option<Frame>> {
        let deadline = Deadline::after(limit);
        loop {
            if !self.socket.wait(deadline.left().unwrap_or_default())? {
                return Ok(None);
            }
            if let Some(frame) = receive(&self.socket).with_context(|| format!("reading from {}", self.place))? {
                return Ok(Some(frame));
            }
        }
    }
}

fn open(ifindex: u32) -> io::Result<PacketSocket> {
    PacketSocket::open::<libc::tpacket_auxdata>(ifindex, libc::ETH_P_ALL)
}

/// Reads one frame; `None` if this host sent it, or if it is too short to be a frame.
fn receive(socket: &PacketSocket) -> io::Result<Option<Frame>> {
    let mut bytes = vec![0; LONGEST];
    let Received { length, is_outgoing, beside } = socket.receive(&mut bytes)?;
    if is_outgoing {
        return Ok(None);
    }
    // The kernel removes the tag of a frame before sockets see it, and reports it beside the frame.
    Ok(Frame::parse(&bytes[..length]).map(|frame| match beside.and_then(tag) {
        Some(vlan) => frame.tagged(vlan),
        None => frame,
    }))
}

fn tag(auxiliary: libc::tpacket_auxdata) -> Option<u16> {
    (auxiliary.tp_status & libc::TP_STATUS_VLAN_VALID != 0).then_some(auxiliary.tp_vlan_tci & 0xfff)
}
