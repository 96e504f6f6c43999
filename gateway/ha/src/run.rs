//! The loop: after each event every virtual router takes its turn, and then the loop waits for the next event.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use gateway_base::{
    Cleared, clock,
    suspension::{Reading, Suspensions},
};
use gateway_config::{InstanceConfig, Interface};
use gateway_netdev::{
    addresses::Report,
    links::{self, Links},
    net_thread::Net,
    netlink,
    sysctl::Sysctls,
};
use gateway_vrrp::{Leave, Role, Time, Vrid};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep,
};

use super::{
    HaError, Leases,
    clock_steps::ClockSteps,
    leases::LeaseMaps,
    log_queue::LogQueue,
    status::VirtualRouterStatus,
    thread::{self, Setup},
    virtual_router::{Shared, VirtualRouter, virtual_addresses},
};

/// Least time between two reports if only counters have changed.
const COUNTERS: Duration = Duration::from_secs(1);
/// Longest wait on leaving until addresses are removed or an advertisement is transmitted.
const LEAVING: Duration = Duration::from_secs(2);

/// Command to the loop.
pub(crate) enum Command {
    DataPlane(Option<Leases>),
    Attached(BTreeMap<String, u32>),
    Database(bool),
    /// Gives these virtual routers the lowest priority until the next such command.
    Held(BTreeSet<Vrid>),
    Handover(Option<Vrid>),
    /// Announces the addresses once more, if this node is active.
    Announce(Vrid),
    Reconfigure {
        instances: Vec<InstanceConfig>,
        uplinks: Vec<Interface>,
        ports: Vec<Interface>,
    },
    /// Reports when all earlier commands are done.
    Settle(oneshot::Sender<()>),
    Stop(Leave, oneshot::Sender<()>),
}

/// The loop and its state.
pub(crate) struct Loop {
    routers: BTreeMap<Vrid, VirtualRouter>,
    shared: Shared,
    links: watch::Receiver<Arc<Links>>,
    reports: mpsc::UnboundedReceiver<Report>,
    commands: mpsc::UnboundedReceiver<Command>,
    statuses: watch::Sender<Arc<Vec<VirtualRouterStatus>>>,
    published: Time,
    problems: BTreeMap<Vrid, BTreeSet<String>>,
    suspensions: Suspensions,
    clock_steps: ClockSteps,
}

enum Event {
    Links,
    Report(Report),
    Command(Option<Command>),
    /// A packet has arrived, a deadline has passed, or the clock was set.
    Turn,
}

impl Loop {
    pub(crate) async fn new(
        setup: Setup,
        log_queue: LogQueue,
        commands: mpsc::UnboundedReceiver<Command>,
        statuses: watch::Sender<Arc<Vec<VirtualRouterStatus>>>,
    ) -> Result<Self, HaError> {
        let open = |source| HaError::Netlink { source };
        let net = Net::start(thread::be_nearly_real_time).map_err(open)?;
        let asking = net.run(async {
            let links = links::follow().await?;
            Ok((links, netlink::connect()?))
        });
        let (links, netlink) = asking.await.map_err(open)?;
        let clock_steps = ClockSteps::watch().map_err(|source| HaError::Clock { source })?;
        let lag = 2 * clock::coarse_tick().map_err(|errno| HaError::Clock { source: errno.into() })?;
        let (sender, reports) = mpsc::unbounded_channel();
        let attached = setup.leases.is_some();
        let shared = Shared {
            leases: LeaseMaps::new(setup.leases),
            links: Arc::clone(&links.borrow()),
            uplinks: setup.uplinks,
            ports: setup.ports,
            // The state that an earlier run has left is valid until the agent reports otherwise.
            data_plane: attached.then_some(true),
            attached: BTreeMap::new(),
            database: attached,
            held: BTreeSet::new(),
            virtual_addresses: virtual_addresses(&setup.instances),
            lag,
            log_queue,
            net,
            netlink,
            sysctls: Sysctls::default(),
            reports: sender,
        };
        let mut this = Self {
            routers: BTreeMap::new(),
            shared,
            links,
            reports,
            commands,
            statuses,
            published: Time::ZERO,
            problems: BTreeMap::new(),
            suspensions: Suspensions::new(Reading::now()),
            clock_steps,
        };
        this.begin(&setup.instances);
        this.turn();
        this.publish();
        Ok(this)
    }

