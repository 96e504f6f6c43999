//! `ovsdb-server`: the database under Open vSwitch, OVN, and gateways.

use std::{io::Write, iter, os::unix::net::UnixStream, path::Path};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    node::Node,
    process::Process,
    wait::{SOON, wait_for},
};

/// Directory of the schemas of Open vSwitch in Debian's packages.
pub const OVS_SCHEMAS: &str = "/usr/share/openvswitch";
/// Directory of the schemas of OVN in Debian's packages.
pub const OVN_SCHEMAS: &str = "/usr/share/ovn";

/// A database with a server of its own, which listens on a socket and on further addresses from its options.
#[derive(Debug)]
pub struct Database {
    node: Node,
    name: String,
    options: String,
    server: Option<Process>,
}

impl Database {
    /// Creates the database `name` on a machine, empty, and serves it. `options` are further options of `ovsdb-server`,
    /// like `--remote=ptcp:6640:10.0.0.1`.
    ///
    /// # Errors
    /// If there is one of that name, or the server does not start.
    pub fn create(node: &Node, name: &str, schema: &str, options: &str) -> Result<Self> {
        Self::make(node, name, options, |file| format!("create {file} {schema}"))
    }

    /// Creates the first member of a cluster, which the others find at `address`, like `tcp:10.0.0.1:6645`.
    ///
    /// # Errors
    /// See [`Database::create`].
    pub fn create_cluster(node: &Node, name: &str, schema: &str, address: &str, options: &str) -> Result<Self> {
        Self::make(node, name, options, |file| format!("create-cluster {file} {schema} {address}"))
    }

    /// Creates one more member of a cluster of databases of this schema's name, which has a member at `first`.
    ///
    /// # Errors
    /// See [`Database::create`], and if it does not become a member.
    pub fn join_cluster(
        node: &Node,
        name: &str,
        schema: &str,
        [address, first]: [&str; 2],
        options: &str,
    ) -> Result<Self> {
        let database =
            Self::make(node, name, options, |file| format!("join-cluster {file} {schema} {address} {first}"))?;
        node.run(&format!("ovsdb-client --timeout=20 wait {} {schema} connected", database.remote()))?;
        Ok(database)
    }

    fn make(node: &Node, name: &str, options: &str, arguments: impl FnOnce(&str) -> String) -> Result<Self> {
        let mut database = Self { node: node.clone(), name: name.into(), options: options.into(), server: None };
        node.run(&format!("ovsdb-tool {}", arguments(&database.path("db"))))?;
        database.resume()?;
        Ok(database)
    }

    /// Returns the machine it runs on.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Returns its socket for clients on this computer.
    pub fn remote(&self) -> String {
        format!("unix:{}", self.path("sock"))
    }

    /// Returns true if this server leads its cluster.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn leads(&self, schema: &str) -> Result<bool> {
        let output = self.node.run(&format!("ovs-appctl -t {} cluster/status {schema}", self.path("ctl")))?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().any(|line| line.trim() == "Role: leader"))
    }

    /// Runs a transaction of any size, `operations` on the database `schema` (RFC 7047 section 5.2).
    ///
    /// # Errors
    /// If any of it fails.
    pub fn transact(&self, schema: &str, operations: &[Value]) -> Result<()> {
        let params: Vec<Value> = iter::once(schema.into()).chain(operations.iter().cloned()).collect();
        let mut stream = UnixStream::connect(self.path("sock"))?;
        stream.set_read_timeout(Some(SOON))?;
        stream.write_all(json!({ "method": "transact", "params": params, "id": 0 }).to_string().as_bytes())?;
        let replies = serde_json::Deserializer::from_reader(stream).into_iter::<Value>();
        // In between the server may send an echo request to this client.
        let reply =
            replies.filter_map(Result::ok).find(|reply| reply["id"] == 0).context("no reply to a transaction")?;
        let failed = reply["result"].as_array().into_iter().flatten().find(|result| !result["error"].is_null());
        ensure!(reply["error"].is_null() && failed.is_none(), "the transaction failed: {}", failed.unwrap_or(&reply));
        Ok(())
    }

    /// Kills the server, so that it can't react.
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
