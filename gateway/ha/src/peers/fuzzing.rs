//! Entry point for the fuzz target of `gateway/fuzz`.

use std::{collections::BTreeSet, sync::Arc};

use gateway_vrrp::{AntiReplay, AuthMode, AuthSettings, Keyring, Secret, Time, Vrid};

use super::{
    data::{Bound, Description, RouterDescription},
    message::LINE,
    secure::{Keys, RANDOM, Secure, Terms},
    session::{Session, Side},
};

const VRID: Vrid = Vrid::new(51).unwrap();
/// The most stations that a follower accepts.
const ROOM: usize = 1000;
/// More than the sealed length of the data that is prepared for sending at once.
const MOST: usize = (64 << 10) + 2 * LINE;

/// Handles the bytes as input from another node. The first byte holds the side of this node (1), whether there are keys
/// (2), whether the other node has them and seals what follows (4), and how much is read at once (the rest).
pub fn session(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let side = if how & 1 == 0 { Side::Follower } else { Side::Source };
    let keys = if how & 2 == 0 { Keys::default() } else { keys() };
    let terms = |random| Terms { keys: Arc::new(keys.clone()), vrid: Some(VRID), random: [random; RANDOM] };
    let mut session = Session::new(Time::ZERO, side, "gw1", ROOM, terms(1));
    session.want(description(), super::sender::none());
    let plain = if how & 6 == 6 { sealed(&mut session, side, terms(2), bytes) } else { bytes.to_vec() };
    let at_once = usize::from(how >> 3) * 61 + 1;
    for (step, part) in plain.chunks(at_once).enumerate() {
        let now = Time::from_millis(step as u64 * 100);
        let outcome = session.receive(now, part).and_then(|()| session.look(now));
        if let Err(why) = outcome {
            drop(session.farewell(&why));
            return;
        }
        assert!(session.unsent().len() <= MOST, "{} bytes wait", session.unsent().len());
        let some = session.unsent().len().min(at_once);
        session.sent(now, some);
        let count = session.stations(VRID).map_or(0, super::Stations::len);
        assert!(count <= ROOM, "{count} stations");
    }
}

/// Returns the same bytes, sealed by a node that has the key.
fn sealed(session: &mut Session, side: Side, terms: Terms, bytes: &[u8]) -> Vec<u8> {
    let (mut begun, mut plain) = (Vec::new(), Vec::new());
    let other = if side == Side::Source { Side::Follower } else { Side::Source };
    let mut secure = Secure::new(other, terms, &mut begun);
    let own = session.unsent().to_vec();
    session.sent(Time::ZERO, own.len());
    // The caller begins.
    if !own.is_empty() && secure.receive(&own, &mut plain, &mut begun).is_err() {
        return Vec::new();
    }
    if session.receive(Time::ZERO, &begun).is_err() {
        return Vec::new();
    }
    let answer = session.unsent().to_vec();
    session.sent(Time::ZERO, answer.len());
    let (mut more, mut out) = (Vec::new(), Vec::new());
    if other == Side::Follower && secure.receive(&answer, &mut plain, &mut more).is_err() {
        return Vec::new();
    }
    secure.seal(bytes, &mut out);
    out
}

fn keys() -> Keys {
    let secret = Secret::new(vec![7; 32]).expect("long enough");
    let keyring = Keyring { keys: [(1, secret)].into(), active: 1 };
    let settings = AuthSettings { keyring, mode: AuthMode::Enforce, replay: AntiReplay::Monotonic };
    Keys::new([(VRID, &settings)].into_iter())
}

fn description() -> Arc<Description> {
    let vlan = gateway_common::net::VlanId::new(100).expect("a VLAN");
    let bindings: BTreeSet<Bound> = [Bound { port: "eth1".into(), vlan, switch: "net".into() }].into();
    let tunnel_ips = [[172, 31, 0, 21].into()].into();
    let router =
        RouterDescription { switch: "gw".to_owned(), tunnel_ips, bindings: bindings.into(), able: Some(1), misled: 0 };
    Arc::new(Description { node: "gw1".to_owned(), routers: [(VRID, router)].into() })
}
