//! The agent under test.

mod agent;
mod binary;
mod query;
mod surroundings;

pub use agent::{Gateway, log_of};
pub use binary::{binary, command, try_run};
pub use surroundings::Surroundings;
