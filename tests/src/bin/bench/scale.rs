//! Cost of larger tables: MACs, flows, bindings, VTEPs, and senders behind tunnels.

use anyhow::Result;
use lab::Lab;
use serde::Serialize;

use crate::{
    ends::{Ends, Way},
    gateway::{Gateway, Hook, Scale},
    own::{Cost, own_costs},
    progress::step,
    report::{ns, ratio},
    rig::{Rig, Wire},
    rounds::{Case, Effort},
    subjects,
    traffic::{Direction, Expect, STATIONS, Traffic},
};

/// MACs of the small database.
const FEW: u32 = 10;
/// MACs of the middle one, and flows if each has a MAC of its own.
const TEN_THOUSAND: u32 = 10_000;
/// MACs of the large one: as many as a mask of the flow's number reaches.
const MILLION: u32 = 1 << 20;
/// Names of the rows with a million.
pub(crate) const MILLION_FEW: &str = "1M MACs, 64 flows";
pub(crate) const MILLION_SOME: &str = "1M MACs, 10,000 flows";
pub(crate) const MILLION_ALL: &str = "1M MACs, as many flows";
/// Number of bindings, or VTEPs, if there are many.
const MANY: u32 = 1024;

/// Results.
#[derive(Debug, Serialize)]
pub(crate) struct Scaled {
    /// More MACs in the database. The first row is the base of comparison.
    pub(crate) fdb: Vec<Row>,
    /// Only the limit and one access to 64 MiB for each frame, for the same numbers of flows.
    pub(crate) cold: Vec<Row>,
    /// More bindings or VTEPs, or switches that learn; likewise.
    pub(crate) rest: Vec<Row>,
}

/// Own costs at one size.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    /// Description of the size.
    pub(crate) what: String,
    /// Static MACs on the side of the receivers.
    pub(crate) macs: u32,
    /// Flows, each to another of those MACs if there are enough.
    pub(crate) flows: u32,
    /// Bindings that are in use.
    pub(crate) bindings: u32,
    /// Remote VTEPs that are in use.
    pub(crate) vteps: u32,
    /// Logical switches learn from tunnels.
    pub(crate) learning: bool,
    pub(crate) decap_ns: f64,
    pub(crate) encap_ns: f64,
    /// Ratio to the cost of the first row.
    pub(crate) decap_ratio: f64,
    /// The same for the other direction.
    pub(crate) encap_ratio: f64,
}

/// One size, and the gateway on which it is measured.
struct Size<'a> {
    row: Row,
    decap: &'a Gateway,
    encap: &'a Gateway,
    /// Receivers, a power of two.
    stations: u32,
    /// Senders, likewise.
    senders: u32,
}

impl<'a> Size<'a> {
    fn new(what: &str, gateway: &'a Gateway, macs: u32, flows: u32, stations: u32) -> Self {
        let row = Row { what: what.into(), macs, flows, bindings: 1, vteps: 1, ..Row::default() };
        Self { row, decap: gateway, encap: gateway, stations, senders: STATIONS }
    }

    fn traffic(&self, direction: Direction) -> Traffic {
        let Row { flows, bindings, vteps, .. } = self.row;
        let known = Traffic::known(direction).spread(flows, self.stations);
        Traffic { nets: bindings, vteps, senders: self.senders, ..known }
    }
}

/// Measures all sizes.
///
/// # Errors
/// If frames are lost or corrupted.
pub(crate) fn measure(lab: &Lab, ends: &mut Ends, effort: Effort) -> Result<Scaled> {
    let direct = subjects::direct(lab, ends, "direct2")?;
    let rest = rest(lab, ends, effort, &direct)?;
    let fdb = fdb(lab, ends, effort, &direct)?;
    let cold = cold(lab, ends, effort, &direct)?;
    Ok(Scaled { fdb, cold, rest })
}

/// Measures the cost of memory itself: an access to one line, which the flow selects.
fn cold(lab: &Lab, ends: &mut Ends, effort: Effort, direct: &Rig) -> Result<Vec<Row>> {
    let rig = Rig::new(lab, "cold")?;
    ends.attach_xdp(&rig, "cold_decap", Wire::Underlay.inner())?;
    ends.attach_xdp(&rig, "cold_encap", Wire::Access.inner())?;
    ends.attach_xdp(&rig, "limit_xdp", Wire::Other.inner())?;
    ends.sink_frames(&rig)?;
    let wide = TEN_THOUSAND.next_power_of_two();
    let sizes = [("64 flows", 64, 64), ("10,000 flows", TEN_THOUSAND, wide), ("1M flows", MILLION, MILLION)];
    let costs = [Direction::Decap, Direction::Encap].map(|direction| {
        step(&format!("scale: memory alone, {}", Direction::name(direction)));
        let cases = sizes.map(|(what, flows, stations)| {
            let traffic = Traffic::known(direction).spread(flows, stations);
            let way = Way::through(direction, Expect::AsSent);
            Case::new(format!("one look into 64 MiB, {what}"), &rig, way, traffic)
        });
        own_costs(ends, effort, direct, cases.into())
    });
    let [decap, encap] = costs;
    let rows = sizes.iter().map(|(what, flows, _)| Row { what: (*what).into(), flows: *flows, ..Row::default() });
    Ok(with_costs(rows, &decap?, &encap?))
}

