//! The NIC settings the data plane needs, and what a NIC can do.
//!
//! A NIC that strips VLAN tags hides them from XDP; one that merges received packets (LRO) hands on frames nobody
//! sent; one that filters by MAC or VLAN throws away what is meant for the machines behind the tunnels. Such settings
//! are changed when the agent takes an interface, and put back when it gives it up:
//!
//! ```text
//!   settings ──plan──▶ what to change ──store──▶ nic-settings.json (what was there, written first)
//!                                     └─ethtool / netlink──▶ the kernel
//! ```
//!
//! What was there is written down once, before the first change, and outlives the agent: a restart, a crash or an
//! upgrade in between changes nothing. A setting the operator changed meanwhile is the operator's, and stays.
//!
//! `plan` is pure; `ethtool` and `netlink` talk to the kernel; `xdp` asks what XDP the driver offers.

mod error;
mod ethtool;
mod foreign;
mod inspect;
mod master;
pub mod netlink;
mod plan;
mod settings;
mod store;
mod xdp;

pub use error::NicError;
pub use foreign::{foreign_xdp, foreign_xdp_remedy};
pub use inspect::{Interface, Share, Wrong, interface, receive_queues, receive_ring, wrong_settings};
pub use master::{Master, MasterKind};
pub use plan::{Role, Setting, is_covered};
pub use settings::{Change, NicSettings, Outcome, PutBack, Restored};
pub use xdp::{XdpFeatures, xdp_features};

/// The MAC of the interface with this name, in the caller's network namespace.
///
/// # Errors
/// Its name and what the kernel said, if there is none.
pub fn address(name: &str) -> Result<gateway_common::net::MacAddr, NicError> {
    Ok(ethtool::Ethtool::open()?.identity(name)?.mac)
}

/// The name of the driver behind an interface, like `mlx5_core` or `veth` (`ETHTOOL_GDRVINFO`).
///
/// # Errors
/// When there is no such interface, or its driver doesn't tell.
pub fn driver(name: &str) -> Result<String, NicError> {
    ethtool::Ethtool::open()?.driver(name)
}

/// Whether the driver puts a timestamp on packets when it has handed them to the NIC (`ETHTOOL_GET_TS_INFO`). Without an
/// answer it doesn't.
pub fn stamps_transmitted(name: &str) -> bool {
    let timestamps = ethtool::Ethtool::open().and_then(|ethtool| ethtool.timestamps(name));
    timestamps.is_ok_and(|timestamps| timestamps & libc::SOF_TIMESTAMPING_TX_SOFTWARE != 0)
}
