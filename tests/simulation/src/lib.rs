//! The gateway's VRRP, alone: without the rest of the agent it can be optimized, and a hundred thousand schedules take
//! seconds.

#![allow(dead_code, unused_imports, unreachable_pub, reason = "what the rest of the agent needs is not used here")]

#[path = "../../../gateway/src/vrrp/mod.rs"]
pub mod vrrp;
