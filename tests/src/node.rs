//! A machine that runs daemons of Open vSwitch or OVN. They keep their sockets and files in a directory of their own,
//! so that any number of them run side by side, and beside those of the system.

use std::{fs, path::PathBuf, process::Output};

use anyhow::{Context, Result};

use crate::{
    Host,
    process::{self, Process},
};

/// A host with such a directory. Clones refer to the same machine.
#[derive(Clone, Debug)]
pub struct Node {
    host: Host,
    directory: PathBuf,
}

impl Node {
    /// Makes the directory.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(host: &Host) -> Result<Self> {
        let directory = host.lab().directory().join(host.name());
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        Ok(Self { host: host.clone(), directory })
    }

    /// Returns the machine itself.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the path of a file in the directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Runs a command, words between blanks, to its end.
    ///
    /// # Errors
    /// If it did not succeed; the error carries what it wrote.
    pub fn run(&self, command: &str) -> Result<Output> {
        self.run_words(&command.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs a command whose words may contain blanks.
    ///
    /// # Errors
    /// If it did not succeed; the error carries what it wrote.
    pub fn run_words(&self, words: &[&str]) -> Result<Output> {
        let prefix = self.prefix();
        let words: Vec<&str> = prefix.iter().map(String::as_str).chain(words.iter().copied()).collect();
        process::run(&words).with_context(|| format!("on host {}", self.host.name()))
    }

    /// Starts a daemon, which has to stay in the foreground. Its log is `HOST-NAME.log` in the lab's directory.
    ///
    /// # Errors
    /// If it could not be started.
    pub fn start(&self, name: &str, command: &str) -> Result<Process> {
        let log = self.host.lab().directory().join(format!("{}-{name}.log", self.host.name()));
        let prefix = self.prefix();
        let words: Vec<&str> = prefix.iter().map(String::as_str).chain(command.split_whitespace()).collect();
        Process::start(&words, &log)
    }

    /// Returns the words before a command that make it run here and find the daemons of this machine.
    pub fn prefix(&self) -> Vec<String> {
        let directory = self.directory.display();
        let names = ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVN_RUNDIR", "OVN_DBDIR", "OVN_LOGDIR"];
        let environment = names.iter().map(|name| format!("{name}={directory}"));
        self.host.prefix().into_iter().chain(["env".into()]).chain(environment).collect()
    }
}
