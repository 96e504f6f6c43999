//! The OVSDB client against the real `ovsdb-server`, and against conversations with it that were recorded.
#![allow(clippy::unwrap_used, reason = "what a test does not expect fails it")]

mod cluster;
mod connections;
mod follow;
mod follower;
mod lab;
mod proxy;
mod replay;
mod tls;
mod transact;
