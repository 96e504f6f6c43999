//! High availability, as far as it has to do with the kernel: the sockets that advertisements come and go by, and what
//! tells the network where an address is now. What is decided, [`crate::vrrp`] decides.

mod departures;
mod frames;
mod interface;
mod opening;
mod socket;

pub use frames::{FrameError, FrameSender};
pub use socket::{AdvertSocket, Family, Received, SendError, SendId, SocketError, SocketOptions};
