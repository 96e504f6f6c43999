//! Whole servers in QEMU, and the gateway on them: stock kernels, drivers of real NICs, bonds, VLANs, systemd.
//!
//! KVM is not needed: a boot takes some twenty seconds on an emulated processor. Several scenarios run on one boot.
//!
//! - [`scenario`], [`table`]: what is tried, a row each
//! - [`image`]: the root file system, a Debian with the packages of a server; kept beside the output of cargo
//! - [`hardware`], [`server`]: NICs, booting, scripts, cables, the power plug. `channel` runs scripts in the server over a
//!   virtio port, `qmp` speaks to QEMU
//! - [`fabric`]: everything around a server, in network namespaces
//! - [`network`]: bonds, bridges and VLANs of the server
//! - [`trial`]: one scenario: network, gateway, traffic, events, and the way back. `unit` is the gateway on the server
//! - [`traffic`], [`settings`]: what has to arrive, and what has to be as it was before
//! - [`outcome`]: results, as a table and as JSON
//! - [`support`]: the table in `docs/SUPPORT.md`

mod channel;
pub mod fabric;
pub mod hardware;
pub mod image;
pub mod network;
pub mod outcome;
mod qmp;
pub mod scenario;
pub mod server;
pub mod settings;
pub mod support;
pub mod table;
pub mod traffic;
pub mod trial;
mod unit;
