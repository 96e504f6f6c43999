//! The transition table, the timers of the RFC, and each rule of the lease.
