//! vtep-gateway end to end: real stacks on both ends, the agent between them, everything in namespaces.
//!
//! One module for each subject; each test states one fact, or follows one scenario. Needs root.

mod attached;
mod crossing;
mod detach;
mod dhcp;
mod flooding;
mod ipv6;
mod isolation;
mod labs;
mod learning;
mod local;
mod loss;
mod mtu;
mod multicast;
mod offload;
mod pair;
mod refusal;
mod reload;
mod restart;
mod trunk;
mod underlay;
