//! NIC settings that the data plane needs, and the capabilities of a NIC.
//!
//! A NIC that strips VLAN tags hides them from XDP. One that merges received packets (LRO) delivers frames that no
//! station has sent. One that filters by MAC or VLAN drops packets for the machines behind the tunnels. Such settings
//! are changed when the agent takes an interface, and restored when it releases it:
//!
//! ```text
//!   settings ──plan──▶ what to change ──store──▶ nic-settings.json (what was there, written first)
//!                                     └─ethtool / netlink──▶ the kernel
//! ```
//!
//! The original values are saved once, before the first change, and outlive the agent: a restart, a crash or an upgrade
//! in between does not change them. A setting that the operator has changed meanwhile belongs to the operator, and
//! stays.
//!
//! `plan` is pure; `ethtool` accesses the kernel; `xdp` requests the XDP features of the driver.

mod error;
mod ethtool;
mod foreign;
mod inspect;
mod master;
mod plan;
mod settings;
mod store;
mod xdp;

pub use crate::netlink::MasterKind;
pub use error::NicError;
pub use ethtool::Share;
pub use foreign::{foreign_xdp, foreign_xdp_remedy};
pub use inspect::{Wrong, receive_queues, receive_ring, wrong_settings};
pub use master::Master;
pub use plan::{Role, Setting, is_covered};
pub use settings::{Change, NicSettings, Outcome, PutBack, Restored};
pub use xdp::{XdpFeatures, xdp_features};

/// Returns the MAC of the interface with this name, in the caller's network namespace.
///
/// # Errors
/// There is none. The error has its name and the kernel's reason.
pub fn address(name: &str) -> Result<gateway_common::net::MacAddr, NicError> {
    Ok(ethtool::Ethtool::open()?.identity(name)?.mac)
}

/// Returns the name of the driver of an interface, like `mlx5_core` or `veth` (`ETHTOOL_GDRVINFO`).
///
/// # Errors
/// There is no such interface, or its driver doesn't report its name.
pub fn driver(name: &str) -> Result<String, NicError> {
    ethtool::Ethtool::open()?.driver(name)
}

/// Returns true if the driver timestamps packets when it has handed them to the NIC (`ETHTOOL_GET_TS_INFO`). Returns
/// false without an answer.
pub fn stamps_transmitted(name: &str) -> bool {
    let timestamps = ethtool::Ethtool::open().and_then(|ethtool| ethtool.timestamps(name));
    timestamps.is_ok_and(|timestamps| timestamps & libc::SOF_TIMESTAMPING_TX_SOFTWARE != 0)
}
