//! Tests of the handler of inputs, on a data plane in memory.

use std::{
    cell::{Cell, RefCell},
    path::PathBuf,
    rc::Rc,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use gateway_api::ctl::Answer;
use gateway_common::{
    event::{self, LearnEvent},
    fdb::{FdbEntry, FdbKey, Target},
    net::{MacAddr, Vni},
    tunnel::Addr,
};
use gateway_config::rows::{LogicalSwitch, Rows};
use gateway_datapath::{
    Desired, Programmed, attach::AttachError, capture_programs::Pinned, learned::FdbScan, op::Op, pins::PinDir,
};
use gateway_sources::{Database, Local};
use gateway_vrrp::Leave;
use tokio::sync::watch;

use super::*;
use crate::{
    ctl::{Reply, Request},
    row_source::wanted,
};

mod plane;

use plane::MemoryPlane;

const VNI: u32 = 5001;

/// Database of a test.
struct TestDatabase {
    rows: watch::Sender<Arc<Rows>>,
    known: Rc<Cell<bool>>,
    published: Rc<RefCell<Vec<Local>>>,
}

impl Database for TestDatabase {
    fn rows(&self) -> watch::Receiver<Arc<Rows>> {
        self.rows.subscribe()
    }

    fn is_known(&self) -> bool {
        self.known.get()
    }

    fn reconfigure(&self, config: &Config) {
        self.rows.send_replace(Arc::clone(&config.rows));
    }

    fn publish(&self, changes: Vec<Local>) {
        self.published.borrow_mut().extend(changes);
    }
}

/// Standalone agent on a data plane in memory.
struct Scene {
    agent: Agent<'static, MemoryPlane>,
    latest: Latest,
    known: Rc<Cell<bool>>,
    published: Rc<RefCell<Vec<Local>>>,
    now: Moment,
}

impl Scene {
    /// Starts an agent after an earlier run that has programmed the rows of the configuration. Its own database has
    /// been read if it is `known`.
    fn start(known: bool) -> Self {
        let config = config("");
        let rows = if known { Arc::clone(&config.rows) } else { Arc::default() };
        let latest = Latest { rows: Arc::clone(&rows), underlay: Arc::default() };
        let mut forwarding = MemoryPlane::default();
        forwarding.update(&config, &config.rows, &latest.underlay).unwrap();
        assert!(forwarding.programmed().switches.contains_key(&VNI));
        forwarding.take_calls();
        let (now, known, published) = (
            Moment { steady: Duration::from_secs(100), ..Moment::default() },
            Rc::new(Cell::new(known)),
            Rc::default(),
        );
        let event_log = EventLog::start(true, &mut forwarding, &rows, &latest.underlay, now);
        let database = Box::new(TestDatabase {
            rows: watch::Sender::new(Arc::clone(&rows)),
            known: Rc::clone(&known),
            published: Rc::clone(&published),
        });
        let tracked = watch::Sender::new(Arc::new(wanted(&config, &rows)));
        let source = RowSource::new(database, tracked, rows, known.get());
        let captures = Captures::new(PinDir::new(scratch())).unwrap();
        let parts = Parts {
            path: Path::new("/etc/vtep-gateway.toml"),
            config,
            latest: latest.clone(),
            source,
            forwarding,
            cluster: None,
            event_log,
            captures,
        };
        let agent = Agent::start(parts, None, now).unwrap();
        Self { agent, latest, known, published, now }
    }

    fn handle(&mut self, input: Input) -> Vec<Effect> {
        self.agent.handle(input, self.latest.clone(), self.now).unwrap()
    }

    /// Handles a change of the rows. Returns the calls of the data plane.
    fn rows(&mut self, rows: Rows) -> Vec<&'static str> {
        self.latest.rows = Arc::new(rows);
        assert!(self.handle(Input::Rows).is_empty());
        self.agent.forwarding.take_calls()
    }

    /// Changes the logical switch of the rows. Returns the calls of the data plane.
    fn change(&mut self, change: impl FnOnce(&mut LogicalSwitch)) -> Vec<&'static str> {
        let mut rows = (*self.latest.rows).clone();
        change(Arc::make_mut(rows.switches.values_mut().next().unwrap()));
        self.rows(rows)
    }

    /// Handles a request that is answered at once.
    fn request(&mut self, command: &'static str, params: &[&str]) -> Answer {
        let (request, mut answer) = sample(command, params);
        assert!(self.handle(Input::Request(request)).is_empty());
        answer.try_recv().unwrap().0
    }
}

