//! Notifications about removed filters, for kernels without links for TC: deleting a qdisc deletes all its filters.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use gateway_netdev::netlink;
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::unix::AsyncFd;

use super::filter::PRIORITY;

/// The multicast group of TC, as a bit (`RTNLGRP_TC`).
const TC: u32 = 1 << 3;
/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Limit of the messages read at a time. Programs that offload flows change filters all the time, and those are not
/// ours.
const BATCH: usize = 64;

/// Error of following filters.
#[derive(Debug, thiserror::Error)]
#[error("following TC filters by netlink: {0}")]
pub struct FilterNewsError(#[from] io::Error);

/// Socket for notifications of the kernel.
#[derive(Debug)]
pub struct FilterNews {
    socket: AsyncFd<OwnedFd>,
}

impl FilterNews {
    /// Opens the socket in the network namespace of the calling thread.
    ///
    /// # Errors
    /// There is no netlink.
    pub fn open() -> Result<Self, FilterNewsError> {
        let socket = netlink::listen(TC)?;
        // SAFETY: the socket is owned, always returns the same descriptor, and is not taken out of the AsyncFd.
        let socket = unsafe { AsyncFd::register(socket) }.map_err(io::Error::other)?;
        Ok(Self { socket })
    }

    /// Resolves when a qdisc was removed, or a filter that may be ours. A lost notification counts as one.
    pub async fn gone(&mut self) {
        loop {
            let Ok(mut ready) = self.socket.readable_mut().await else { return std::future::pending().await };
            let mut gone = false;
            let mut buffer = [0; 8192];
            for _ in 0..BATCH {
                match recv(ready.get_inner().as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                    Ok(length) => gone |= concerns_us(&buffer[..length]),
                    Err(nix::errno::Errno::EAGAIN) => {
                        ready.clear_ready();
                        break;
                    }
                    Err(_) => gone = true,
                }
            }
            if gone {
                return;
            }
        }
    }
}

/// Returns true if a message may concern our filter. The kernel sends each message by itself. A list that is emptied
/// has no priority.
fn concerns_us(message: &[u8]) -> bool {
    let kind = message.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let info = message.get(HEADER + 16..HEADER + 20).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
    match kind {
        Some(libc::RTM_DELQDISC) => true,
        Some(libc::RTM_DELTFILTER) => info.is_none_or(|info| [0, PRIORITY].contains(&(info >> 16))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, priority: u32) -> Vec<u8> {
        let mut message = vec![0; HEADER + 16];
        message[4..6].copy_from_slice(&kind.to_ne_bytes());
        message.extend((priority << 16 | 0x300).to_ne_bytes());
        message
    }

    #[test]
    fn filters_of_others_come_and_go_unnoticed() {
        assert!(concerns_us(&message(libc::RTM_DELQDISC, 0)));
        assert!(concerns_us(&message(libc::RTM_DELTFILTER, PRIORITY)));
        assert!(!concerns_us(&message(libc::RTM_DELTFILTER, 2)));
        assert!(!concerns_us(&message(libc::RTM_NEWTFILTER, PRIORITY)));
    }
}
