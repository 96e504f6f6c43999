//! A binding that the database has, with its state.

use gateway_api::view::BindingState;
use gateway_common::net::Vni;

/// A VLAN of a port that the database binds to a logical switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundVlan {
    /// Name of the port.
    pub port: String,
    /// The VLAN as the database has it; 0 for untagged frames.
    pub vlan: u16,
    /// Name of the logical switch.
    pub switch: String,
    /// Its VNI, if it has one.
    pub vni: Option<Vni>,
    /// The instance it belongs to: an index into [`gateway_config::Config::instances`].
    pub instance: usize,
    /// Its state: forwarding, or the reason that it does not.
    pub state: BindingState,
}
