//! One operation on the maps.

use std::collections::BTreeSet;

use gateway_common::{
    binding::{Binding, BindingKey, Settings},
    fdb::{FdbEntry, FdbKey, Target},
    logical_switch::{FloodKey, SwitchEntry},
    tunnel::{Addr, Arrival, RemoteVtepKey, Tunnel, Vtep},
};

/// Scope of learned MACs to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forget {
    /// A whole logical switch.
    Switch(u32),
    /// A binding, in any logical switch.
    Binding(BindingKey),
    /// A tunnel.
    Tunnel(u32),
    /// An access port, by index, in any logical switch.
    Port(u32),
}

/// One operation on the maps.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it: put or delete an element of the map of that name")]
pub enum Op {
    PutSettings(Settings),
    PutXdpPort(u32),
    DelXdpPort(u32),
    PutXdpSgPort(u32),
    DelXdpSgPort(u32),
    PutDown(u32),
    DelDown(u32),
    PutMember(u32, u32),
    DelMember(u32),
    PutVtep(Addr, Vtep),
    DelVtep(Addr),
    PutArrival(Arrival),
    DelArrival(Arrival),
    /// Boxed, because it is large and other operations are many.
    PutTunnel(u32, Box<Tunnel>),
    PutRemoteVtep(RemoteVtepKey, u32),
    DelRemoteVtep(RemoteVtepKey, u32),
    PutFlood(FloodKey, Target),
    DelFlood(FloodKey),
    PutSwitch(u32, SwitchEntry),
    DelSwitch(u32),
    PutBinding(BindingKey, Binding),
    DelBinding(BindingKey),
    PutMac(FdbKey, FdbEntry),
    DelMac(FdbKey),
    /// Zeroes counters and budgets of a binding number that is about to be reused.
    ResetBindingStats(u32),
    /// Zeroes counters and budgets of a tunnel number that is about to be reused.
    ResetTunnelStats(u32),
    /// Removes learned MACs of all these scopes, in one walk through the database.
    Forget(BTreeSet<Forget>),
}
