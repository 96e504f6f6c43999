//! vtep-gateway's agent: joins VXLAN networks of a cloud with VLANs outside it.
//!
//! Data goes one way: a [`database`] gives typed rows, the [`plan`] makes desired forwarding of them and of the state of
//! the [`underlay`], and the maps of the [`datapath`] are brought to it by the difference. The [`agent`] turns the wheel.

pub mod agent;
pub mod announce;
mod bucket;
pub mod capture;
mod causes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod ctl;
pub mod database;
pub mod datapath;
pub mod devices;
pub mod doctor;
pub mod events;
pub mod ha;
pub mod instance;
mod interner;
pub mod log;
pub mod manual;
pub mod memory;
pub mod metrics;
mod nearest;
pub mod nic;
pub mod ovsdb;
pub mod packet;
pub mod peers;
pub mod plan;
pub mod preflight;
pub mod screen;
pub mod top;
pub mod trace;
pub mod underlay;
pub mod verbs;
pub mod view;
pub mod vrrp;
pub mod vtep;
