//! One `hardware_vtep` database for each instance.
//!
//! Nodes that share the load belong to several virtual routers. In each of these they are one physical switch.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use gateway_api::view;
use gateway_config::{
    Config,
    rows::{RefusedBinding, Rows},
};
use tokio::sync::watch;

use super::{Database, HardwareVtep, Local, OpenError};
use crate::vtep::{Fault, TrafficByBinding};

/// Databases of all instances, combined into one. A separate future does the work; [`Several::open`] returns it.
#[derive(Debug)]
pub struct Several {
    parts: Vec<(String, HardwareVtep)>,
    rows: watch::Receiver<Arc<Rows>>,
    /// True if all of the databases are reached.
    reached: watch::Receiver<bool>,
}

type Work = Pin<Box<dyn Future<Output = ()>>>;

impl Several {
    /// Opens the database once for each instance of `config`. The future has to be run. It ends when the future of one
    /// instance ends.
    ///
    /// # Errors
    /// As [`HardwareVtep::open`].
    pub fn open(config: &Config) -> Result<(Self, Work), OpenError> {
        let (mut parts, mut works, mut receivers) = (Vec::new(), Vec::<Work>::new(), Vec::new());
        for (index, instance) in config.instances.iter().enumerate() {
            let (part, work) = HardwareVtep::open(config, index)?;
            receivers.push((instance.name.clone(), part.rows()));
            parts.push((instance.name.clone(), part));
            works.push(Box::pin(work));
        }
        let (sender, rows) = watch::channel(Arc::new(merge_latest(&receivers)));
        for (_, receiver) in &receivers {
            let (mut changes, all, sender) = (receiver.clone(), receivers.clone(), sender.clone());
            works.push(Box::pin(async move {
                while changes.changed().await.is_ok() {
                    changes.mark_unchanged();
                    sender.send_replace(Arc::new(merge_latest(&all)));
                }
            }));
        }
        let each: Vec<_> = parts.iter().map(|(_, part)| part.reached()).collect();
        let (sender, reached) = watch::channel(false);
        for part in &each {
            let (mut changes, all, sender) = (part.clone(), each.clone(), sender.clone());
            works.push(Box::pin(async move {
                while changes.changed().await.is_ok() {
                    sender.send_replace(all.iter().all(|part| *part.borrow()));
                }
            }));
        }
        Ok((Self { parts, rows, reached }, Box::pin(first_to_end(works))))
    }
}

/// Runs all futures until one ends.
async fn first_to_end(mut works: Vec<Work>) {
    poll_fn(|context| {
        for work in &mut works {
            if work.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    })
    .await;
}

type Receivers = [(String, watch::Receiver<Arc<Rows>>)];

/// Merges the logical switches that are bound at an instance, as `instance/switch`. A logical switch that is bound only
/// at another instance is among the rows of this one too, but this one does not forward it.
fn merge_latest(all: &Receivers) -> Rows {
    let (mut switches, mut refused) = (BTreeMap::new(), BTreeSet::new());
    for (instance, receiver) in all {
        let rows = receiver.borrow();
        let bound = rows.switches.iter().filter(|(_, switch)| !switch.bindings.is_empty());
        switches.extend(bound.map(|(name, switch)| (format!("{instance}/{name}"), Arc::clone(switch))));
        let named =
            |one: &RefusedBinding| RefusedBinding { switch: format!("{instance}/{}", one.switch), ..one.clone() };
        refused.extend(rows.refused.iter().map(named));
    }
    Rows { switches, refused }
}

impl Database for Several {
    fn rows(&self) -> watch::Receiver<Arc<Rows>> {
        self.rows.clone()
    }

    fn is_known(&self) -> bool {
        self.parts.iter().all(|(_, part)| part.is_known())
    }

    fn reached(&self) -> watch::Receiver<bool> {
        self.reached.clone()
    }

    fn set_role(&self, instance: usize, active: bool) {
        self.parts.iter().for_each(|(_, part)| part.set_role(instance, active));
    }

    fn view(&self) -> view::Database {
        let instances = self.parts.iter().map(|(name, part)| (name.clone(), part.view()));
        view::Database::Several { instances: instances.collect() }
    }

    fn last_received(&self, instance: Option<&str>) -> Option<Duration> {
        let (_, part) = self.parts.iter().find(|(name, _)| Some(name.as_str()) == instance)?;
        part.last_received(None)
    }

    fn reconfigure(&self, config: &Config) {
        self.parts.iter().for_each(|(_, part)| part.reconfigure(config));
    }

    fn publish(&self, changes: Vec<Local>) {
        self.parts.iter().for_each(|(_, part)| part.publish(changes.clone()));
    }

    fn report_traffic(&self, traffic: TrafficByBinding) {
        self.parts.iter().for_each(|(_, part)| part.report_traffic(traffic.clone()));
    }

    fn report_faults(&self, faults: &BTreeSet<Fault>) {
        self.parts.iter().for_each(|(_, part)| part.report_faults(faults));
    }

    fn set_unreachable(&self, remotes: BTreeSet<IpAddr>) {
        self.parts.iter().for_each(|(_, part)| part.set_unreachable(remotes.clone()));
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::net::{VlanId, Vni};
    use gateway_config::rows::LogicalSwitch;

    use super::*;

    fn switch(vni: u32, instance: usize, bound: bool) -> Arc<LogicalSwitch> {
        let bindings = bound.then(|| ("eth1".to_owned(), VlanId::UNTAGGED)).into_iter().collect();
        Arc::new(LogicalSwitch { vni: Vni::new(vni), instance, bindings, ..LogicalSwitch::default() })
    }

    fn receiver(switches: &[(&str, Arc<LogicalSwitch>)]) -> watch::Receiver<Arc<Rows>> {
        let switches = switches.iter().map(|(name, switch)| ((*name).to_owned(), Arc::clone(switch))).collect();
        watch::Sender::new(Arc::new(Rows { switches, ..Rows::default() })).subscribe()
    }

    #[test]
    fn a_switch_belongs_to_the_instance_it_is_bound_at_and_is_the_same_one() {
        let red = switch(1, 0, true);
        let one = receiver(&[("red", Arc::clone(&red)), ("blue", switch(2, 0, false))]);
        let two = receiver(&[("red", switch(1, 1, false)), ("blue", switch(2, 1, true))]);
        let rows = merge_latest(&[("a".to_owned(), one), ("b".to_owned(), two)]);
        let found: Vec<_> = rows.switches.iter().map(|(name, switch)| (name.as_str(), switch.instance)).collect();
        assert_eq!(found, [("a/red", 0), ("b/blue", 1)]);
        assert!(Arc::ptr_eq(&rows.switches["a/red"], &red));
    }
}
