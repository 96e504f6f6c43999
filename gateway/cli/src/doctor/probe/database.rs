//! Reads databases once, within a deadline: the gateway's own, and those of OVN that the operator names.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    ffi::OsString,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::Path,
    pin::pin,
    time::Duration,
};

use futures_util::future::join_all;
use gateway_base::clock;
use gateway_config::{CREDENTIALS, Config, DatabaseConfig, NoCredentials};
use gateway_ovsdb as ovsdb;
use gateway_ovsdb::{
    Atom, Columns, Datum, Decoder, Event, Options, Remotes, RowError, ServerIdentity, TableSelect, TlsFiles, Uuid,
};
use gateway_sources::vtep;
use nix::unistd::gethostname;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::time::timeout;

use crate::doctor::{
    certificate,
    database::{Facts, Gateway, PhysicalSwitch, Picture, TlsFile},
    ovn,
    probe_error::ProbeError,
};

/// Timeout for the first contents of a database.
const LIMIT: Duration = Duration::from_secs(8);

/// Largest message accepted from a server of OVN, in bytes.
const OF_OVN: usize = 256 << 20;

/// Directory where systemd puts the credentials of the service, readable by root (systemd.exec(5)).
const SERVICE_CREDENTIALS: &str = "/run/credentials/vtep-gateway.service";

/// Keeps rows unchanged.
struct Plain;

impl Decoder for Plain {
    type Row = Columns;

    fn decode(&mut self, _table: &str, _uuid: Uuid, columns: &Columns) -> Result<Columns, RowError> {
        Ok(columns.clone())
    }
}

/// Contents of a database at one moment.
struct Look {
    server: String,
    schema_version: String,
    missing: Vec<String>,
    rows: Vec<(String, Uuid, Columns)>,
}

impl Look {
    fn of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = (Uuid, &'a Columns)> {
        self.rows.iter().filter(move |(name, ..)| name == table).map(|(_, uuid, columns)| (*uuid, columns))
    }
}

/// Reads the gateway's database; `None` if there is none.
pub(in super::super) fn probe(config: &Config, agent: bool) -> Option<Facts> {
    let database = config.database.as_ref()?;
    let all: Vec<String> = database.remotes.iter().map(ToString::to_string).collect();
    let now = i64::try_from(clock::realtime().as_secs()).unwrap_or(i64::MAX);
    let remote = all.join(",");
    let files = match key_files(database) {
        Ok(files) => files,
        Err(reason) => {
            let (picture, members, tls) = (Err(Vec::new()), Vec::new(), Vec::new());
            return Some(Facts {
                remote,
                gateways: Vec::new(),
                picture,
                members,
                tls,
                now,
                agent,
                hidden: Some(reason.to_string()),
            });
        }
    };
    let options = |remotes: &Remotes, leader_only| options(database, remotes, files.as_ref(), leader_only);
    let (picture, members) = block_on(async {
        let whole = look(options(&database.remotes, true));
        let options = &options;
        let each = all.iter().filter(|_| all.len() > 1).map(|remote| async move {
            let alone = remote.parse().map_err(|_| ProbeError::new("it is no server"))?;
            let looked = look(options(&alone, false)).await;
            let reasons = |all: Vec<(String, String)>| all.into_iter().map(|(_, reason)| reason).collect::<Vec<_>>();
            looked.map(drop).map_err(|all| ProbeError::new(reasons(all).join("; ")))
        });
        tokio::join!(whole, join_all(each))
    })
    .unwrap_or_else(|error| (Err(vec![(all.join(","), error.to_string())]), Vec::new()));
    let members = if members.is_empty() { Vec::new() } else { all.iter().cloned().zip(members).collect() };
    Some(Facts {
        remote,
        gateways: gateways(config),
        picture: picture.map(|look| read(&look)),
        members,
        tls: files.as_ref().map(tls).unwrap_or_default(),
        now,
        agent,
        hidden: None,
    })
}

