//! Two gateways that stand in for each other: what each kind of failure costs, measured.
//!
//! Each event is a test of its own. It lays out two gateways between a VM and a host outside, sends 1000 numbered packets
//! a second each way and broadcasts beside them, lets the event happen, and writes a line of this table to standard error:
//! the outage either way, packets lost, copies beyond the first, packets that came back to their sender, and the bound.
//!
//!     cargo test -p gateway-tests --test failover                                   all, needs root
//!     cargo test -p gateway-tests --test failover -- --test-threads=1               one after the other: best numbers
//!     cargo test -p gateway-tests --test failover events::node_gone -- --exact      one event
//!
//! Faults that may never happen are asserted as they are: a packet that comes twice, or back to its sender. Times depend on the
//! machine as well, so an outage may be longer than its bound by [`table::ALLOWANCE`], and is tried up to three times,
//! each in a lab of its own; the line has the number of attempts.
//!
//! `labs` shows without VRRP that the lab sees what it is there to see; `events` has the events of one node with another
//! gateway as its peer, `clouds` the same with OVN and databases, `peers` keepalived as the other node, `flavours` other
//! ways to set the virtual router up.
//!
//! Not measured, but true or false: `able` has what keeps a node from the role, `keys` nodes that authenticate each other,
//! `standby` what a standby knows and leaves alone, `databases` who writes what where, `sharing` two virtual routers on two
//! nodes, `mistakes` what operators get wrong and is reported, `leftovers` what a crash leaves behind.

mod able;
mod attached;
mod clouds;
mod databases;
mod events;
mod flavours;
mod keys;
mod labs;
mod leftovers;
mod mistakes;
mod peers;
mod sharing;
mod standby;
mod table;
