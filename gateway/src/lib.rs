//! The agent of vtep-gateway.

pub mod cli;
pub mod config;
pub mod database;
pub mod instance;
mod nearest;
pub mod preflight;
