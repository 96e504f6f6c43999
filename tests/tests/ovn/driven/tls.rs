//! The database over TLS, with certificates as `ovs-pki` makes them. No cloud: `vtep-ctl` writes what a controller
//! would.

use std::net::Ipv4Addr;

use anyhow::Result;
use lab::{
    config::Config,
    crossing::{EXT, Plan, Site, VLAN, VM, VNI},
    gateway::Gateway,
    ovn::{
        Vtep,
        tls::{Authority, Identity, Pki},
    },
};

/// Port of the database, for TLS.
const PORT: u16 = 6643;

/// A lab whose gateway has a database that listens for TLS, filled by hand.
fn build() -> Result<(Site, Vtep, Pki)> {
    let site = Site::build(Plan::default())?;
    let pki = Pki::new(&site.lab, "pki")?;
    let server = pki.identity("database", Authority::Controller)?;
    let options = format!("{} --remote=pssl:{PORT}:127.0.0.1", server.options());
    let vtep = Vtep::start_with(&site.gw, Ipv4Addr::LOCALHOST, "gw1", &options)?;
    let config = site.config();
    vtep.register(config.vtep[0], "a0")?;
    vtep.ctl(&format!("add-ls net1 -- set Logical_Switch net1 tunnel_key={VNI}"))?;
    vtep.bind("a0", VLAN, "net1")?;
    vtep.ctl(&format!(
        "add-ucast-remote net1 {} {hv} -- add-mcast-remote net1 unknown-dst {hv}",
        VM.mac(),
        hv = site.hv.vtep()
    ))?;
    Ok((site, vtep, pki))
}

fn config(site: &Site, identity: Identity) -> Config {
    let mut config = site.config().database(&format!("ssl:127.0.0.1:{PORT}"), "gw1");
    config.switches.clear();
    if let Some(database) = &mut config.database {
        database.identity = Some(identity);
    }
    config
}

#[test]
fn a_gateway_with_a_certificate_is_driven_over_tls() -> Result<()> {
    let (site, _vtep, pki) = build()?;
    let config = config(&site, pki.identity("gateway", Authority::Switch)?);
    let lab = site.start(config)?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    lab.ext.wait_reaches(&VM.v4().to_string())
}

#[test]
fn nobody_is_believed_whose_certificate_is_from_elsewhere() -> Result<()> {
    let (site, _vtep, pki) = build()?;
    let stranger = Pki::new(&site.lab, "elsewhere")?.identity("stranger", Authority::Switch)?;
    let right = pki.identity("gateway", Authority::Switch)?;
    // The database does not believe the gateway; the gateway does not believe the database.
    let disbelieved = Identity { ca_cert: right.ca_cert.clone(), ..stranger.clone() };
    let disbelieving = Identity { ca_cert: stranger.ca_cert, ..right };
    for identity in [disbelieved, disbelieving] {
        let mut gateway = Gateway::launch(&site.gw, &config(&site, identity))?;
        let remote = format!("ssl:127.0.0.1:{PORT}");
        let line = gateway.wait_says(|line| line.contains(&remote) && line.to_lowercase().contains("certificate"))?;
        println!("{line}");
        assert!(!site.vm.reaches(&EXT.v4().to_string()));
        gateway.kill()?;
    }
    Ok(())
}