/// Reads the databases of OVN that are named.
pub(in super::super) fn probe_ovn(config: &Config, nb: Option<&Remotes>, sb: Option<&Remotes>) -> ovn::Facts {
    let tls = config.database.as_ref().and_then(|database| key_files(database).ok().flatten());
    let open = |remotes: &Remotes, database: &str, tables: Vec<TableSelect>| {
        look(Options {
            remotes: remotes.clone(),
            database: database.to_owned(),
            tables,
            leader_only: false,
            probe: Duration::ZERO,
            tls: tls.clone(),
            // These are OVN's servers, which may have other certificates.
            server: ServerIdentity::default(),
            longest_message: OF_OVN,
        })
    };
    let northbound = async {
        let tables = vec![TableSelect::new("NB_Global", &["options"])];
        Some(open(nb?, "OVN_Northbound", tables).await.map_err(one_line).map(|look| {
            let key = Atom::from("vxlan_mode");
            look.of("NB_Global").find_map(|(_, row)| row.get("options")?.value_of(&key)?.as_str().map(str::to_owned))
        }))
    };
    let southbound = async {
        let tables = vec![
            TableSelect::new("Chassis", &["name", "hostname", "encaps", "other_config"]),
            TableSelect::new("Encap", &["type", "ip"]),
        ];
        Some(open(sb?, "OVN_Southbound", tables).await.map_err(one_line).map(|look| chassis(&look)))
    };
    let looked = block_on(async { tokio::join!(northbound, southbound) });
    let (vxlan_mode, chassis) = looked.unwrap_or_else(|error| {
        let error = ProbeError::new(error);
        (nb.map(|_| Err(error.clone())), sb.map(|_| Err(error)))
    });
    let gateways = gateways(config).into_iter().map(|gateway| (gateway.name, gateway.tunnel_ips)).collect();
    ovn::Facts { vxlan_mode, chassis, gateways }
}

/// Runs `work` to its end; an error if a runtime cannot be created, for example for lack of file descriptors.
fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime?.block_on(work))
}

/// Returns the TLS files, if there are any. Credentials are searched for in this process's directory, else in the
/// service's.
fn key_files(database: &DatabaseConfig) -> Result<Option<TlsFiles>, NoCredentials> {
    database.tls.as_ref().map(|files| files.find(credentials().as_deref())).transpose()
}

/// Returns the directory of credentials: that of this process, else that of the service.
pub(super) fn credentials() -> Option<OsString> {
    let service = Path::new(SERVICE_CREDENTIALS);
    std::env::var_os(CREDENTIALS).or_else(|| service.is_dir().then(|| service.into()))
}

fn options(database: &DatabaseConfig, remotes: &Remotes, tls: Option<&TlsFiles>, leader_only: bool) -> Options {
    Options {
        remotes: remotes.clone(),
        database: vtep::DATABASE.to_owned(),
        // All columns that the gateway uses, so that missing ones are reported; of the large tables only the row ids.
        tables: vtep::tables(),
        leader_only,
        probe: Duration::ZERO,
        tls: tls.cloned(),
        server: database.server.clone(),
        longest_message: database.message_limit,
    }
}

/// Returns the first complete contents, or the error of each server.
async fn look(options: Options) -> Result<Look, Vec<(String, String)>> {
    let remotes: Vec<String> = options.remotes.iter().map(ToString::to_string).collect();
    let (_client, mut events, driver) =
        ovsdb::open(options, Plain).map_err(|error| vec![(remotes[0].clone(), error.to_string())])?;
    let mut reasons = BTreeMap::new();
    let found = {
        let reading = async {
            let (mut up, failed) = (None, &mut reasons);
            while let Some(event) = events.recv().await {
                match event {
                    Event::Up { remote, schema_version, missing } => up = Some((remote, schema_version, missing)),
                    Event::Changes(changes) => {
                        let Some((server, schema_version, missing)) = up else { continue };
                        let rows =
                            changes.into_iter().filter_map(|one| Some((one.table.to_string(), one.uuid, one.row?)));
                        return Some(Look { server, schema_version, missing, rows: rows.collect() });
                    }
                    Event::Down { remote, reason, .. } => {
                        failed.insert(remote, reason);
                        if failed.len() == remotes.len() {
                            return None;
                        }
                        up = None;
                    }
                    Event::BadRow { .. } | Event::Lock(_) => {}
                }
            }
            None
        };
        let driver = async {
            driver.await;
            std::future::pending::<Infallible>().await
        };
        let (reading, driver) = (pin!(reading), pin!(driver));
        timeout(LIMIT, async {
            tokio::select! {
                found = reading => found,
                never = driver => match never {},
            }
        })
        .await
        .ok()
        .flatten()
    };
    found.ok_or_else(|| {
        let late = || format!("no answer within {} s", LIMIT.as_secs());
        remotes.into_iter().map(|remote| (remote.clone(), reasons.remove(&remote).unwrap_or_else(late))).collect()
    })
}

