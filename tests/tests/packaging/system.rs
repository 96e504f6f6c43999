//! A gateway's machine that is a clean Debian, between a VM and a host outside, and what the package leaves on it.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use lab::{
    config::Config,
    crossing::{EXT, Plan, Site, VM},
    debian::{Debian, Init},
    flow::{Flow, Tally},
};

use crate::packages::package;

/// Where the package has its configuration.
const CONFIG: &str = "/etc/vtep-gateway/gateway.toml";

/// Settings of the access port that the agent changes.
const CHANGED: [&str; 2] = ["rx-vlan-offload", "rx-vlan-filter"];

/// The lab. Fields are dropped in this order.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) debian: Debian,
    pub(crate) site: Site,
    before: Traces,
}

/// Traces of a package on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Traces {
    files: BTreeSet<String>,
    settings: Vec<bool>,
    links: String,
}

impl System {
    pub(crate) fn boot(init: Init) -> Result<Self> {
        let site = Site::build(Plan::default())?;
        let debian = Debian::boot(&site.gw, init)?;
        let before = Traces::look(&debian, &site)?;
        Ok(Self { debian, site, before })
    }

    /// Has dpkg install a version; returns its output.
    pub(crate) fn install(&self, version: &'static str) -> Result<String> {
        self.debian.put(package(version)?, "/root/vtep-gateway.deb")?;
        let printed = self.debian.run("dpkg --install /root/vtep-gateway.deb");
        self.debian.run("rm /root/vtep-gateway.deb")?;
        printed
    }

    /// Writes the configuration that joins VM and outside host.
    pub(crate) fn configure(&self) -> Result<()> {
        self.configure_with(|config| config)
    }

    /// The same after a change.
    pub(crate) fn configure_with(&self, change: impl FnOnce(Config) -> Config) -> Result<()> {
        let config = change(Config {
            pin_dir: "/sys/fs/bpf/vtep-gateway".into(),
            run_dir: "/run/vtep-gateway".into(),
            ..self.site.config()
        });
        self.debian.write(CONFIG, &config.to_string())?;
        self.debian.run("vtep-gateway check-config").map(drop)
    }

    pub(crate) fn wait_reaches(&self) -> Result<()> {
        self.site.vm.wait_reaches(&EXT.v4().to_string())
    }

    /// Runs `change` in the midst of 1000 packets a second each way.
    pub(crate) fn under_traffic<T>(&self, change: impl FnOnce() -> Result<T>) -> Result<T> {
        let there = Flow::start(&self.site.vm, &self.site.ext, EXT.v4().into())?;
        let back = Flow::start(&self.site.ext, &self.site.vm, VM.v4().into())?;
        there.wait_more(500)?;
        let outcome = change();
        there.wait_more(500)?;
        back.wait_more(500)?;
        for flow in [there, back] {
            let tally: Tally = flow.finish()?;
            let Tally { sent, lost, doubled } = &tally;
            let (first, last) = (lost.first(), lost.last());
            ensure!(
                *sent >= 1000 && tally.is_whole(),
                "{} of {sent} packets lost, from {first:?} to {last:?}; {doubled} came twice",
                lost.len()
            );
        }
        outcome
    }

    /// Takes the package off, and its configuration, and looks what is left.
    pub(crate) fn remove_and_purge(&self) -> Result<()> {
        self.debian.run("dpkg --remove vtep-gateway")?;
        let mut removed = Traces::look(&self.debian, &self.site)?;
        let kept = removed.files.difference(&self.before.files).cloned().collect::<Vec<_>>();
        ensure!(kept.iter().any(|file| file == CONFIG), "the configuration went with the package: {kept:?}");
        // Of a package that is removed, only what an operator has made of it stays.
        let stays = |file: &String| ["/etc/", "/var/lib/", "group:"].iter().any(|start| file.starts_with(start));
        removed.files.retain(|file| !stays(file));
        let mut before = self.before.clone();
        before.files.retain(|file| !stays(file));
        removed.same_as(&before).context("after dpkg --remove")?;
        ensure!(!self.site.vm.reaches(&EXT.v4().to_string()), "something still forwards");

        self.debian.run("dpkg --purge vtep-gateway")?;
        Traces::look(&self.debian, &self.site)?.same_as(&self.before).context("after dpkg --purge")
    }
}

impl Traces {
    fn look(debian: &Debian, site: &Site) -> Result<Self> {
        // Logs and what dpkg writes down on each call are everybody's.
        let files = debian.run(
            "find / /run /sys/fs/bpf -xdev \\( -path /proc -o -path /sys/fs/cgroup -o -path /var/log -o -path /tmp \
             -o -path /run/systemd -o -path /run/log -o -path /run/lock -o -path /run/udev -o -path /dev \
             -o -path /var/cache -o -path /var/tmp -o -path /var/lib/systemd -o -path /var/lib/dpkg/triggers \\) -prune \
             -o ! -name '*-old' -print; getent group | sed s,^,group:,",
        )?;
        let settings = CHANGED.iter().map(|setting| site.gw.feature("a0", setting)).collect::<Result<_>>()?;
        let links = site.gw.ip("-details link show")?;
        let links = String::from_utf8_lossy(&links.stdout).into_owned();
        let links = links.lines().filter(|line| line.contains("prog/xdp") || line.contains("PROMISC")).collect();
        Ok(Self { files: files.lines().map(str::to_owned).collect(), settings, links })
    }

    fn same_as(&self, before: &Self) -> Result<()> {
        let more: Vec<_> = self.files.difference(&before.files).collect();
        let less: Vec<_> = before.files.difference(&self.files).collect();
        ensure!(more.is_empty() && less.is_empty(), "files that are left: {more:?}; that are gone: {less:?}");
        ensure!((&self.settings, &self.links) == (&before.settings, &before.links), "{self:?}, before {before:?}");
        Ok(())
    }
}
