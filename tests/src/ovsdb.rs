//! `ovsdb-server`: the database under Open vSwitch, OVN, and gateways.

use std::{os::unix::net::UnixStream, path::Path};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::{
    node::Node,
    process::Process,
    wait::{SOON, wait_for},
};

/// Where Debian's packages put the schemas of Open vSwitch.
pub const OVS_SCHEMAS: &str = "/usr/share/openvswitch";
/// Where Debian's packages put the schemas of OVN.
pub const OVN_SCHEMAS: &str = "/usr/share/ovn";

/// A database with a server of its own, which listens on a socket and whatever else it is told to.
#[derive(Debug)]
pub struct Database {
    node: Node,
    name: String,
    options: String,
    server: Option<Process>,
}

impl Database {
    /// Makes the database `name` on a machine, empty, and serves it. `options` are more of `ovsdb-server`'s, like
    /// `--remote=ptcp:6640:10.0.0.1`.
    ///
    /// # Errors
    /// If there is one of that name, or the server does not start.
    pub fn create(node: &Node, name: &str, schema: &str, options: &str) -> Result<Self> {
        node.run(&format!("ovsdb-tool create {} {schema}", node.file(&format!("{name}.db")).display()))?;
        let mut database = Self { node: node.clone(), name: name.into(), options: options.into(), server: None };
        database.resume()?;
        Ok(database)
    }

    /// The machine it runs on.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Its socket, as clients on this computer name it.
    pub fn remote(&self) -> String {
        format!("unix:{}", self.path("sock"))
    }

    /// Ends the server without giving it a chance to do anything about it.
    ///
    /// # Errors
    /// If it is not running.
    pub fn kill(&mut self) -> Result<()> {
        let mut server = self.server.take().with_context(|| format!("the server of {} is not running", self.name))?;
        server.signal(Signal::SIGKILL)?;
        server.wait(SOON).map(drop)
    }

    /// Starts the server again after [`Database::kill`], on the same file.
    ///
    /// # Errors
    /// If it does not start.
    pub fn resume(&mut self) -> Result<()> {
        let socket = self.path("sock");
        let command = format!(
            "ovsdb-server {} --remote=punix:{socket} --unixctl={} -vconsole:warn {}",
            self.path("db"),
            self.path("ctl"),
            self.options
        );
        let mut server = self.node.start(&format!("ovsdb-{}", self.name), &command)?;
        let answers = || UnixStream::connect(Path::new(&socket)).is_ok();
        wait_for("the socket of ovsdb-server", SOON, || answers() || !server.runs())?;
        if !answers() {
            anyhow::bail!("ovsdb-server of {} has ended:\n{}", self.name, server.log());
        }
        self.server = Some(server);
        Ok(())
    }

    /// Leaves the server running when this handle is dropped.
    pub fn leave(&mut self) {
        if let Some(server) = &mut self.server {
            server.leave();
        }
    }

    fn path(&self, kind: &str) -> String {
        self.node.file(&format!("{}.{kind}", self.name)).display().to_string()
    }
}