fn one_line(reasons: Vec<(String, String)>) -> ProbeError {
    let reasons = reasons.into_iter().map(|(server, reason)| format!("{server}: {reason}"));
    ProbeError::new(reasons.collect::<Vec<_>>().join("; "))
}

fn gateways(config: &Config) -> Vec<Gateway> {
    if config.database.is_none() {
        return Vec::new();
    }
    let host = gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let instances = config.instances.iter().map(|instance| Gateway {
        name: instance.switch.clone().unwrap_or_else(|| host.clone()),
        tunnel_ips: instance.vteps.iter().map(|ip| ip.to_string()).collect(),
        ports: config.ports.iter().map(|port| port.name.clone()).collect(),
    });
    instances.collect()
}

fn read(look: &Look) -> Picture {
    let name = |row: &Columns| row.get("name").and_then(Datum::string).unwrap_or_default().to_owned();
    let uuids =
        |row: &Columns, column: &str| -> Vec<Uuid> { row.get(column).into_iter().flat_map(Datum::uuids).collect() };
    let bindings = |row: &Columns| -> BTreeMap<i64, Uuid> {
        let pairs = row.get("vlan_bindings").into_iter().flat_map(Datum::pairs);
        pairs.filter_map(|(vlan, switch)| Some((vlan.as_integer()?, switch.as_uuid()?))).collect()
    };
    let switch = |row: &Columns| PhysicalSwitch {
        name: name(row),
        tunnel_ips: row.get("tunnel_ips").into_iter().flat_map(Datum::strings).map(str::to_owned).collect(),
        ports: uuids(row, "ports"),
    };
    Picture {
        server: look.server.clone(),
        schema_version: look.schema_version.clone(),
        missing: look.missing.clone(),
        global: look.of("Global").flat_map(|(_, row)| uuids(row, "switches")).collect(),
        switches: look.of("Physical_Switch").map(|(uuid, row)| (uuid, switch(row))).collect(),
        ports: look.of("Physical_Port").map(|(uuid, row)| (uuid, (name(row), bindings(row)))).collect(),
        logical: look
            .of("Logical_Switch")
            .map(|(uuid, row)| (uuid, (name(row), row.get("tunnel_key").and_then(Datum::integer))))
            .collect(),
        locators: look
            .of("Physical_Locator")
            .filter_map(|(_, row)| row.get("dst_ip")?.string()?.parse().ok())
            .collect(),
    }
}

fn chassis(look: &Look) -> Vec<ovn::Chassis> {
    let encaps: BTreeMap<Uuid, (String, String)> = look
        .of("Encap")
        .filter_map(|(uuid, row)| {
            Some((uuid, (row.get("type")?.string()?.to_owned(), row.get("ip")?.string()?.to_owned())))
        })
        .collect();
    let text = |row: &Columns, column: &str| row.get(column).and_then(Datum::string).unwrap_or_default().to_owned();
    let remote = Atom::from("is-remote");
    let rows = look.of("Chassis").map(|(_, row)| {
        let own = row.get("encaps").into_iter().flat_map(Datum::uuids).filter_map(|uuid| encaps.get(&uuid).cloned());
        let own: BTreeSet<(String, String)> = own.collect();
        let is_remote = row.get("other_config").and_then(|config| config.value_of(&remote)?.as_str()) == Some("true");
        ovn::Chassis { name: text(row, "name"), hostname: text(row, "hostname"), encaps: own, remote: is_remote }
    });
    rows.collect()
}

fn tls(files: &TlsFiles) -> Vec<TlsFile> {
    let file = |path: &Path, secret: bool| TlsFile {
        path: path.display().to_string(),
        secret,
        mode: fs::File::open(path)
            .and_then(|file| file.metadata())
            .map(|found| found.permissions().mode())
            .map_err(ProbeError::new),
        ends: if secret { None } else { ends(path) },
    };
    vec![file(&files.private_key, true), file(&files.certificate, false), file(&files.ca_cert, false)]
}

/// Returns the earliest end of validity of the certificates in a file.
fn ends(path: &Path) -> Option<i64> {
    let all = CertificateDer::pem_file_iter(path).ok()?;
    all.filter_map(Result::ok).filter_map(|one| certificate::not_after(&one)).min()
}
