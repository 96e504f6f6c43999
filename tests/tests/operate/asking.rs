//! Queries a running gateway, and parses its answers.

use anyhow::{Context, Result, ensure};
use gateway_api::view::Status;
use lab::{gateway::Gateway, process::text};
use serde::de::DeserializeOwned;

/// Returns the output of `show NOUN --json`; `noun` may have filters.
pub(crate) fn shown<T: DeserializeOwned>(gateway: &Gateway, noun: &str) -> Result<Vec<T>> {
    let text = gateway.ask(&format!("show {noun} --json"))?;
    serde_json::from_str(&text).with_context(|| format!("show {noun} prints\n{text}"))
}

/// Returns the output of `status --json`, and its exit code.
pub(crate) fn status(gateway: &Gateway) -> Result<(Status, Option<i32>)> {
    let output = gateway.try_ask("status --json")?;
    let status = serde_json::from_slice(&output.stdout).with_context(|| text(&output))?;
    Ok((status, output.status.code()))
}

/// A screen for people, which has to be as wide as 80 columns at most.
pub(crate) fn screen(gateway: &Gateway, verb: &str) -> Result<String> {
    let text = text(&gateway.on_terminal(verb, "TERM=dumb")?).replace('\r', "");
    ensure!(text.lines().all(|line| line.chars().count() <= 80), "wider than 80 columns:\n{text}");
    Ok(text)
}
