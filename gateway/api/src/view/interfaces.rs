//! The interfaces in use, a part of `status`.

use gateway_common::net::MacAddr;
use serde::{Deserialize, Serialize};

use super::mac_text;

/// An uplink or access port of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its role: uplink or access port.
    pub role: InterfaceRole,
    /// Attach mode, as configured.
    pub configured_mode: Mode,
    /// Attach mode in use; never `auto`. None: programs are not attached to it.
    pub mode: Option<Mode>,
    /// XDP may redirect frames to it; else TC sends them.
    pub xdp_transmit: bool,
    /// XDP may redirect frames in several buffers to it, jumbo frames above all; else TC sends those.
    #[serde(default)]
    pub xdp_transmit_sg: bool,
    /// Frames that were redirected to it and that the kernel or its driver refused: lost.
    #[serde(default)]
    pub redirect_refused: u64,
    /// Frames that were redirected to it and found its queue full: lost.
    #[serde(default)]
    pub redirect_full: u64,
    /// Its state in the kernel. None: the interface does not exist.
    pub link: Option<LinkState>,
    /// Why programs are not attached, where that was tried.
    pub problem: Option<String>,
    /// Its members. None: it is no bond.
    #[serde(default)]
    pub members: Option<Vec<BondMember>>,
}

/// A member of a bond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BondMember {
    /// Its name.
    pub name: String,
    /// The bond receives by it.
    pub active: bool,
    /// XDP forwards what comes in by it. If not, the bond passes it to TC, or drops it where the member is not active.
    pub xdp: bool,
}

/// State of an interface in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// The kernel's number for it.
    pub ifindex: u32,
    /// Up, and able to carry packets.
    pub up: bool,
    /// The largest IP packet it carries, in bytes.
    pub mtu: u32,
    /// Its address, where it has one.
    #[serde(with = "mac_text::maybe")]
    pub mac: Option<MacAddr>,
}

/// Role of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterfaceRole {
    /// Towards the VXLAN underlay.
    Uplink,
    /// Towards the VLANs: an access port.
    Port,
}

/// Attach mode of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// XDP where the driver can, else TC.
    Auto,
    /// XDP, in the driver.
    Xdp,
    /// TC.
    Tc,
}

impl InterfaceRole {
    /// Returns the name of the role.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uplink => "uplink",
            Self::Port => "port",
        }
    }
}

impl Mode {
    /// Returns the name of the mode.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Xdp => "xdp",
            Self::Tc => "tc",
        }
    }
}
