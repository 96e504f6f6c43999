//! A Prometheus that scrapes each second.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    Host, http,
    process::Process,
    wait::{SOON, wait_for},
};

const PORT: u16 = 9090;

/// The server; it listens on loopback of its host.
#[derive(Debug)]
pub struct Prometheus {
    host: Host,
    _server: Process,
}

/// A sample of the answer to a query.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The series.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Prometheus {
    /// Starts it on `host`, with these targets as job `vtep-gateway`, and the alert rules in file `rules`.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn start(host: &Host, targets: &[SocketAddr], rules: &Path) -> Result<Self> {
        let directory = host.lab().directory();
        let file = directory.join(format!("{}-prometheus.yml", host.name()));
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{:?}]\nscrape_configs:\n- job_name: \
             vtep-gateway\n  static_configs:\n  - targets: {targets:?}\n",
            rules.canonicalize().with_context(|| format!("looking for {}", rules.display()))?
        );
        fs::write(&file, config)?;
        let data = directory.join(format!("{}-prometheus", host.name()));
        let mut server = host.start(&format!(
            "prometheus --config.file={} --storage.tsdb.path={} --web.listen-address=127.0.0.1:{PORT} --log.level=warn",
            file.display(),
            data.display()
        ))?;
        let ready = || http::get(host, api(), "/-/ready").is_ok_and(|reply| reply.status == 200);
        wait_for("Prometheus is ready", SOON, || ready() || !server.runs())?;
        ensure!(server.runs(), "Prometheus has ended:\n{}", server.log());
        Ok(Self { host: host.clone(), _server: server })
    }

    /// Returns the current value of `expression`; a scalar is one sample without labels.
    ///
    /// # Errors
    /// If Prometheus does not understand it.
    pub fn query(&self, expression: &str) -> Result<Vec<Sample>> {
        let data = self.ask(&format!("/api/v1/query?query={}", http::escape(expression)))?;
        let value = |pair: &Value| pair[1].as_str().and_then(|text| text.parse().ok()).context("no number");
        if data["resultType"] == "scalar" {
            return Ok(vec![Sample { labels: BTreeMap::new(), value: value(&data["result"])? }]);
        }
        let samples = data["result"].as_array().with_context(|| format!("{expression} gives {data}"))?;
        let sample = |sample: &Value| {
            let labels = serde_json::from_value(sample["metric"].clone())?;
            Ok(Sample { labels, value: value(&sample["value"])? })
        };
        samples.iter().map(sample).collect()
    }

    /// Returns all rules, in the form of `/api/v1/rules`.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn rules(&self) -> Result<Vec<Value>> {
        let data = self.ask("/api/v1/rules")?;
        let groups = data["groups"].as_array().into_iter().flatten();
        Ok(groups.flat_map(|group| group["rules"].as_array().into_iter().flatten()).cloned().collect())
    }

    fn ask(&self, path: &str) -> Result<Value> {
        let reply = http::get(&self.host, api(), path)?;
        let mut answer: Value = serde_json::from_str(&reply.body).with_context(|| reply.body.clone())?;
        ensure!(answer["status"] == "success", "{path}: {answer}");
        Ok(answer["data"].take())
    }
}

fn api() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, PORT).into()
}