    /// Runs until it is stopped. If all senders of commands are dropped, it leaves as for a restart.
    pub(crate) async fn run(mut self) {
        loop {
            let more = self.turn();
            self.publish();
            let event = if more { Event::Turn } else { self.wait().await };
            match event {
                Event::Turn => {}
                Event::Links => {
                    self.shared.links = Arc::clone(&self.links.borrow_and_update());
                    self.look();
                }
                Event::Report(Report { vrid, outcome }) => {
                    if let Some(router) = self.routers.get_mut(&vrid) {
                        router.moved(outcome, &mut self.shared);
                    }
                }
                Event::Command(Some(Command::Stop(how, done))) => {
                    self.leave(how).await;
                    let _ = done.send(());
                    return;
                }
                Event::Command(Some(command)) => self.obey(command),
                Event::Command(None) => return self.leave(Leave::Keep).await,
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::DataPlane(leases) => {
                self.shared.data_plane = Some(leases.is_some());
                if let Some(leases) = leases {
                    self.shared.leases.replace(leases);
                    self.each(VirtualRouter::renew);
                }
                self.look();
            }
            Command::Attached(interfaces) => {
                self.shared.attached = interfaces;
                self.look();
            }
            Command::Database(reached) => {
                self.shared.database = reached;
                self.look();
            }
            Command::Held(held) => {
                self.shared.held = held;
                self.look();
            }
            Command::Handover(which) => {
                for (vrid, router) in &mut self.routers {
                    if which.is_none_or(|which| which == *vrid) {
                        router.handover(&mut self.shared);
                    }
                }
            }
            Command::Announce(vrid) => {
                if let Some(router) = self.routers.get_mut(&vrid) {
                    router.announce_again(&self.shared);
                }
            }
            Command::Reconfigure { instances, uplinks, ports } => self.reconfigure(&instances, uplinks, ports),
            Command::Settle(done) => {
                self.turn();
                self.publish();
                let _ = done.send(());
            }
            Command::Stop(..) => {}
        }
    }

    fn reconfigure(&mut self, configs: &[InstanceConfig], uplinks: Vec<Interface>, ports: Vec<Interface>) {
        self.shared.uplinks = uplinks;
        self.shared.ports = ports;
        self.shared.virtual_addresses = virtual_addresses(configs);
        let shared = &mut self.shared;
        self.routers.retain(|vrid, router| {
            let config = configs.iter().find(|config| config.vrrp.as_ref().is_some_and(|vrrp| vrrp.vrid == *vrid));
            let kept = config.is_some_and(|config| router.reconfigure(config, shared));
            if !kept {
                router.leave(Leave::Handover, shared);
            }
            kept
        });
        self.problems.retain(|vrid, _| self.routers.contains_key(vrid));
        self.begin(configs);
    }

    /// Starts the virtual routers that are not running yet.
    fn begin(&mut self, configs: &[InstanceConfig]) {
        for config in configs {
            let Some(vrid) = config.vrrp.as_ref().map(|vrrp| vrrp.vrid) else { continue };
            if !self.routers.contains_key(&vrid)
                && let Some(router) = VirtualRouter::start(config, &mut self.shared)
            {
                self.routers.insert(vrid, router);
            }
        }
    }

    fn each(&mut self, mut what: impl FnMut(&mut VirtualRouter, &mut Shared)) {
        for router in self.routers.values_mut() {
            what(router, &mut self.shared);
        }
    }

    fn look(&mut self) {
        self.each(VirtualRouter::look);
    }

    fn turn(&mut self) -> bool {
        // Before anything is decided by a lease that stood still.
        if let Some(slept) = self.suspensions.slept(Reading::now()) {
            self.each(VirtualRouter::slept);
            self.shared.log_queue.warn(format!(
                "the machine was suspended for {:.1} s: this node forwards again only after it has listened for other nodes",
                slept.as_secs_f32()
            ));
        }
        let mut more = false;
        self.each(|router, shared| more |= router.turn(shared));
        more
    }

    async fn wait(&mut self) -> Event {
        let deadline = self.routers.values().filter_map(VirtualRouter::deadline).min();
        let deadline = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_sub(clock::monotonic()));
        // Longer than any deadline here, and short enough for every timer.
        let time = sleep(deadline.min(Duration::from_secs(3600)));
        let packets = any(self.routers.values().map(VirtualRouter::ready));
        tokio::select! {
            command = self.commands.recv() => Event::Command(command),
            Ok(()) = self.links.changed() => Event::Links,
            Some(report) = self.reports.recv() => Event::Report(report),
            () = packets => Event::Turn,
            () = self.clock_steps.stepped() => Event::Turn,
            () = time => Event::Turn,
        }
    }

