//! Section `[gateway]`.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use gateway_common::limits::{DEFAULT_FDB, VXLAN_PORT};
use toml::Spanned;

use super::{
    invalid::Invalid,
    raw::RawGateway,
    report::Report,
    types::{GatewayConfig, Vteps},
    values,
};

/// Default directory of the agent's sockets.
pub const DEFAULT_RUN_DIR: &str = "/run/vtep-gateway";
/// Longest ageing time of a learned MAC, in seconds: eleven days.
const MAX_AGEING: i64 = 1_000_000;
/// Smallest size of the forwarding database, in MACs.
const MIN_FDB: i64 = 16;
/// Largest size of the forwarding database, in MACs; above it, the memory is counted in gigabytes.
pub const MAX_FDB: i64 = 1 << 24;

/// Checks the section; invalid values are replaced by defaults.
pub(super) fn check(raw: &RawGateway, report: &mut Report<'_>) -> GatewayConfig {
    GatewayConfig {
        udp_port: number(raw.udp_port.as_ref(), "udp_port", 1, 65_535, VXLAN_PORT, report),
        ttl: number(raw.ttl.as_ref(), "ttl", 1, 255, 64, report),
        ageing: Duration::from_secs(number(raw.ageing.as_ref(), "ageing", 1, MAX_AGEING, 300, report)),
        fdb_size: number(raw.fdb_size.as_ref(), "fdb_size", MIN_FDB, MAX_FDB, DEFAULT_FDB, report),
        pin_dir: path(raw.pin_dir.as_ref(), "pin_dir", "/sys/fs/bpf/vtep-gateway", values::pin_directory, report),
        run_dir: path(raw.run_dir.as_ref(), "run_dir", DEFAULT_RUN_DIR, values::directory, report),
        control_group: raw
            .control_group
            .as_ref()
            .and_then(|raw| report.check(raw.span(), "gateway.control_group", values::group_name(raw.get_ref()))),
    }
}

fn number<T: TryFrom<i64>>(
    raw: Option<&Spanned<i64>>,
    key: &str,
    min: i64,
    max: i64,
    default: T,
    report: &mut Report<'_>,
) -> T {
    raw.and_then(|raw| {
        report.check(raw.span(), format_args!("gateway.{key}"), values::number(*raw.get_ref(), min..=max))
    })
    .unwrap_or(default)
}

fn path(
    raw: Option<&Spanned<String>>,
    key: &str,
    default: &str,
    check: fn(&str) -> Result<PathBuf, Invalid>,
    report: &mut Report<'_>,
) -> PathBuf {
    raw.and_then(|raw| report.check(raw.span(), format_args!("gateway.{key}"), check(raw.get_ref())))
        .unwrap_or_else(|| PathBuf::from(default))
}

/// Checks tunnel addresses, at most one of each family; `of` is the section that contains them.
pub(super) fn vteps(raw: &Spanned<Vec<Spanned<String>>>, of: &str, report: &mut Report<'_>) -> Vteps {
    let mut vteps = Vteps::default();
    if raw.get_ref().is_empty() {
        report.add(
            raw.span(),
            format_args!("{of}.vtep"),
            "expected this gateway's tunnel address, found an empty list",
        );
    }
    for (i, text) in raw.get_ref().iter().enumerate() {
        let field = format!("{of}.vtep[{i}]");
        let Some(address) = report.check(text.span(), &field, values::tunnel_end(text.get_ref())) else { continue };
        let (family, first) = match address {
            IpAddr::V4(ip) => ("IPv4", vteps.v4.replace(ip).map(IpAddr::V4)),
            IpAddr::V6(ip) => ("IPv6", vteps.v6.replace(ip).map(IpAddr::V6)),
        };
        if let Some(first) = first {
            report.add(
                text.span(),
                field,
                format_args!("expected one {family} address, found {address} after {first}"),
            );
        }
    }
    vteps
}
