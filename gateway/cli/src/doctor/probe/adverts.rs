//! Listens for advertisements: from other routers of this virtual router, or of another one with the same number.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use gateway_base::clock;
use gateway_config::{InstanceConfig, KeyError, VrrpConfig};
use gateway_ha::{AdvertSocket, Expected, Family, Observer, SocketOptions, Verdict};
use gateway_vrrp::{Advertisement, AuthSettings, Authentic, Authenticator, UnixTime};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::doctor::{nodes::Peer, probe_error::ProbeError};

/// Shortest and longest time to listen.
const LEAST: Duration = Duration::from_millis(1500);
const MOST: Duration = Duration::from_secs(5);

/// Other routers, and problems of their advertisements.
pub(in super::super) type Listened = (Result<Vec<Peer>, ProbeError>, Vec<String>);

/// Returns the keys with which advertisements are checked as in the agent, if there are any, or the error from reading
/// them.
pub(in super::super) fn keys(vrrp: &VrrpConfig) -> Result<Option<AuthSettings>, KeyError> {
    let Some(auth) = &vrrp.auth else { return Ok(None) };
    let credentials = super::database::credentials();
    let keys = vrrp.read_keys(credentials.as_deref(), &mut Vec::new())?;
    let mut settings = auth.settings.clone();
    settings.keyring.keys = keys;
    Ok(Some(settings))
}

/// Listens for slightly more than three intervals, within bounds.
pub(in super::super) fn listen(instance: &InstanceConfig, vrrp: &VrrpConfig, keys: Option<AuthSettings>) -> Listened {
    let all: Vec<IpAddr> = instance.vteps.iter().collect();
    let family = if instance.vteps.v4.is_some() { Family::V4 } else { Family::V6 };
    let addresses: Vec<IpAddr> = all.iter().copied().filter(|address| Family::of(*address) == family).collect();
    let options = SocketOptions {
        interface: &vrrp.interface,
        family,
        peers: &vrrp.peers,
        source: vrrp.source,
        virtual_addresses: &all,
        listen: true,
    };
    match AdvertSocket::open(&options) {
        Ok(socket) => collect(socket, vrrp, &addresses, keys.map(|keys| Authenticator::new(Some(keys)))),
        Err(error) => (Err(ProbeError::of(&error)), Vec::new()),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is a driver: advertisements are waited for in real time")]
fn collect(
    mut socket: AdvertSocket,
    vrrp: &VrrpConfig,
    addresses: &[IpAddr],
    mut authenticator: Option<Authenticator>,
) -> Listened {
    let own = socket.source();
    let until = Instant::now() + (vrrp.interval.three() + vrrp.interval.duration() / 2).clamp(LEAST, MOST);
    let (mut peers, mut observer) = (BTreeMap::<IpAddr, Peer>::new(), Observer::default());
    let expected = Expected {
        own,
        version: vrrp.version,
        priority: vrrp.priority,
        interval: vrrp.interval,
        addresses,
        peers: &vrrp.peers,
    };
    loop {
        while let Ok(Some(packet)) = socket.receive() {
            // The agent reports invalid advertisements; the doctor does not repeat this.
            let read = match &mut authenticator {
                Some(authenticator) => authenticator
                    .read(&packet.message, &packet.envelope, UnixTime(clock::realtime()))
                    .map(|Authentic { advertisement, .. }| advertisement),
                None => Advertisement::parse_unchecked(&packet.message, &packet.envelope),
            };
            let Ok(advertisement) = read else { continue };
            let from = packet.envelope.from;
            if advertisement.vrid != vrrp.vrid || from == own {
                continue;
            }
            let verdict = observer.check(&advertisement, &packet.envelope, expected, clock::monotonic());
            if verdict == Verdict::Stranger {
                continue;
            }
            let (foreign, priority) = (verdict == Verdict::Foreign, advertisement.priority);
            let one = peers.entry(from).or_insert(Peer { from, priority, count: 0, foreign });
            one.count += 1;
            (one.priority, one.foreign) = (priority, foreign);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO);
        // The result does not matter: the socket is read again, and the time limit ends the loop.
        let _ = poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], timeout);
    }
    let foreign: Vec<String> = peers.values().filter(|one| one.foreign).map(|one| one.from.to_string()).collect();
    // Advertisements of other virtual routers are findings of their own.
    let problems = observer.problems().filter(|text| !foreign.iter().any(|from| text.starts_with(from.as_str())));
    (Ok(peers.into_values().collect()), problems.map(str::to_owned).collect())
}
