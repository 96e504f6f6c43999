//! Nodes that send each other what they know, over real sockets in network namespaces. Needs root.
#![expect(clippy::unwrap_used, reason = "all of this is test code, outside `#[test]` functions too")]

#[path = "../../../netdev/tests/netns/mod.rs"]
mod netns;

mod callers;
mod node;
mod routed;
mod two;
