//! Sections of NICs.

use std::fmt::{self, Display, Formatter};

use super::Track;

/// One NIC.
#[derive(Clone, Debug)]
pub struct Nic {
    /// Its name.
    pub name: String,
    /// Its mode.
    pub mode: Mode,
    /// Effect on virtual routers if it is down; the gateway's default if `None`.
    pub track: Option<Track>,
}

/// Mode of a NIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The gateway chooses.
    #[default]
    Auto,
    /// Known unicast in XDP.
    Xdp,
    /// Everything in TC.
    Tc,
}

impl Display for Mode {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Xdp => "xdp",
            Self::Tc => "tc",
        })
    }
}