/// Makes a request of a client.
fn sample(command: &'static str, params: &[&str]) -> (Request, Reply) {
    Request::new(command, params.iter().map(|word| (*word).to_owned()).collect())
}

/// Path that no other test uses.
fn scratch() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("vtep-gateway-agent-{}-{number}", std::process::id()))
}

/// Loads a configuration with one logical switch, and `more` in its section `[gateway]`.
fn config(more: &str) -> Config {
    let path = scratch();
    let text = format!(
        "[gateway]\nvtep = [\"172.31.0.21\"]\n{more}\n[[uplink]]\nname = \"u0\"\n[[port]]\nname = \"a0\"\n\
         [[switch]]\nname = \"net1\"\nvni = {VNI}\nflood = [\"172.31.0.11\"]\n\
         macs = [{{ mac = \"02:aa:00:00:00:01\", vtep = \"172.31.0.11\" }}]\n"
    );
    std::fs::write(&path, text).unwrap();
    let config = Config::load(&path);
    std::fs::remove_file(&path).unwrap();
    config.unwrap()
}

fn learned(last: u8) -> LearnEvent {
    let (mac, to) = ([2, 0xee, 0, 0, 0, last], Target::local(3, 100, 0));
    LearnEvent { kind: event::LEARNED, vni: VNI, mac, reserved: 0, to, ip: Addr::NONE }
}

#[test]
fn a_database_that_is_empty_when_it_is_first_reached_withdraws_the_earlier_rows_at_once() {
    let mut scene = Scene::start(false);
    scene.handle(Input::Underlay);
    assert_eq!(scene.agent.forwarding.take_calls(), ["wait"]);
    assert!(scene.agent.forwarding.programmed().switches.contains_key(&VNI), "an earlier run has programmed it");
    scene.known.set(true);
    // The rows are as they were before: empty. Their difference is nothing, but what is programmed is not them.
    assert_eq!(scene.rows(Rows::default()), ["update"]);
    assert!(scene.agent.forwarding.programmed().switches.is_empty());
    assert!(scene.agent.forwarding.programmed().static_macs.is_empty());
    assert_eq!(scene.rows(Rows::default()), ["update_rows"], "from now on it follows the database");
}

#[test]
fn nothing_is_planned_or_aged_before_the_database_is_known() {
    let mut scene = Scene::start(false);
    scene.handle(Input::Age);
    assert!(scene.agent.forwarding.take_calls().is_empty());
    assert_eq!(scene.rows(Rows::default()), ["wait"]);
}

#[test]
fn a_change_of_remote_macs_alone_needs_no_plan() {
    let mut scene = Scene::start(true);
    assert_eq!(scene.change(|switch| switch.macs = Default::default()), ["update_rows"]);
    assert!(scene.agent.forwarding.programmed().static_macs.is_empty());
}

#[test]
fn any_other_change_of_the_rows_is_planned_in_full() {
    let mut scene = Scene::start(true);
    assert_eq!(scene.change(|switch| switch.vni = Vni::new(VNI + 1)), ["update_rows", "update"]);
    assert!(scene.agent.forwarding.programmed().switches.keys().eq(&[VNI + 1]));
}

#[test]
fn another_learn_limit_applies_without_waiting_for_the_ageing_run() {
    let mut scene = Scene::start(true);
    assert_eq!(scene.change(|switch| switch.learn_limit = 1), ["update_rows", "update", "age_fdb"]);
}

#[test]
fn programs_that_had_gone_lead_to_a_plan_and_a_check_that_finds_all_to_nothing() {
    let mut scene = Scene::start(true);
    assert!(matches!(scene.handle(Input::Second)[..], [Effect::Output(Output::Report)]));
    assert!(scene.agent.forwarding.take_calls().is_empty());
    scene.agent.forwarding.programs_gone = true;
    assert!(scene.handle(Input::FiltersGone).is_empty());
    assert_eq!(scene.agent.forwarding.take_calls(), ["update"]);
}

