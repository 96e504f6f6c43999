//! Labs of network namespaces: hosts, cables, VXLAN peers, VLAN switches and a gateway between them, on one machine.
//!
//! A [`Lab`] has a name of its own, so labs run side by side. Dropping it removes everything in it, also after a panic.
//! The next run removes the remains of a run that was killed. Traffic never leaves the namespaces.
//!
//! - [`lab`], [`sweep`]: the name, and removal by name, which also works for a process that was killed
//! - [`host`], [`netns`], [`process`]: a machine, and running commands on it
//! - [`cable`], [`bridge`]: wires between hosts, and a switch for the underlay
//! - [`vxlan`]: a host of virtual machines, with the kernel's own VXLAN device
//! - [`vlan`], [`ovs`]: the outside: a host that tags by itself, or Open vSwitch with hosts on access ports
//! - [`node`], [`ovsdb`]: the base of daemons of Open vSwitch and OVN
//! - [`ovn`]: a cloud of real OVN, opposite the gateway
//! - [`config`], [`gateway`], [`readings`]: the agent under test, and the content of its maps
//! - [`http`], [`prometheus`]: its monitoring
//! - [`crossing`]: the standard lab, with all of the above in place
//! - [`cluster`]: the same with two redundant gateways, their faults, and the measured outage
//! - [`frame`], [`wire`]: frames made by hand
//! - [`dhcp`]: an address from a real server for a real client
//! - [`transfer`], [`throughput`], [`flow`]: checked transfers, their speed, and a steady flow to count losses
//! - [`bpf`]: the few tiny programs that peers need
//! - [`additions`], [`sample`]: programs of known length and the time of a test run; many runs and their median
//! - [`debian`], [`package`]: a clean Debian, and the package to install in it
//! - [`machine`]: whole servers in QEMU
//! - [`wait`]: waiting for a condition, with a deadline

pub mod additions;
pub mod bpf;
pub mod bridge;
pub mod cable;
pub mod cluster;
pub mod config;
pub mod crossing;
pub mod debian;
pub mod dhcp;
pub mod flow;
pub mod frame;
pub mod gateway;
pub mod host;
pub mod http;
mod janitor;
pub mod lab;
pub mod machine;
pub mod netns;
pub mod node;
pub mod ovn;
pub mod ovs;
pub mod ovsdb;
pub mod package;
mod packet_socket;
pub mod process;
pub mod prometheus;
pub mod readings;
pub mod sample;
pub mod sweep;
pub mod tap;
pub mod throughput;
pub mod transfer;
pub mod vlan;
pub mod vxlan;
pub mod wait;
pub mod wire;

pub use host::Host;
pub use lab::Lab;
