//! Keys and certificates, made by `ovs-pki`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{Lab, process};

/// Both authorities of `ovs-pki`: one certifies switches (and gateways), one controllers.
#[derive(Clone, Debug)]
pub struct Pki {
    directory: PathBuf,
}

/// An authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// For switches.
    Switch,
    /// For controllers and managers.
    Controller,
}

/// A party: its key and certificate, and the certificate of the authority of its peers.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its private key.
    pub private_key: PathBuf,
    /// Its certificate.
    pub certificate: PathBuf,
    /// Certificate of the trusted authority.
    pub ca_cert: PathBuf,
}

impl Authority {
    fn name(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Controller => "controller",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Switch => Self::Controller,
            Self::Controller => Self::Switch,
        }
    }
}

impl Pki {
    /// Makes the authorities, in the directory `name` of a lab.
    ///
    /// # Errors
    /// If it is there already.
    pub fn new(lab: &Lab, name: &str) -> Result<Self> {
        let pki = Self { directory: lab.directory().join(name) };
        std::fs::create_dir_all(&pki.directory)?;
        pki.run("init")?;
        Ok(pki)
    }

    /// Makes a party called `name` that `authority` certifies, and that trusts the other one.
    ///
    /// # Errors
    /// If there is one of that name.
    pub fn identity(&self, name: &str, authority: Authority) -> Result<Identity> {
        self.run(&format!("req+sign {name} {}", authority.name()))?;
        let file = |kind: &str| self.directory.join(format!("{name}-{kind}.pem"));
        let ca = format!("{}ca/cacert.pem", authority.other().name());
        Ok(Identity { private_key: file("privkey"), certificate: file("cert"), ca_cert: self.authorities().join(ca) })
    }

    fn authorities(&self) -> PathBuf {
        self.directory.join("pki")
    }

    /// Runs `ovs-pki`, which writes its output to the current directory.
    fn run(&self, arguments: &str) -> Result<()> {
        let script = format!(
            "cd {} && ovs-pki --batch --force --dir={} --log={} {arguments}",
            self.directory.display(),
            self.authorities().display(),
            self.directory.join("log").display()
        );
        process::run(&["sh", "-c", &script]).map(drop)
    }
}

impl Identity {
    /// Returns the options for `ovsdb-server` and its clients.
    pub fn options(&self) -> String {
        let option = |name: &str, file: &Path| format!("--{name}={}", file.display());
        [
            option("private-key", &self.private_key),
            option("certificate", &self.certificate),
            option("ca-cert", &self.ca_cert),
        ]
        .join(" ")
    }
}
