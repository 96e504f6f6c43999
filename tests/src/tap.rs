//! A tap device: a NIC whose wire is a descriptor, as virtual machines have one. Its driver accepts frames that XDP
//! redirects to it only in a single buffer, and only while a process reads them.

use std::{
    ffi::c_char,
    fs::{File, OpenOptions},
    io::{self, Read},
    mem::zeroed,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
};

use anyhow::{Context, Result};

use crate::{Host, frame::Frame};

/// Longest frame that is read whole.
const LONGEST: usize = 65_536;

/// The wire of a tap device; closing it removes the device.
#[derive(Debug)]
pub struct Tap(File);

impl Tap {
    /// Makes the device `dev` on a host, and brings it up.
    ///
    /// # Errors
    /// If there is one of that name.
    pub fn new(host: &Host, dev: &str, mtu: u32) -> Result<Self> {
        let tap = host.enter(|| open(dev).with_context(|| format!("making the tap device {dev}")))?;
        host.ip(&format!("link set dev {dev} mtu {mtu} up"))?;
        Ok(Self(tap))
    }

    /// Returns the frames that wait to be read.
    ///
    /// # Errors
    /// If the device is gone.
    pub fn taken(&mut self) -> Result<Vec<Frame>> {
        let mut frames = Vec::new();
        let mut buffer = vec![0; LONGEST];
        loop {
            match self.0.read(&mut buffer) {
                Ok(length) => frames.extend(Frame::parse(&buffer[..length])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(frames),
                Err(error) => return Err(error).context("reading from a tap device"),
            }
        }
    }
}

fn open(dev: &str) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    // SAFETY: all-zero bytes are a valid request.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(dev.bytes()) {
        *to = from as c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as i16;
    // SAFETY: the request lives through the call, and has the type that this ioctl takes.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(file) }
}
