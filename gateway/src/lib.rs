//! vtep-gateway's agent: joins VXLAN networks of a cloud with VLANs outside it.
//!
//! Data goes one way: a database gives typed rows, the plan makes desired forwarding of them and of the underlay's state,
//! the data plane's maps are brought to it by the difference.

pub mod datapath;
