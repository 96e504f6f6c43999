//! Decisions about one gateway's database. Input is the events of the client and the time; output is the rows to
//! forward by and transactions.
//!
//! [`Engine`] has two halves: `forwarding` derives the rows in force from the contents of the database, and `writer`
//! decides what this gateway writes, and when. `own_rows` and `write_faults` detect and describe other writers.

mod forwarding;
mod kind;
mod log;
mod machine;
mod own_rows;
mod settings;
mod status;
mod write_faults;
mod writer;

pub use log::LogLine;
pub use machine::Engine;
pub use settings::Settings;
pub use status::Status;