#[test]
fn learned_stations_are_published_in_the_turn_that_learns_them() {
    let mut scene = Scene::start(true);
    scene.handle(Input::Learned(vec![learned(1)]));
    scene.handle(Input::Learned(vec![learned(2), learned(3)]));
    let station = |last| gateway_sources::vtep::LocalMac {
        vni: Vni::new(VNI).unwrap(),
        mac: MacAddr(learned(last).mac),
        ip: None,
    };
    let expected = vec![Local::All([station(1)].into()), Local::Learned(station(2)), Local::Learned(station(3))];
    assert_eq!(*scene.published.borrow(), expected);
}

#[test]
fn a_signal_hands_over_and_a_client_may_keep_the_role() {
    let mut scene = Scene::start(true);
    let effects = scene.handle(Input::Stop);
    assert!(matches!(effects[..], [Effect::End(End { leave: Leave::Handover, request: None })]));
    let (request, mut answer) = sample("exit", &["keep-role"]);
    let effects = scene.handle(Input::Request(request));
    assert!(matches!(effects[..], [Effect::End(End { leave: Leave::Keep, request: Some(_) })]));
    assert!(answer.try_recv().is_err(), "the client waits for the end");
}

#[test]
fn a_reload_is_read_then_applied_then_answered() {
    let mut scene = Scene::start(true);
    let (request, mut answer) = sample("reload", &[]);
    let effects = scene.handle(Input::Request(request));
    let Some(Effect::ReadConfiguration(request)) = effects.into_iter().next() else { panic!() };
    let effects = scene.handle(Input::Configuration(Ok(Box::new(config("ageing = 100"))), request));
    assert!(matches!(effects[..], [Effect::AgeEvery(_), Effect::Output(Output::Ready)]));
    assert_eq!(scene.agent.forwarding.take_calls(), ["update", "age_fdb"]);
    assert_eq!(answer.try_recv().unwrap().0, Ok("reloaded /etc/vtep-gateway.toml\n".to_owned()));
    assert_eq!((scene.agent.reloads().applied, scene.agent.reloads().refused), (1, 0));
}

#[test]
fn a_refused_reload_changes_nothing_and_its_reason_stands_until_one_is_applied() {
    let mut scene = Scene::start(true);
    let effects = scene.handle(Input::Configuration(Ok(Box::new(config("udp_port = 4790"))), None));
    assert!(matches!(effects[..], [Effect::Output(Output::Ready)]), "the service manager waits for it");
    assert!(scene.agent.forwarding.take_calls().is_empty());
    let refused = scene.agent.refused().map(ToString::to_string);
    assert_eq!(refused.as_deref(), Some("these need a restart: gateway.udp_port (4789 -> 4790)"));
    scene.handle(Input::Configuration(Ok(Box::new(config(""))), None));
    assert!(scene.agent.refused().is_none());
    assert!(!scene.agent.reloads().last_refused);
}

#[test]
fn a_standalone_gateway_refuses_a_handover() {
    let why = Scene::start(true).request("vrrp/handover", &["--force"]).unwrap_err();
    assert!(why.contains("no [[vrrp]]"), "{why}");
}

#[test]
fn a_monitor_without_events_gets_an_empty_page_when_it_is_due() {
    let mut scene = Scene::start(true);
    let page = scene.request("monitor/next", &["0"]).unwrap();
    let next = serde_json::from_str::<serde_json::Value>(&page).unwrap()["next"].to_string();
    assert_eq!(scene.agent.due(), None);
    let (request, mut answer) = sample("monitor/next", &[&next]);
    assert!(scene.handle(Input::Request(request)).is_empty());
    assert!(answer.try_recv().is_err());
    scene.now.steady = scene.agent.due().unwrap();
    assert!(scene.handle(Input::Due).is_empty());
    assert!(answer.try_recv().unwrap().0.unwrap().contains("\"records\":[]"));
    assert_eq!(scene.agent.due(), None);
}

#[test]
fn the_watchdog_gets_its_keep_alive_from_a_turn_of_the_loop() {
    assert!(matches!(Scene::start(true).handle(Input::Watchdog)[..], [Effect::KeepAlive]));
}
