//! Verbs of the command that query a running agent.

use std::process::Output;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Gateway, binary, command};
use crate::process;

impl Gateway {
    /// Runs a verb of `vtep-gateway` that queries the running agent. Returns its output.
    ///
    /// # Errors
    /// The error output of the command.
    pub fn ask(&self, verb: &str) -> Result<String> {
        let output = self.host().run(&format!("{} {verb} --config {}", binary()?, self.file().display()))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs such a verb, and accepts any result.
    ///
    /// # Errors
    /// If it could not be started.
    pub fn try_ask(&self, verb: &str) -> Result<Output> {
        command(self.host(), &format!("{verb} --config {}", self.file().display()))
    }

    /// Runs such a verb on a terminal of 80 columns and 24 lines, with these `NAME=VALUE` in the environment.
    ///
    /// # Errors
    /// If it could not be started.
    pub fn on_terminal(&self, verb: &str, environment: &str) -> Result<Output> {
        // script(1) makes a terminal.
        let command = format!("env {environment} {} {verb} --config {}", binary()?, self.file().display());
        let sized = format!("stty cols 80 rows 24; {command}");
        let prefix = self.host().prefix();
        let words = [&[prefix[0].as_str(), prefix[1].as_str()], &["script", "-qec", &sized, "/dev/null"][..]].concat();
        process::attempt(&words)
    }

    /// Returns the output of `vtep-gateway status --json`, healthy or not.
    ///
    /// # Errors
    /// The output of the command, if that is no JSON.
    pub fn status(&self) -> Result<Value> {
        let Output { stdout, stderr, .. } = self.try_ask("status --json")?;
        serde_json::from_slice(&stdout).with_context(|| String::from_utf8_lossy(&stderr).into_owned())
    }

    /// Returns the output of `vtep-gateway show NOUN --json`; `noun` may have options.
    ///
    /// # Errors
    /// The error output of the command, or if its output is no JSON.
    pub fn show(&self, noun: &str) -> Result<Vec<Value>> {
        Ok(serde_json::from_str(&self.ask(&format!("show {noun} --json"))?)?)
    }

    /// Runs `vtep-gateway detach`.
    ///
    /// # Errors
    /// The error output of the command.
    pub fn detach(&self) -> Result<()> {
        self.host().run(&format!("{} detach --config {}", binary()?, self.file().display())).map(drop)
    }

    /// Returns the severity and the text of each problem in the status.
    ///
    /// # Errors
    /// The output of the command, if that is no JSON.
    pub fn problems(&self) -> Result<Vec<(String, String)>> {
        let status = self.status()?;
        let text = |problem: &Value, key: &str| problem[key].as_str().map(str::to_owned);
        let all = status["problems"].as_array().into_iter().flatten();
        Ok(all.filter_map(|problem| Some((text(problem, "severity")?, text(problem, "text")?))).collect())
    }
}
