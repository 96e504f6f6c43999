//! A running agent, from its start to its end.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::Signal;

use super::{binary, surroundings::Surroundings};
use crate::{
    Host,
    config::Config,
    process::Process,
    readings::Readings,
    wait::{SOON, in_vain},
};

/// A gateway on a host of the lab.
#[derive(Debug)]
pub struct Gateway {
    host: Host,
    file: PathBuf,
    pin_dir: PathBuf,
    surroundings: Surroundings,
    agent: Option<Process>,
}

impl Gateway {
    /// Starts the agent and waits until it forwards.
    ///
    /// # Errors
    /// If it ends or does not become ready; the error carries its log.
    pub fn start(host: &Host, config: &Config) -> Result<Self> {
        let mut gateway = Self::launch(host, config)?;
        gateway.wait_log(|line| mentions(line, "ready"))?;
        Ok(gateway)
    }

    /// Starts the agent without waiting.
    ///
    /// # Errors
    /// If it could not be started.
    pub fn launch(host: &Host, config: &Config) -> Result<Self> {
        Self::launch_in(host, config, Surroundings::default())
    }

    /// Starts the agent with these surroundings, without waiting.
    ///
    /// # Errors
    /// If it could not be started.
    pub fn launch_in(host: &Host, config: &Config, surroundings: Surroundings) -> Result<Self> {
        let file = host.lab().directory().join(format!("{}.toml", host.name()));
        write(&file, &config.to_string())?;
        let pin_dir = config.pin_dir.clone();
        let mut gateway = Self { host: host.clone(), file, pin_dir, surroundings, agent: None };
        gateway.begin()?;
        Ok(gateway)
    }

    /// Starts the agent again after [`Gateway::stop`] or [`Gateway::kill`], and waits until it is ready.
    ///
    /// # Errors
    /// If it ends or does not become ready; the error carries its log.
    pub fn resume(&mut self) -> Result<()> {
        self.relaunch()?;
        self.wait_log(|line| mentions(line, "ready")).map(drop)
    }

    /// Starts the agent again after [`Gateway::stop`] or [`Gateway::kill`], without waiting.
    ///
    /// # Errors
    /// If it is running, or could not be started.
    pub fn relaunch(&mut self) -> Result<()> {
        ensure!(self.agent.is_none(), "the agent is running");
        self.begin()
    }

    /// Waits until the agent logs a line that `wanted` accepts.
    ///
    /// # Errors
    /// If it ends, or logs no such line; the error carries its log.
    pub fn wait_log(&mut self, wanted: impl Fn(&str) -> bool) -> Result<String> {
        self.agent.as_mut().ok_or_else(not_running)?.wait_line(0, SOON, wanted)
    }

    fn begin(&mut self) -> Result<()> {
        let log = log_of(&self.host);
        let prefix = self.host.prefix();
        let file = self.file.display().to_string();
        let mut words: Vec<&str> = prefix.iter().map(String::as_str).collect();
        words.extend(self.surroundings.before.iter().map(String::as_str));
        words.extend([binary()?, "run", "--config", &file]);
        words.extend(self.surroundings.options.iter().map(String::as_str));
        self.agent = Some(Process::start(&words, &log)?);
        Ok(())
    }

    /// Returns the machine it runs on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the content of its maps.
    pub fn read(&self) -> Readings {
        Readings::new(&self.pin_dir)
    }

    /// Returns the directory of its pins.
    pub fn pin_dir(&self) -> &Path {
        &self.pin_dir
    }

    /// Returns the path of its configuration file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Returns its log since the last start.
    ///
    /// # Errors
    /// If it is not running.
    pub fn log(&self) -> Result<String> {
        Ok(self.agent.as_ref().ok_or_else(not_running)?.log())
    }

    /// Makes it reload a configuration.
    ///
    /// # Errors
    /// If it refuses, or logs no result.
    pub fn reload(&mut self, config: &Config) -> Result<()> {
        let line = self.reload_text(&config.to_string())?;
        ensure!(!mentions(&line, "refused"), "{line}");
        Ok(())
    }

    /// Makes it reload a configuration file with this text. Returns the line that it logs about the reload.
    ///
    /// # Errors
    /// If it logs no result.
    pub fn reload_text(&mut self, text: &str) -> Result<String> {
        write(&self.file, text)?;
        let agent = self.agent.as_mut().ok_or_else(not_running)?;
        let mark = agent.mark();
        agent.signal(Signal::SIGHUP)?;
        agent.wait_line(mark, SOON, |line| mentions(line, "reloaded") || line.contains("reload refused"))
    }

    /// Waits until the agent ends by itself. Returns its exit status and its log.
    ///
    /// # Errors
    /// If it does not end.
    pub fn wait_end(&mut self) -> Result<(ExitStatus, String)> {
        let mut agent = self.agent.take().ok_or_else(not_running)?;
        let status = agent.wait(SOON)?;
        Ok((status, agent.log()))
    }

    /// Stops the agent as an operator does. The attached programs continue to forward.
    ///
    /// # Errors
    /// If it does not end, or ends with an error.
    pub fn stop(&mut self) -> Result<()> {
        let mut agent = self.agent.take().ok_or_else(not_running)?;
        agent.signal(Signal::SIGTERM)?;
        let status = agent.wait(SOON)?;
        ensure!(status.success(), "the agent ended with {status}:\n{}", agent.log());
        Ok(())
    }

    /// Kills the agent, so that it can't react.
    ///
    /// # Errors
    /// If it is not running.
    pub fn kill(&mut self) -> Result<()> {
        let mut agent = self.agent.take().ok_or_else(not_running)?;
        agent.signal(Signal::SIGKILL)?;
        agent.wait(SOON).map(drop)
    }

    /// Sends the agent a signal, such as SIGSTOP.
    ///
    /// # Errors
    /// If it is not running.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.agent.as_mut().ok_or_else(not_running)?.signal(signal)
    }

    /// Stops the agent with `vtep-gateway exit`, which may have `options`.
    ///
    /// # Errors
    /// The error output of the command, or if the agent ends with an error.
    pub fn exit(&mut self, options: &str) -> Result<()> {
        self.ask(&format!("exit {options}"))?;
        let mut agent = self.agent.take().ok_or_else(not_running)?;
        let status = agent.wait(SOON)?;
        ensure!(status.success(), "the agent ended with {status}:\n{}", agent.log());
        Ok(())
    }

    /// Returns the process id of the agent, `None` while it is not running.
    pub fn pid(&self) -> Option<u32> {
        self.agent.as_ref().map(Process::pid)
    }

    /// Leaves the agent running when this handle is dropped.
    pub fn leave(&mut self) {
        if let Some(agent) = &mut self.agent {
            agent.leave();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if !std::thread::panicking() && !in_vain() {
            return;
        }
        // The test has failed: print the log of the gateway.
        if let Ok(log) = self.log() {
            eprintln!("--- log of {}\n{log}", self.host.namespace());
        }
        let readings = self.read();
        eprintln!(
            "--- drops: {:?}\n--- paths: {:?}\n--- fdb: {:?}",
            readings.drops(),
            readings.paths(),
            readings.fdb()
        );
    }
}

/// Returns the path of the file for the log and standard error of the agent on `host`.
pub fn log_of(host: &Host) -> PathBuf {
    host.lab().directory().join(format!("{}-vtep-gateway.log", host.name()))
}

/// Writes a configuration file.
pub(super) fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("writing {}", file.display()))
}

fn not_running() -> anyhow::Error {
    anyhow!("the agent is not running")
}

/// Returns true if `line` contains `word` as a whole word.
fn mentions(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word)
}
