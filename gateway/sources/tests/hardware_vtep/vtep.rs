//! A database and a gateway that follows it.

use std::{cell::Cell, fs, future::Future, path::Path, sync::Arc};

use gateway_common::net::{MacAddr, Vni};
use gateway_config::{
    Config,
    rows::{LogicalSwitch, Rows},
};
use gateway_sources::{Database, HardwareVtep, vtep::Status};
use tokio::{
    sync::watch,
    task::LocalSet,
    time::{Duration, sleep, timeout},
};

use crate::lab::{PATIENCE, Place, Server, run};

/// The schema, as it comes with Open vSwitch.
pub(crate) const SCHEMA: &str = "/usr/share/openvswitch/vtep.ovsschema";

/// A database that nobody has used, and its server.
pub(crate) struct Vtep {
    pub(crate) place: Place,
    pub(crate) server: Server,
    gateways: Cell<u32>,
}

/// A gateway that follows it.
pub(crate) struct Gateway {
    pub(crate) database: HardwareVtep,
    pub(crate) rows: watch::Receiver<Arc<Rows>>,
    pub(crate) status: watch::Receiver<Arc<Status>>,
}

/// Runs a test with a gateway's work beside it.
pub(crate) fn test(body: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, body);
}

impl Vtep {
    pub(crate) fn start() -> Self {
        let place = Place::new();
        let server = place.serve("vtep", SCHEMA, &[]);
        Self { place, server, gateways: Cell::new(0) }
    }

    /// Starts the gateway `name` with ports eth1 and eth2, `address`, and more keys of `[database]`.
    pub(crate) fn gateway(&self, name: &str, address: &str, keys: &str) -> Gateway {
        let (database, work) = HardwareVtep::open(&self.config(name, address, keys), 0).unwrap();
        tokio::task::spawn_local(work);
        Gateway { rows: database.rows(), status: database.status(), database }
    }

    pub(crate) fn config(&self, name: &str, address: &str, keys: &str) -> Config {
        let number = self.gateways.replace(self.gateways.get() + 1);
        let file = self.place.file(&format!("gateway{number}.toml"));
        let text = format!(
            "[gateway]\nvtep = ['{address}']\n[[uplink]]\nname = 'eth0'\n[[port]]\nname = 'eth1'\n[[port]]\nname = 'eth2'\n\
             [database]\nremote = '{}'\nswitch = '{name}'\n{keys}\n",
            self.place.remote("vtep")
        );
        fs::write(&file, text).unwrap();
        Config::load(Path::new(&file)).unwrap()
    }

    /// Acts as operator and controller. Returns the output of `vtep-ctl`.
    pub(crate) fn ctl(&self, arguments: &str) -> String {
        let db = format!("--db={}", self.place.remote("vtep"));
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        run("vtep-ctl", &[&["--timeout=30", &db], &arguments[..]].concat())
    }

    /// Makes the switch "red", as an operator and `ovn-controller-vtep` do.
    pub(crate) fn make_red(&self) {
        self.ctl(
            "add-ls red -- set Logical_Switch red tunnel_key=5 replication_mode=source_node -- bind-ls gw1 eth1 100 red \
             -- add-ucast-remote red 02:aa:00:00:00:01 172.31.0.11 -- add-mcast-remote red unknown-dst 172.31.0.11 \
             -- add-mcast-remote red unknown-dst 172.31.0.12",
        );
    }

    /// Waits until the output of `vtep-ctl` is right.
    pub(crate) async fn until(&self, arguments: &str, is_right: impl Fn(&str) -> bool) -> String {
        let asked = async {
            loop {
                let printed = self.ctl(arguments);
                if is_right(&printed) {
                    return printed;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let outcome = timeout(PATIENCE, asked).await;
        outcome.unwrap_or_else(|_| panic!("{arguments}: it did not happen, there is {}", self.ctl(arguments)))
    }

    /// Waits until a column of the table has these values, one a row, sorted.
    pub(crate) async fn until_list(&self, table: &str, column: &str, expected: &[&str]) {
        let list = format!("--bare --columns={column} list {table}");
        self.until(&list, |printed| {
            let mut found: Vec<_> = printed.lines().filter(|line| !line.is_empty()).collect();
            found.sort_unstable();
            found == expected
        })
        .await;
    }
}

impl Gateway {
    /// Waits until there are rows as they should be.
    pub(crate) async fn until(&mut self, is_right: impl FnMut(&Arc<Rows>) -> bool) -> Arc<Rows> {
        let outcome = timeout(PATIENCE, self.rows.wait_for(is_right)).await;
        match outcome {
            Ok(rows) => Arc::clone(&rows.unwrap()),
            Err(_) => panic!("it did not happen; there is {:#?}", self.database.rows().borrow()),
        }
    }

    /// Waits until the switch "red" is as it should be.
    pub(crate) async fn until_red(&mut self, is_right: impl Fn(&LogicalSwitch) -> bool) {
        self.until(|rows| rows.switches.get("red").is_some_and(|red| is_right(red))).await;
    }

    /// Waits until things stand as they should.
    pub(crate) async fn until_status(&mut self, is_right: impl FnMut(&Arc<Status>) -> bool) -> Arc<Status> {
        let outcome = timeout(PATIENCE, self.status.wait_for(is_right)).await;
        match outcome {
            Ok(status) => Arc::clone(&status.unwrap()),
            Err(_) => panic!("it did not happen; there is {:#?}", self.database.status().borrow()),
        }
    }
}

pub(crate) fn mac(text: &str) -> MacAddr {
    text.parse().unwrap()
}

pub(crate) fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}