/// Returns the rows with their measured costs, and the ratios to the first row.
fn with_costs(rows: impl Iterator<Item = Row>, decap: &[Cost], encap: &[Cost]) -> Vec<Row> {
    let first = decap.first().zip(encap.first()).map(|(decap, encap)| (decap.own.typical, encap.own.typical));
    let (first_decap, first_encap) = first.unwrap_or((f64::NAN, f64::NAN));
    let rows = rows.zip(decap.iter().zip(encap)).map(|(row, (decap, encap))| Row {
        decap_ns: ns(decap.own.typical),
        encap_ns: ns(encap.own.typical),
        decap_ratio: ratio(decap.own.typical / first_decap),
        encap_ratio: ratio(encap.own.typical / first_encap),
        ..row
    });
    rows.collect()
}

fn fdb(lab: &Lab, ends: &mut Ends, effort: Effort, direct: &Rig) -> Result<Vec<Row>> {
    step("scale: filling databases with 10, 10,000 and 1,000,000 MACs");
    let mut gateway = |name, vms, hosts| {
        Gateway::new(ends, Rig::new(lab, name)?, Hook::Xdp, Scale { vms, hosts, ..Scale::default() })
    };
    let few = gateway("few", FEW, FEW)?;
    let middle = gateway("middle", TEN_THOUSAND, TEN_THOUSAND)?;
    // One for each direction: a database of a million MACs, not of two.
    let (hosts, vms) = (gateway("hosts", STATIONS, MILLION)?, gateway("vms", MILLION, STATIONS)?);
    let million = |what, flows, stations| {
        let size = Size::new(what, &hosts, MILLION, flows, stations);
        Size { encap: &vms, ..size }
    };
    let wide = TEN_THOUSAND.next_power_of_two();
    let sizes = vec![
        Size::new("10 MACs, 64 flows", &few, FEW, 64, 8),
        Size::new("10 MACs, 1 flow", &few, FEW, 1, 1),
        Size::new("10,000 MACs, 64 flows", &middle, TEN_THOUSAND, 64, 64),
        Size::new("10,000 MACs, as many flows", &middle, TEN_THOUSAND, TEN_THOUSAND, wide),
        million(MILLION_FEW, 64, 64),
        million(MILLION_SOME, TEN_THOUSAND, wide),
        million(MILLION_ALL, MILLION, MILLION),
    ];
    rows(ends, effort, direct, sizes)
}

fn rest(lab: &Lab, ends: &mut Ends, effort: Effort, direct: &Rig) -> Result<Vec<Row>> {
    step("scale: bindings, VTEPs, switches that learn");
    let many = Scale { vms: MANY, hosts: MANY, ..Scale::default() };
    let mut gateway = |name, scale| Gateway::new(ends, Rig::new(lab, name)?, Hook::Xdp, scale);
    let plain = gateway("plain", many)?;
    let bindings = gateway("bindings", Scale { nets: MANY, ..many })?;
    let vteps = gateway("vteps", Scale { vteps: MANY, ..many })?;
    let learning = gateway("learning", Scale { learning: true, ..many })?;
    let size = |what, gateway, change: fn(&mut Row)| {
        // A station has to send before it can be learned.
        let mut size = Size { senders: MANY, ..Size::new(what, gateway, MANY, MANY, MANY) };
        change(&mut size.row);
        size
    };
    let sizes = vec![
        size("1024 MACs, as many flows", &plain, |_| ()),
        size("the same over 1024 bindings", &bindings, |row| row.bindings = MANY),
        size("the same behind 1024 VTEPs", &vteps, |row| row.vteps = MANY),
        size("the same, learned from tunnels", &learning, |row| row.learning = true),
    ];
    rows(ends, effort, direct, sizes)
}

fn rows(ends: &mut Ends, effort: Effort, direct: &Rig, sizes: Vec<Size<'_>>) -> Result<Vec<Row>> {
    let mut measure = |direction| {
        // Decapsulation first: switches learn VMs from it.
        step(&format!("scale: {}", Direction::name(direction)));
        let cases = sizes.iter().map(|size| {
            let gateway = if direction == Direction::Decap { size.decap } else { size.encap };
            Case::gateway(format!("gateway, {}", size.row.what), gateway, size.traffic(direction))
        });
        own_costs(ends, effort, direct, cases.collect())
    };
    let decap = measure(Direction::Decap)?;
    let encap = measure(Direction::Encap)?;
    Ok(with_costs(sizes.into_iter().map(|size| size.row), &decap, &encap))
}
