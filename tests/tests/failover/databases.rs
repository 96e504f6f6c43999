//! Who writes what into the databases of two nodes in a cloud of real OVN.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use lab::{
    Host,
    cluster::{
        Pair, Plan, World,
        pair::{NETWORK, PORT},
    },
    crossing::{EXT, EXT2, VLAN},
    ovn::{Cloud, Vtep, cloud::Deployment},
    process::Process,
    wait::{SOON, wait_for},
};

const VRID: u8 = 20;
/// Another VLAN that the trunks carry.
const OTHER_VLAN: u16 = 200;

fn pair(deployment: Deployment) -> Result<Pair> {
    Pair::ovn(&Plan::default(), deployment)
}

fn cloud(pair: &Pair) -> Result<&Cloud> {
    match &pair.world {
        World::Ovn { cloud, .. } => Ok(cloud),
        World::Linux { .. } => bail!("there is no cloud"),
    }
}

/// What a node sends to database servers, wherever they are.
struct Tap {
    process: Process,
}

impl Tap {
    fn open(host: &Host, address: IpAddr) -> Result<Self> {
        let mut process = host.start(&format!(
            "tcpdump -i any -n -A -l --immediate-mode -s 0 src host {address} and tcp dst port 6640"
        ))?;
        process.wait_line(0, SOON, |line| line.contains("listening on"))?;
        Ok(Self { process })
    }

    /// Requests to change something, so far.
    fn transactions(&self) -> usize {
        self.process.log().matches("\"transact\"").count()
    }
}

fn wait_published(vtep: &Vtep, station: lab::crossing::Station) -> Result<()> {
    wait_for(&format!("{} is published", station.mac()), SOON, || {
        vtep.local_macs(NETWORK).is_ok_and(|macs| macs.unicast.contains_key(&station.mac()))
    })
}

#[test]
fn a_standby_writes_nothing_into_a_shared_database() -> Result<()> {
    let mut pair = pair(Deployment::Shared)?;
    let tap = |node: usize, address: [u8; 4]| Tap::open(&pair.members[node].host, address.into());
    let taps = [tap(0, [10, 99, 0, 21])?, tap(1, [10, 99, 0, 22])?];
    pair.start()?;
    let vtep = &cloud(&pair)?.vtep;
    wait_published(vtep, EXT)?;
    let other = cloud(&pair)?.host("ext2", VLAN, EXT2)?;
    other.wait_reaches(&EXT.v4().to_string())?;
    wait_published(vtep, EXT2)?;
    // Also the counters that are written each ten seconds.
    let before = taps[0].transactions();
    wait_for("the active node has written once more", SOON, || taps[0].transactions() > before)?;
    assert_eq!(taps[1].transactions(), 0, "the standby has written");
    pair.hand_over(0)?;
    pair.members[1].wait_role(VRID, "active")?;
    let before = taps[0].transactions();
    wait_for("the new active node writes", SOON, || taps[1].transactions() > 1)?;
    assert_eq!(taps[0].transactions(), before, "the node before still writes");
    Ok(())
}

/// Hypervisors would look for the outside host by flooding in between.
fn stations_are_never_withdrawn(leave: impl Fn(&mut Pair) -> Result<()>) -> Result<()> {
    let mut pair = pair(Deployment::Shared)?;
    pair.start()?;
    wait_published(&cloud(&pair)?.vtep, EXT)?;
    let mut monitor = cloud(&pair)?.vtep.monitor("Ucast_Macs_Local", "MAC,locator")?;
    let mac = EXT.mac().to_string();
    monitor.wait_line(0, SOON, |line| line.contains("initial") && line.contains(&mac))?;
    leave(&mut pair)?;
    pair.members[1].wait_role(VRID, "active")?;
    // What comes now is the new one's work.
    let other = cloud(&pair)?.host("ext2", VLAN, EXT2)?;
    other.wait_reaches(&EXT.v4().to_string())?;
    monitor.wait_line(0, SOON, |line| line.contains("insert") && line.contains(&EXT2.mac().to_string()))?;
    let log = monitor.log();
    let later: Vec<&str> = log.lines().filter(|line| line.contains(&mac) && !line.contains("initial")).collect();
    assert!(later.is_empty(), "{later:?}");
    wait_published(&cloud(&pair)?.vtep, EXT)
}

#[test]
fn stations_in_a_shared_database_stay_while_the_role_is_handed_over() -> Result<()> {
    stations_are_never_withdrawn(|pair| pair.hand_over(0))
}

#[test]
fn stations_in_a_shared_database_stay_when_the_agent_stops() -> Result<()> {
    stations_are_never_withdrawn(|pair| pair.stop(0))
}

#[test]
fn stations_in_a_shared_database_stay_when_the_agent_is_killed() -> Result<()> {
    stations_are_never_withdrawn(|pair| pair.kill(0))
}

#[test]
fn with_a_database_each_both_have_the_stations_of_the_active_node() -> Result<()> {
    let mut pair = pair(Deployment::PerNode)?;
    pair.start()?;
    assert_eq!(pair.members[0].role(VRID).as_deref(), Some("active"));
    assert_eq!(pair.members[1].role(VRID).as_deref(), Some("backup"));
    let cloud = cloud(&pair)?;
    wait_published(&cloud.vtep, EXT)?;
    wait_published(cloud.vtep2.as_ref().context("there is one database")?, EXT)
}

#[test]
fn with_a_database_each_a_binding_in_one_of_them_is_told_by_both_nodes() -> Result<()> {
    let mut pair = pair(Deployment::PerNode)?;
    pair.start()?;
    cloud(&pair)?.vtep.bind(PORT, OTHER_VLAN, NETWORK)?;
    let is_named = |text: &str| text.contains(PORT) && text.contains("200") && text.contains(NETWORK);
    for member in &mut pair.members {
        let name = member.host.name().to_owned();
        wait_for(&format!("{name} tells of it in its status"), SOON, || {
            let status = member.started().and_then(lab::gateway::Gateway::status).unwrap_or_default();
            let problems = status["nodes"]["problems"].as_array().cloned().unwrap_or_default();
            problems.iter().filter_map(|problem| problem.as_str()).any(is_named)
        })?;
        member.gateway()?.wait_says(|line| line.contains("WARN") && is_named(line))?;
    }
    cloud(&pair)?.vtep2.as_ref().context("there is one database")?.bind(PORT, OTHER_VLAN, NETWORK)?;
    for member in &pair.members {
        wait_for(&format!("{} tells of nothing more", member.host.name()), SOON, || {
            let status = member.started().and_then(lab::gateway::Gateway::status).unwrap_or_default();
            status["nodes"]["problems"].as_array().is_some_and(Vec::is_empty)
        })?;
    }
    Ok(())
}
