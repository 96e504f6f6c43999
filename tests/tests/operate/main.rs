//! The interface of operators: every verb of the command line, the control socket, metrics and logs, on a running gateway
//! with real traffic. Output is compared as data.
#![expect(clippy::unwrap_used, reason = "all of this is test code, outside `#[test]` functions too")]

mod asking;
mod basics;
mod bindings;
mod capture;
mod control;
mod credentials;
mod dashboard;
mod demo;
mod doctor;
mod hostile;
mod invalid_file;
mod logs;
mod metrics;
mod monitor;
mod notify;
mod show;
mod status;
mod top;
mod trace;
