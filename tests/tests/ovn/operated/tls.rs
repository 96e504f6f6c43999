//! The database over TLS, with certificates as `ovs-pki` makes them.

use anyhow::Result;
use lab::{
    config::Config,
    crossing::{EXT, Plan, Site, VM},
    gateway::Gateway,
    ovn::tls::{Authority, Identity, Pki},
};

use super::by_hand::Operated;

/// Port of the database, for TLS.
const PORT: u16 = 6643;

/// The lab, with a database that listens for TLS.
fn build() -> Result<(Operated, Pki)> {
    let site = Site::build(Plan::default())?;
    let pki = Pki::new(&site.lab, "pki")?;
    let server = pki.identity("database", Authority::Controller)?;
    Ok((Operated::on(site, &format!("{} --remote=pssl:{PORT}:127.0.0.1", server.options()))?, pki))
}

fn config(lab: &Operated, identity: Identity) -> Config {
    let mut config = lab.config();
    if let Some(database) = &mut config.database {
        database.remote = format!("ssl:127.0.0.1:{PORT}");
        database.identity = Some(identity);
    }
    config
}

#[test]
fn a_gateway_with_a_certificate_is_driven_over_tls() -> Result<()> {
    let (lab, pki) = build()?;
    let _gateway = Gateway::start(&lab.site.gw, &config(&lab, pki.identity("gateway", Authority::Switch)?))?;
    lab.site.vm.wait_reaches(&EXT.v4().to_string())?;
    lab.site.ext.wait_reaches(&VM.v4().to_string())
}

#[test]
fn nobody_is_believed_whose_certificate_is_from_elsewhere() -> Result<()> {
    let (lab, pki) = build()?;
    let stranger = Pki::new(&lab.site.lab, "elsewhere")?.identity("stranger", Authority::Switch)?;
    let right = pki.identity("gateway", Authority::Switch)?;
    // The database does not believe the gateway; the gateway does not believe the database.
    let disbelieved = Identity { ca_cert: right.ca_cert.clone(), ..stranger.clone() };
    let disbelieving = Identity { ca_cert: stranger.ca_cert, ..right };
    for identity in [disbelieved, disbelieving] {
        let mut gateway = Gateway::launch(&lab.site.gw, &config(&lab, identity))?;
        let remote = format!("ssl:127.0.0.1:{PORT}");
        // The error of TLS depends on which end it is that does not believe.
        let mentions = |line: &str| ["certificate", "alert", "unknownca"].iter().any(|word| line.contains(word));
        gateway.wait_log(|line| line.contains(&remote) && mentions(&line.to_lowercase()))?;
        assert!(!lab.site.vm.reaches(&EXT.v4().to_string()));
        gateway.kill()?;
    }
    Ok(())
}
