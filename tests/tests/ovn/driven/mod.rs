//! The gateway driven by its database: OVN writes, the gateway forwards, and publishes what it learns.
//!
//! [`crossing`] is the main job on a database that was filled before. [`changes`] and [`bindings`] are what happens in
//! a cloud while traffic runs, [`publishing`] what the gateway publishes of the outside. [`tenants`] has two networks with
//! the same addresses. [`outages`] takes away the database and its controller.

mod bindings;
mod changes;
mod crossing;
mod outages;
mod publishing;
mod tenants;
