//! The operator's model of a running agent.
//!
//! [`view`] has one type for each thing that is shown, [`events`] what happens, [`ctl`] the protocol of the control socket
//! and its client, and [`screen`] the same as text for people. The agent fills it; the command line, metrics and monitoring
//! read it.

pub mod ctl;
pub mod events;
pub mod screen;
pub mod view;