    /// Publishes changes at once. Counters, and other values that change with every advertisement, are published only
    /// now and then.
    fn publish(&mut self) {
        let now = clock::monotonic();
        let new: Vec<VirtualRouterStatus> = self.routers.values().map(VirtualRouter::status).collect();
        self.log_problems(&new);
        let old = Arc::clone(&self.statuses.borrow());
        let same = old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| is_same(old, new));
        if same && (*old == new || now < self.published + COUNTERS) {
            return;
        }
        self.published = now;
        self.statuses.send_replace(Arc::new(new));
    }

    /// Logs problems once when they appear, and once when they are gone.
    fn log_problems(&mut self, statuses: &[VirtualRouterStatus]) {
        for status in statuses {
            let logged = self.problems.entry(status.vrid).or_default();
            if *logged == status.problems {
                continue;
            }
            let title = format!("virtual router {} ({})", status.vrid, status.name);
            for problem in status.problems.difference(logged) {
                self.shared.log_queue.warn(format!("{title}: {problem}"));
            }
            for problem in logged.difference(&status.problems) {
                self.shared.log_queue.info(format!("{title}: {}", Cleared(problem)));
            }
            logged.clone_from(&status.problems);
        }
    }

    /// Leaves, and waits for the departure for a limited time.
    async fn leave(&mut self, how: Leave) {
        self.turn();
        self.each(|router, shared| router.leave(how, shared));
        let until = clock::monotonic() + LEAVING;
        loop {
            self.turn();
            let now = clock::monotonic();
            if now >= until || !self.routers.values().any(|router| router.is_leaving(how)) {
                break;
            }
            let packets = any(self.routers.values().map(VirtualRouter::ready));
            tokio::select! {
                Some(Report { vrid, outcome }) = self.reports.recv() => {
                    if let Some(router) = self.routers.get_mut(&vrid) {
                        router.moved(outcome, &mut self.shared);
                    }
                }
                () = packets => {}
                () = sleep(until - now) => {}
            }
        }
        self.published = Time::ZERO;
        self.publish();
    }
}

/// Returns true if nothing differs that a client may wait for.
fn is_same(old: &VirtualRouterStatus, new: &VirtualRouterStatus) -> bool {
    let key = |one: &VirtualRouterStatus| {
        let status = one.status;
        let who = (one.vrid, status.role, status.since, status.priority, status.active, status.interval);
        (who, one.source, one.addresses_there, one.announced)
    };
    key(old) == key(new)
        && old.name == new.name
        && old.problems == new.problems
        && old.others.keys().eq(new.others.keys())
        && (new.status.role == Role::Active) == (old.status.role == Role::Active)
}

/// Resolves when the first of these futures does.
async fn any<F: Future<Output = ()>>(futures: impl Iterator<Item = F>) {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut futures = pin!(poll_fn(move |context| {
        let ready = futures.iter_mut().any(|future| future.as_mut().poll(context).is_ready());
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }));
    futures.as_mut().await;
}
