//! Live `hardware_vtep` database.
//!
//! [`HardwareVtep`] is the handle, with the rows and the status that were published last. `actor` feeds the
//! [`Engine`](crate::vtep::Engine) with the events of the connection, the time, and what the handle puts into `inbox`.

mod actor;
mod database;
mod inbox;
mod open;
mod state;

pub use database::HardwareVtep;
pub use inbox::Local;
pub use open::OpenError;
