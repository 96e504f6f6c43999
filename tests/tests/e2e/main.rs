//! vtep-gateway end to end: real stacks on both ends, the agent between them, everything in namespaces.
//!
//! One module for each subject; each test states one fact, or follows one scenario. Needs root.

mod labs;
