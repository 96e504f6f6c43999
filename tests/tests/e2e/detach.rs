//! `vtep-gateway detach`: as if it had never been there.

use anyhow::Result;
use lab::{
    Host,
    config::Mode,
    crossing::{Crossing, EXT, Plan, Site},
};

/// Ids of the XDP programs on a host's NICs.
fn xdp(host: &Host, dev: &str) -> Result<Option<u64>> {
    Ok(host.ip_json(&format!("link show dev {dev}"))?[0]["xdp"]["prog"]["id"].as_u64())
}

#[test]
fn programs_and_pins_are_gone_and_nothing_crosses() -> Result<()> {
    for mode in [Mode::Xdp, Mode::Tc] {
        let mut lab = Crossing::build(Plan::mode(mode))?;
        lab.vm.wait_reaches(&EXT.v4().to_string())?;
        assert_eq!(xdp(&lab.gw, "a0")?.is_some(), mode == Mode::Xdp);

        lab.gateway.stop()?;
        assert!(lab.gateway.pin_dir().join("maps").exists());
        lab.gateway.detach()?;
        assert!(!lab.gateway.pin_dir().join("maps").exists());
        assert!(!lab.gateway.pin_dir().join("links").exists());
        for dev in ["u0", "a0"] {
            assert_eq!(xdp(&lab.gw, dev)?, None, "{dev}");
        }
        assert!(!lab.vm.reaches(&EXT.v4().to_string()));

        // And it can start again.
        lab.gateway.resume()?;
        lab.vm.wait_reaches(&EXT.v4().to_string())?;
    }
    Ok(())
}

fn promiscuous(host: &Host, dev: &str) -> Result<bool> {
    let links = host.ip_json(&format!("link show dev {dev}"))?;
    Ok(links[0]["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == "PROMISC")))
}

#[test]
fn nic_settings_are_as_they_were() -> Result<()> {
    const FEATURE: &str = "rx-vlan-offload";
    let site = Site::build(Plan::default())?;
    assert!(site.gw.feature("a0", FEATURE)?);
    let config = site.config();
    let mut lab = site.start(config)?;
    assert!(!lab.gw.feature("a0", FEATURE)?, "XDP does not see tags that the NIC takes off");
    assert!(promiscuous(&lab.gw, "a0")?, "frames for the cloud's MACs are not the NIC's own");

    // A restart in between must not take what it finds for what was there at first.
    lab.gateway.kill()?;
    lab.gateway.resume()?;
    lab.gateway.stop()?;
    assert!(!lab.gw.feature("a0", FEATURE)?, "the data plane is still there");
    lab.gateway.detach()?;
    assert!(lab.gw.feature("a0", FEATURE)?);
    assert!(!promiscuous(&lab.gw, "a0")?);
    Ok(())
}

#[test]
fn detaching_twice_is_no_error() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    lab.gateway.stop()?;
    lab.gateway.detach()?;
    lab.gateway.detach()
}
