//! Writers of the databases of two nodes in a cloud of real OVN.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use lab::{
    Host,
    cluster::{
        Pair, Plan, World,
        plan::{NETWORK, PORT},
    },
    crossing::{EXT, EXT2, VLAN, VM},
    ovn::{Cloud, Deployment, Vtep},
    process::Process,
    wait::{SOON, wait_for},
};

const VRID: u8 = 20;
/// Another VLAN that the trunks carry.
const OTHER_VLAN: u16 = 200;

fn pair(deployment: Deployment) -> Result<Pair> {
    Pair::ovn(&Plan::steady(), deployment)
}

fn cloud(pair: &Pair) -> Result<&Cloud> {
    match &pair.world {
        World::Ovn { cloud, .. } => Ok(cloud),
        World::Linux { .. } => bail!("there is no cloud"),
    }
}

fn vteps(pair: &Pair) -> Result<Vec<&Vtep>> {
    let cloud = cloud(pair)?;
    Ok([Some(&cloud.vtep), cloud.vtep2.as_ref()].into_iter().flatten().collect())
}

/// Packets of a node to database servers, wherever they are.
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
    // Something to write: what the VLAN has carried.
    other.wait_reaches(&VM.v4().to_string())?;
    wait_for("the new active node writes", SOON, || taps[1].transactions() > 0)?;
    assert_eq!(taps[0].transactions(), before, "the node before still writes");
    Ok(())
}

/// Has something happen, after which node `after` is active, and sees that none of the databases loses the outside host,
/// not for a moment: hypervisors would look for it by flooding.
fn stations_stay(deployment: Deployment, after: usize, happen: impl Fn(&mut Pair) -> Result<()>) -> Result<()> {
    let mut pair = pair(deployment)?;
    pair.start()?;
    let mac = EXT.mac().to_string();
    let mut monitors = Vec::new();
    for vtep in vteps(&pair)? {
        wait_published(vtep, EXT)?;
        let mut monitor = vtep.monitor("Ucast_Macs_Local", "MAC,locator")?;
        monitor.wait_line(0, SOON, |line| line.contains("initial") && line.contains(&mac))?;
        monitors.push(monitor);
    }
    happen(&mut pair)?;
    pair.members[after].wait_role(VRID, "active")?;
    // A station that is learned now is published: what was to be written before that, was.
    let other = cloud(&pair)?.host("ext2", VLAN, EXT2)?;
    other.wait_reaches(&EXT.v4().to_string())?;
    for (monitor, member) in monitors.iter_mut().zip(&pair.members) {
        // A shared database is written to by either, one of its own by a node that runs.
        if deployment == Deployment::Shared || member.started()?.pid().is_some() {
            monitor.wait_line(0, SOON, |line| line.contains("insert") && line.contains(&EXT2.mac().to_string()))?;
        }
    }
    for monitor in &monitors {
        let log = monitor.log();
        let later: Vec<&str> = log.lines().filter(|line| line.contains(&mac) && !line.contains("initial")).collect();
        assert!(later.is_empty(), "{later:?}");
    }
    vteps(&pair)?.into_iter().try_for_each(|vtep| wait_published(vtep, EXT))
}

#[test]
fn stations_in_a_shared_database_stay_while_the_role_is_handed_over() -> Result<()> {
    stations_stay(Deployment::Shared, 1, |pair| pair.hand_over(0))
}

#[test]
fn stations_in_a_shared_database_stay_when_the_agent_stops() -> Result<()> {
    stations_stay(Deployment::Shared, 1, |pair| pair.stop(0))
}

#[test]
fn stations_in_a_shared_database_stay_when_the_agent_is_killed() -> Result<()> {
    stations_stay(Deployment::Shared, 1, |pair| pair.kill(0))
}

#[test]
fn stations_in_a_shared_database_stay_when_the_agent_is_upgraded() -> Result<()> {
    stations_stay(Deployment::Shared, 0, |pair| pair.upgrade(0))
}

#[test]
fn stations_in_both_databases_stay_while_the_role_is_handed_over() -> Result<()> {
    stations_stay(Deployment::PerNode, 1, |pair| pair.hand_over(0))
}

#[test]
fn stations_in_both_databases_stay_when_the_agent_is_killed() -> Result<()> {
    stations_stay(Deployment::PerNode, 1, |pair| pair.kill(0))
}

/// The standby does not hear the active node for a moment.
#[test]
fn stations_in_both_databases_stay_when_the_agent_is_upgraded() -> Result<()> {
    stations_stay(Deployment::PerNode, 0, |pair| pair.upgrade(0))
}

#[test]
fn stations_in_both_databases_stay_when_the_standby_is_restarted() -> Result<()> {
    stations_stay(Deployment::PerNode, 0, |pair| {
        pair.stop(1)?;
        pair.members[1].start()
    })
}

#[test]
fn with_a_database_each_both_have_the_stations_of_the_active_node() -> Result<()> {
    let mut pair = pair(Deployment::PerNode)?;
    pair.start()?;
    assert_eq!(pair.members[0].role(VRID).as_deref(), Some("active"));
    assert_eq!(pair.members[1].role(VRID).as_deref(), Some("backup"));
    vteps(&pair)?.into_iter().try_for_each(|vtep| wait_published(vtep, EXT))
}

#[test]
fn with_a_database_each_a_binding_in_one_of_them_is_reported_by_both_nodes() -> Result<()> {
    let mut pair = pair(Deployment::PerNode)?;
    pair.start()?;
    cloud(&pair)?.vtep.bind(PORT, OTHER_VLAN, NETWORK)?;
    let is_named = |text: &str| text.contains(PORT) && text.contains("200") && text.contains(NETWORK);
    for member in &mut pair.members {
        let name = member.host.name().to_owned();
        wait_for(&format!("{name} has it in its status"), SOON, || {
            let status = member.started().and_then(lab::gateway::Gateway::status).unwrap_or_default();
            let problems = status["nodes"]["problems"].as_array().cloned().unwrap_or_default();
            problems.iter().filter_map(|problem| problem.as_str()).any(is_named)
        })?;
        member.gateway()?.wait_log(|line| line.contains("WARN") && is_named(line))?;
    }
    cloud(&pair)?.vtep2.as_ref().context("there is one database")?.bind(PORT, OTHER_VLAN, NETWORK)?;
    for member in &pair.members {
        wait_for(&format!("{} has no problem any more", member.host.name()), SOON, || {
            let status = member.started().and_then(lab::gateway::Gateway::status).unwrap_or_default();
            status["nodes"]["problems"].as_array().is_some_and(Vec::is_empty)
        })?;
    }
    Ok(())
}
