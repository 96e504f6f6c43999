//! Handle of a live `hardware_vtep` database.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use gateway_api::view;
use gateway_config::{Config, rows::Rows};
use gateway_ovsdb::{self as ovsdb, Contact};
use tokio::{sync::watch, time::Instant};

use super::{
    actor::Actor,
    inbox::{Inbox, Local},
    open::{self, OpenError},
    state,
};
use crate::{
    Database,
    vtep::{Engine, Fault, Faults, Status, TrafficByBinding, VtepDecoder},
};

/// `hardware_vtep` database that the gateway follows, registers in and publishes to. A separate future does the work;
/// [`HardwareVtep::open`] returns it.
#[derive(Debug)]
pub struct HardwareVtep {
    instance: usize,
    contact: Contact,
    rows: watch::Receiver<Arc<Rows>>,
    status: watch::Receiver<Arc<Status>>,
    reached: watch::Receiver<bool>,
    inbox: Arc<Inbox>,
    host: String,
}

impl HardwareVtep {
    /// Opens the database of `config` for one of its instances, by index. Rows are empty until the database was seen;
    /// the [status](Self::status) shows this.
    ///
    /// The future has to be run. It ends when the `HardwareVtep` is dropped.
    ///
    /// # Errors
    /// The configuration is invalid. A server that cannot be reached is not an error.
    #[expect(clippy::disallowed_methods, reason = "this is the driver: the engine gets the time since this moment")]
    pub fn open(config: &Config, instance: usize) -> Result<(Self, impl Future<Output = ()> + use<>), OpenError> {
        let database = config.database.as_ref().ok_or(OpenError::NotConfigured)?;
        let host = open::host_name(config, instance)?;
        let settings = open::settings(config, instance, database, &host);
        let (client, events, driver) = ovsdb::open(open::options(database)?, VtepDecoder)?;
        let contact = client.contact();
        let engine = Engine::new(settings, Duration::ZERO);
        let (rows_sender, rows) = watch::channel(Arc::clone(engine.rows()));
        let (status_sender, status) = watch::channel(Arc::new(engine.status(Duration::ZERO)));
        let (reached_sender, reached) = watch::channel(false);
        let inbox = Arc::new(Inbox::default());
        let actor = Actor {
            engine,
            events,
            client,
            inbox: Arc::clone(&inbox),
            started: Instant::now(),
            rows: rows_sender,
            status: status_sender,
            reached: reached_sender,
        };
        let work = async move {
            tokio::select! {
                () = driver => {}
                () = actor.run() => {}
            }
        };
        Ok((Self { instance, contact, rows, status, reached, inbox, host }, work))
    }

    /// Returns the status, with a notification of every change.
    pub fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.clone()
    }
}

impl Database for HardwareVtep {
    fn rows(&self) -> watch::Receiver<Arc<Rows>> {
        self.rows.clone()
    }

    fn reconfigure(&self, config: &Config) {
        let Some(database) = &config.database else { return };
        let settings = open::settings(config, self.instance, database, &self.host);
        self.inbox.put(|pending| pending.settings = Some(settings));
    }

    fn view(&self) -> view::Database {
        state::view(&self.status.borrow())
    }

    fn last_received(&self, _instance: Option<&str>) -> Option<Duration> {
        self.contact.last()
    }

    fn is_known(&self) -> bool {
        state::is_known(&self.status.borrow())
    }

    fn publish(&self, changes: Vec<Local>) {
        self.inbox.put(|pending| changes.into_iter().for_each(|change| pending.learned(change)));
    }

    fn report_traffic(&self, traffic: TrafficByBinding) {
        self.inbox.put(|pending| pending.traffic = Some(traffic));
    }

    fn report_faults(&self, faults: &BTreeSet<Fault>) {
        let faults = Faults { switch: faults.clone(), ..Faults::default() };
        self.inbox.put(|pending| pending.faults = Some(faults));
    }

    fn set_unreachable(&self, remotes: BTreeSet<IpAddr>) {
        self.inbox.put(|pending| pending.unreachable = Some(remotes));
    }

    fn reached(&self) -> watch::Receiver<bool> {
        self.reached.clone()
    }

    fn set_role(&self, instance: usize, active: bool) {
        if instance == self.instance {
            self.inbox.put(|pending| pending.writing = Some(active));
        }
    }
}

impl Drop for HardwareVtep {
    fn drop(&mut self) {
        self.inbox.put(|pending| pending.closed = true);
    }
}
