//! The centre of the cloud: northbound and southbound database, and `ovn-northd` between them.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::{
    Host,
    node::Node,
    ovsdb::{Database, OVN_SCHEMAS},
    process::Process,
};

/// Port for connections of hypervisors.
const SOUTHBOUND_PORT: u16 = 6642;

/// The centre.
#[derive(Debug)]
pub struct Central {
    address: Ipv4Addr,
    // Dropped in this order.
    northd: Process,
    northbound: Database,
    southbound: Database,
}

impl Central {
    /// Starts the centre on a host, which has `address` on the management network.
    ///
    /// # Errors
    /// If anything does not start.
    pub fn start(host: &Host, address: Ipv4Addr) -> Result<Self> {
        let node = Node::new(host)?;
        let schema = |name: &str| format!("{OVN_SCHEMAS}/ovn-{name}.ovsschema");
        let northbound = Database::create(&node, "nb", &schema("nb"), "")?;
        let listen = format!("--remote=ptcp:{SOUTHBOUND_PORT}:{address}");
        let southbound = Database::create(&node, "sb", &schema("sb"), &listen)?;
        let northd = node.start(
            "ovn-northd",
            &format!("ovn-northd --ovnnb-db={} --ovnsb-db={} -vconsole:warn", northbound.remote(), southbound.remote()),
        )?;
        Ok(Self { address, northd, northbound, southbound })
    }

    /// Returns the address of the southbound database for other machines.
    pub fn remote(&self) -> String {
        format!("tcp:{}:{SOUTHBOUND_PORT}", self.address)
    }

    /// Returns the address of the northbound database for clients on the same computer.
    pub fn northbound(&self) -> String {
        self.northbound.remote()
    }

    /// Runs `ovn-nbctl` and returns its output.
    ///
    /// # Errors
    /// The error output of the command.
    pub fn nbctl(&self, arguments: &str) -> Result<String> {
        self.nbctl_words(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs `ovn-nbctl` with words that may contain blanks.
    ///
    /// # Errors
    /// The error output of the command.
    pub fn nbctl_words(&self, words: &[&str]) -> Result<String> {
        ctl(&self.northbound, "ovn-nbctl", words)
    }

    /// Runs `ovn-sbctl` and returns its output.
    ///
    /// # Errors
    /// The error output of the command.
    pub fn sbctl(&self, arguments: &str) -> Result<String> {
        ctl(&self.southbound, "ovn-sbctl", &arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// Returns the name of the chassis that a logical port is bound to; `None` while there is none.
    ///
    /// # Errors
    /// If the database can't be queried.
    pub fn chassis_of(&self, port: &str) -> Result<Option<String>> {
        let chassis = self.sbctl(&format!("--bare --columns=chassis find Port_Binding logical_port={port}"))?;
        if chassis.trim().is_empty() {
            return Ok(None);
        }
        // A chassis that is removed between the two queries counts as none.
        let name = self.sbctl(&format!("--if-exists --bare get Chassis {} name", chassis.trim()))?;
        Ok(Some(name.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty()))
    }

    /// Leaves all of it running when this handle is dropped.
    pub fn leave(&mut self) {
        self.northd.leave();
        self.northbound.leave();
        self.southbound.leave();
    }
}

fn ctl(database: &Database, program: &str, words: &[&str]) -> Result<String> {
    let db = format!("--db={}", database.remote());
    let words = [&[program, &db, "--timeout=20"], words].concat();
    let output = database.node().run_words(&words)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
