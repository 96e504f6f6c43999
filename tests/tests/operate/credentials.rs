//! Keys that the service manager hands over.

use anyhow::Result;
use lab::{
    crossing::{Plan, Site},
    gateway::{self, Gateway, Surroundings},
    ovn::tls::Identity,
};

/// The gateway with a database that wants TLS, and credentials for it. Nobody is at that address.
fn config(site: &Site) -> lab::config::Config {
    let mut config = site.config().database("ssl:127.0.0.1:6640", "gw");
    config.switches.clear();
    let file = |name: &str| format!("credential:{name}").into();
    let identity = Identity { private_key: file("key.pem"), certificate: file("cert.pem"), ca_cert: file("ca.pem") };
    config.database.as_mut().unwrap().identity = Some(identity);
    config
}

#[test]
fn without_a_service_manager_they_are_refused_at_once_and_the_remedy_is_named() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let output = gateway::try_run(&site.gw, &config(&site).to_string())?;
    let complaint = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    for word in ["credential:key.pem", "CREDENTIALS_DIRECTORY", "LoadCredential=key.pem:"] {
        assert!(complaint.contains(word), "{word} in {complaint}");
    }
    Ok(())
}

#[test]
fn with_one_they_are_looked_for_where_it_put_them_and_other_verbs_need_none() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let directory = site.lab.directory().join("credentials").display().to_string();
    let variables = Surroundings::variables(&[("CREDENTIALS_DIRECTORY", &directory)]);
    let mut gateway = Gateway::launch_in(&site.gw, &config(&site), variables)?;
    gateway.wait_log(|line| line.contains(&format!("{directory}/")))?;
    gateway.wait_log(|line| line.contains("ready"))?;
    assert_eq!(gateway.status()?["pid"].as_u64(), gateway.pid().map(u64::from));
    Ok(())
}
