//! TCP throughput, measured by iperf3.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{Host, wait::SOON};

/// Direction of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Forward,
    /// From the server to the client.
    Reverse,
}

/// Measures the bits per second that arrive over a TCP connection from `client` to `address` on `server`, within a
/// number of seconds.
///
/// # Errors
/// If the connection fails, or nothing arrives.
pub fn tcp(client: &Host, server: &Host, address: &str, seconds: u32, direction: Direction) -> Result<f64> {
    let mut listener = server.start(&format!("iperf3 --server --forceflush --bind {address}"))?;
    listener.wait_line(0, SOON, |line| line.contains("listening"))?;
    let reverse = if direction == Direction::Reverse { "--reverse" } else { "" };
    let output = client.run(&format!("iperf3 --json --client {address} --time {seconds} {reverse}"))?;
    let report: Value = serde_json::from_slice(&output.stdout).context("reading iperf3's report")?;
    let rate = report["end"]["sum_received"]["bits_per_second"].as_f64().unwrap_or_default();
    ensure!(rate > 0.0, "iperf3 from {} to {address} brought nothing across: {report}", client.name());
    Ok(rate)
}
