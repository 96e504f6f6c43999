//! Metrics of the agent: its problems and its use of resources.

use super::family::{Family, counter, gauge, info};

pub(super) const FAMILIES: &[Family] = &[
    info("vtep_gateway_build_info", &["version"], "The version that runs; the value is always 1.", |_, to| {
        to.put(&[env!("CARGO_PKG_VERSION")], true)
    }),
    gauge(
        "vtep_gateway_problems",
        &["severity"],
        "Problems that stand, as vtep-gateway status names them: fault, the gateway is not healthy; warning, it does its work.",
        |scrape, to| {
            to.put(&["fault"], scrape.measured.problems.faults)?;
            to.put(&["warning"], scrape.measured.problems.warnings)
        },
    ),
    counter(
        "vtep_gateway_reloads_total",
        &["outcome"],
        "Times the configuration was read again, and applied or refused.",
        |scrape, to| {
            to.put(&["applied"], scrape.measured.reloads.applied)?;
            to.put(&["refused"], scrape.measured.reloads.refused)
        },
    ),
    gauge(
        "vtep_gateway_last_reload_successful",
        &[],
        "0 if the configuration was refused when it was read last, so the agent goes on with an older one.",
        |scrape, to| to.put(&[], !scrape.measured.reloads.last_refused),
    ),
    gauge(
        "vtep_gateway_measured_age_seconds",
        &[],
        "How long ago all these values were measured. More than a few seconds: the loop of the agent is at work, or hangs.",
        |scrape, to| to.put(&[], scrape.age),
    ),
    counter("vtep_gateway_http_requests_total", &[], "Requests to this HTTP server.", |scrape, to| {
        to.put(&[], scrape.server.requests)
    }),
    counter(
        "vtep_gateway_http_hung_up_total",
        &[],
        "Clients of this HTTP server that were hung up on, because they took too long or too many others came.",
        |scrape, to| to.put(&[], scrape.server.hung_up),
    ),
    counter(
        "process_cpu_seconds_total",
        &[],
        "CPU time of the agent, in user mode and in the kernel.",
        |scrape, to| to.maybe(&[], scrape.process.cpu),
    ),
    gauge("process_resident_memory_bytes", &[], "Resident memory of the agent.", |scrape, to| {
        to.maybe(&[], scrape.process.resident_bytes)
    }),
    gauge("process_virtual_memory_bytes", &[], "Virtual memory of the agent.", |scrape, to| {
        to.maybe(&[], scrape.process.virtual_bytes)
    }),
    gauge("process_open_fds", &[], "Open file descriptors of the agent.", |scrape, to| {
        to.maybe(&[], scrape.process.open_fds)
    }),
    gauge("process_max_fds", &[], "File descriptors that the agent may have open.", |scrape, to| {
        to.maybe(&[], scrape.process.max_fds)
    }),
    gauge("process_threads", &[], "Threads of the agent.", |scrape, to| to.maybe(&[], scrape.process.threads)),
    gauge("process_start_time_seconds", &[], "When the agent was started, in Unix time.", |scrape, to| {
        to.maybe(&[], scrape.process.started)
    }),
];
