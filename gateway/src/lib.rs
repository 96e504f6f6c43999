//! The agent of vtep-gateway: everything that happens outside the kernel.

pub mod nic;
pub mod underlay;
