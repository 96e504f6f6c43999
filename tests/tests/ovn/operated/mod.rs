//! The gateway driven by its database without a cloud: an operator writes with `vtep-ctl` what a controller would. The
//! database is as real, the VTEP in the cloud's place is Linux, and it is all there in a second.
//!
//! [`by_hand`] is the lab. [`tls`] has certificates, [`cluster`] three servers for one database, [`scale`] many stations,
//! and [`damage`] rows that make no sense.

mod by_hand;
mod cluster;
mod damage;
mod scale;
mod tls;
