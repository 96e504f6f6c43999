//! vtep-gateway opposite a cloud of real OVN: Debian's packages, started by the tests, everything in namespaces.
//!
//! A cloud takes seconds to come up, so most tests follow a scenario through one cloud. Needs root.

mod cloud;
mod driven;
mod filled;
mod operated;
mod opposite;
mod outer;
