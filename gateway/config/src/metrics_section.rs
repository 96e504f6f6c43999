//! Section `[metrics]`.

use std::{collections::BTreeSet, net::SocketAddr};

use super::{
    invalid::Invalid,
    raw::RawConfig,
    report::{Quoted, Report},
    types::MetricsConfig,
};

/// Most addresses to listen on.
const MAX_LISTEN: usize = 8;

/// Checks the section; without it, metrics are not served.
pub(super) fn check(raw: &RawConfig, report: &mut Report<'_>) -> MetricsConfig {
    let given = raw.metrics.iter().flat_map(|metrics| &metrics.listen);
    let mut listen = BTreeSet::new();
    for (index, text) in given.enumerate() {
        let field = format!("metrics.listen[{index}]");
        if index == MAX_LISTEN {
            report.add(text.span(), field, format_args!("expected at most {MAX_LISTEN} addresses, found more"));
            break;
        }
        let Some(address) = report.check(text.span(), &field, address(text.get_ref())) else { continue };
        if !listen.insert(address) {
            report.add(text.span(), field, format_args!("expected each address once, found {address} a second time"));
        }
    }
    MetricsConfig { listen }
}

/// Parses an address and port that a server can listen on.
fn address(text: &str) -> Result<SocketAddr, Invalid> {
    let refused = || {
        let expected = r#"an address of this machine and a port, like "127.0.0.1:9959" or "[::1]:9959""#;
        Invalid::new(expected, Quoted(text))
    };
    let address: SocketAddr = text.parse().map_err(|_| refused())?;
    let broadcast = matches!(address, SocketAddr::V4(v4) if v4.ip().is_broadcast());
    if address.port() == 0 || address.ip().is_multicast() || broadcast { Err(refused()) } else { Ok(address) }
}
