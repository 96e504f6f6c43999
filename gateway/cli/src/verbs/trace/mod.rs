//! `trace`: shows the path of a packet through the gateway.

mod input;
mod options;

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use gateway_api::view::Switch;
use gateway_datapath::{
    capture_programs::CaptureProgramsError,
    load::Objects,
    trace::{
        names::Names,
        plane::{Plane, PlaneError},
        text,
        walk::{Verdict, Way},
    },
};
use serde_json::json;

use super::{
    agent::Agent,
    output::{BAD_INPUT, fail},
    target::{Gateway, Target},
};

use input::{entrance, packets};
use options::Expected;

pub use options::TraceOptions;

/// Exit code if there is no data plane.
const NO_DATA_PLANE: u8 = 3;

impl Expected {
    fn is_met(self, way: &Way) -> bool {
        way.complete
            && match self {
                Self::Forwarded => matches!(way.verdict, Verdict::Forwarded | Verdict::Flooded),
                Self::Dropped => way.verdict == Verdict::Dropped,
                Self::Passed => way.verdict == Verdict::Passed,
            }
    }
}

/// Error: a packet does not end as `--expect` has it.
#[derive(Debug, thiserror::Error)]
#[error("packet {number} does not end as expected: {verdict}")]
struct Unexpected {
    number: usize,
    verdict: String,
}

/// Version of the JSON document.
const SCHEMA: u32 = 1;

/// Executes the verb.
pub(crate) fn carry_out(options: &TraceOptions, target: &Target, objects: Objects) -> ExitCode {
    let gateway = match Gateway::find(target) {
        Ok(gateway) => gateway,
        Err(error) => return fail(BAD_INPUT, &error),
    };
    let (entrance, packets) = match entrance(options, &gateway)
        .and_then(|entrance| packets(options, &gateway, &entrance).map(|packets| (entrance, packets)))
    {
        Ok(both) => both,
        Err(error) => return fail(BAD_INPUT, &error),
    };
    let ways = Plane::open(&gateway.pins, gateway.settings, objects, entrance.role).and_then(|mut plane| {
        let names = known(Names::of(plane.tunnels()?).unwrap_or_default(), &target.socket);
        let ways = packets.iter().map(|packet| Way::of(&mut plane, &entrance, packet, &names, gateway.udp_port));
        ways.collect::<Result<Vec<_>, _>>()
    });
    let ways = match ways {
        Ok(ways) => ways,
        Err(error @ PlaneError::Watch(CaptureProgramsError::NothingPinned(_))) => return fail(NO_DATA_PLANE, &error),
        Err(error) => return fail(1, &error),
    };
    let text = if options.json {
        format!("{:#}\n", json!({ "schema": SCHEMA, "packets": ways }))
    } else {
        ways.iter().enumerate().map(|(index, way)| text::text(index + 1, way)).collect::<Vec<_>>().join("\n")
    };
    match io::stdout().write_all(text.as_bytes()) {
        // The reader may stop reading.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return fail(1, &error),
        _ => {}
    }
    let Some(expected) = options.expect else { return ExitCode::SUCCESS };
    match ways.iter().position(|way| !expected.is_met(way)) {
        Some(at) => {
            let error = Unexpected { number: at + 1, verdict: text::verdict(&ways[at]) };
            fail(1, &error)
        }
        None => ExitCode::SUCCESS,
    }
}

/// Returns the names, with those that the agent knows from the database; the trace works without these.
fn known(names: Names, socket: &Path) -> Names {
    let agent = Agent::new(socket);
    let switches: Vec<Switch> = agent.ask("show/switches", &[]).unwrap_or_default();
    let switches = switches.into_iter().filter(|one| one.programmed).filter_map(|one| Some((one.vni?, one.name?)));
    names.with_bindings(agent.ask("show/bindings", &[]).ok(), switches)
}
