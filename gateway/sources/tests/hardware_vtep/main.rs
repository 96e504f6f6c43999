//! A gateway's dealings with a real `hardware_vtep` database: the real `ovsdb-server`, `vtep-ctl` as the operator and the
//! controller.
#![allow(clippy::unwrap_used, reason = "what a test does not expect fails it")]

#[path = "../../../ovsdb/tests/ovsdb/lab.rs"]
mod lab;

mod follow;
mod hold;
mod load;
mod publish;
mod register;
mod vtep;
mod writers;
