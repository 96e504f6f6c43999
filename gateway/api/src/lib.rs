//! Data model of a running agent, for operators.
//!
//! [`view`] has one type for each thing that is shown, [`events`] the events, [`ctl`] the protocol of the control
//! socket and its client, and [`screen`] the same data as text for people. The agent fills the model; the command line,
//! metrics and monitoring read it.

pub mod ctl;
pub mod events;
pub mod screen;
pub mod view;
