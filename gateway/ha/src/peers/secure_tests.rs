use std::collections::BTreeMap;

use gateway_vrrp::AntiReplay;
use proptest::prelude::*;

use super::*;

const VRID: Vrid = Vrid::new(51).unwrap();

fn secret(byte: u8) -> Secret {
    Secret::new(vec![byte; 32]).unwrap()
}

/// Keys of virtual router 51: numbers and bytes. The first one seals.
pub(in crate::peers) fn keys(mode: AuthMode, all: &[(u8, u8)]) -> Keys {
    let keys: BTreeMap<u8, Secret> = all.iter().map(|(id, byte)| (*id, secret(*byte))).collect();
    let keyring = Keyring { keys, active: all[0].0 };
    let settings = AuthSettings { keyring, mode, replay: AntiReplay::Monotonic };
    Keys::new([(VRID, &settings)].into_iter())
}

fn enforce(all: &[(u8, u8)]) -> Keys {
    keys(AuthMode::Enforce, all)
}

/// One end, and its data to send.
struct End {
    secure: Secure,
    out: Vec<u8>,
    plain: Vec<u8>,
}

fn end(side: Side, keys: Keys, random: u8) -> End {
    let mut out = Vec::new();
    let terms = Terms { keys: Arc::new(keys), vrid: Some(VRID), random: [random; RANDOM] };
    End { secure: Secure::new(side, terms, &mut out), out, plain: Vec::new() }
}

impl End {
    fn take(&mut self, bytes: &[u8]) -> Result<(), SecureError> {
        self.secure.receive(bytes, &mut self.plain, &mut self.out)
    }

    fn seal(&mut self, text: &[u8]) {
        let mut out = std::mem::take(&mut self.out);
        self.secure.seal(text, &mut out);
        self.out = out;
    }

    fn send(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

/// Creates two ends. Both begin.
fn pair(caller: Keys, called: Keys) -> (End, End) {
    let (mut caller, mut called) = (end(Side::Follower, caller, 1), end(Side::Source, called, 2));
    called.take(&caller.send()).unwrap();
    caller.take(&called.send()).unwrap();
    (caller, called)
}

#[test]
fn two_with_one_key_understand_each_other_and_nobody_else_reads_it() {
    let (mut caller, mut called) = pair(enforce(&[(1, 1)]), enforce(&[(1, 1)]));
    assert!(caller.secure.may_send() && !called.secure.may_send(), "the caller shows first that it has the key");
    caller.seal(b"hello from gw2");
    let bytes = caller.send();
    assert!(!bytes.windows(5).any(|part| part == b"hello"));
    called.take(&bytes).unwrap();
    assert_eq!(called.plain, b"hello from gw2");
    assert!(called.secure.may_send());
    let long: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
    called.seal(&long);
    for part in called.send().chunks(7919) {
        caller.take(part).unwrap();
    }
    assert_eq!(caller.plain, long);
}

#[test]
fn a_stranger_receives_nothing_but_a_beginning() {
    let mut called = end(Side::Source, enforce(&[(1, 1)]), 2);
    called.seal(b"stations");
    assert!(called.send().is_empty(), "before it has begun");
    let mut stranger = end(Side::Follower, enforce(&[(1, 9)]), 1);
    called.take(&stranger.send()).unwrap();
    let beginning = called.send();
    assert_eq!(beginning.len(), BEGINNING);
    stranger.take(&beginning).unwrap();
    stranger.seal(b"hello");
    assert_eq!(called.take(&stranger.send()), Err(SecureError::Forged));
    assert!(called.plain.is_empty() && called.send().is_empty());
}

#[test]
fn one_that_poses_as_the_active_node_is_not_believed() {
    let (mut caller, mut stranger) = pair(enforce(&[(1, 1)]), enforce(&[(1, 9)]));
    // As if it had been shown something.
    stranger.seal(b"stations");
    assert_eq!(caller.take(&stranger.send()), Err(SecureError::Forged));
    let mut mirrored = end(Side::Follower, enforce(&[(1, 1)]), 1);
    let own = mirrored.send();
    mirrored.take(&own).unwrap();
    mirrored.seal(b"hello");
    let own = mirrored.send();
    assert_eq!(mirrored.take(&own), Err(SecureError::Forged), "its own words come back");
}

#[test]
fn what_was_recorded_can_t_be_played_again() {
    let mut caller = end(Side::Follower, enforce(&[(1, 1)]), 1);
    let mut called = end(Side::Source, enforce(&[(1, 1)]), 2);
    let mut recorded = caller.send();
    called.take(&recorded).unwrap();
    caller.take(&called.send()).unwrap();
    caller.seal(b"hello");
    let record = caller.send();
    called.take(&record).unwrap();
    assert_eq!(called.take(&record), Err(SecureError::Forged), "in the same conversation");
    recorded.extend(&record);
    let mut later = end(Side::Source, enforce(&[(1, 1)]), 3);
    assert_eq!(later.take(&recorded), Err(SecureError::Forged), "in another one");
}

#[test]
fn each_changed_bit_is_noticed() {
    let recorded = |random| {
        let (mut caller, called) = pair(enforce(&[(1, 1)]), enforce(&[(1, 1)]));
        assert_eq!(called.secure.random[0], random);
        caller.seal(b"some words");
        (caller.send(), called)
    };
    let (length, _) = recorded(2);
    for bit in 0..length.len() * 8 {
        let (mut bytes, mut called) = recorded(2);
        bytes[bit / 8] ^= 1 << (bit % 8);
        // With a larger length it waits for more.
        let _ = called.take(&bytes);
        assert!(called.plain.is_empty(), "bit {bit}");
    }
}

#[test]
fn a_key_changes_on_one_side_after_the_other() {
    for (caller, called) in [([(1, 1), (2, 2)], [(2, 2), (1, 1)]), ([(2, 2), (1, 1)], [(1, 1), (2, 2)])] {
        let (mut caller, mut called) = pair(enforce(&caller), enforce(&called));
        caller.seal(b"one");
        called.take(&caller.send()).unwrap();
        called.seal(b"two");
        caller.take(&called.send()).unwrap();
        assert_eq!((&called.plain[..], &caller.plain[..]), (&b"one"[..], &b"two"[..]));
    }
    let mut called = end(Side::Source, enforce(&[(1, 1)]), 2);
    assert_eq!(called.take(&end(Side::Follower, enforce(&[(3, 3)]), 1).send()), Err(SecureError::UnknownKey(51, 3)));
}

#[test]
fn one_without_keys_and_one_with_them_say_what_is_wrong() {
    let plain = || Keys::default();
    let mut called = end(Side::Source, plain(), 2);
    assert_eq!(called.take(&end(Side::Follower, enforce(&[(1, 1)]), 1).send()), Err(SecureError::NoKeys));
    let mut caller = end(Side::Follower, enforce(&[(1, 1)]), 1);
    assert_eq!(caller.take(b"{\"type\":\"hello\""), Err(SecureError::Open));
    let mut called = end(Side::Source, enforce(&[(1, 1)]), 2);
    assert_eq!(called.take(b"{"), Err(SecureError::Open));
    let (mut caller, mut called) = (end(Side::Follower, plain(), 1), end(Side::Source, plain(), 2));
    caller.seal(b"plain");
    called.take(&caller.send()).unwrap();
    assert_eq!(called.plain, b"plain");
}

#[test]
fn keys_are_brought_in_step_by_step() {
    use AuthMode::{Enforce, Permissive, ReceiveOnly};
    let of = |mode: Option<AuthMode>| mode.map_or_else(Keys::default, |mode| keys(mode, &[(1, 1)]));
    for (caller, called, fits) in [
        (None, Some(ReceiveOnly), true),
        (Some(ReceiveOnly), None, true),
        (Some(ReceiveOnly), Some(Permissive), true),
        (Some(Permissive), Some(ReceiveOnly), true),
        (Some(Permissive), Some(Enforce), true),
        (Some(Enforce), Some(Permissive), true),
        (Some(ReceiveOnly), Some(Enforce), false),
        (Some(Permissive), None, false),
    ] {
        let (mut caller_end, mut called_end) = (end(Side::Follower, of(caller), 1), end(Side::Source, of(called), 2));
        let mut talk = || -> Result<(), SecureError> {
            called_end.take(&caller_end.send())?;
            caller_end.take(&called_end.send())?;
            caller_end.seal(b"hello");
            called_end.take(&caller_end.send())?;
            called_end.seal(b"hello");
            caller_end.take(&called_end.send())
        };
        assert_eq!(talk().is_ok(), fits, "{caller:?} calls {called:?}");
        assert_eq!(caller_end.plain == b"hello", fits);
    }
}

#[test]
fn a_length_beyond_all_records_ends_it_before_it_is_there() {
    let (_, mut called) = pair(enforce(&[(1, 1)]), enforce(&[(1, 1)]));
    assert_eq!(called.take(&u32::MAX.to_be_bytes()), Err(SecureError::Length(u32::MAX as usize)));
    let (_, mut called) = pair(enforce(&[(1, 1)]), enforce(&[(1, 1)]));
    assert_eq!(called.take(&[0; 4]), Err(SecureError::Length(0)));
}

proptest! {
    #[test]
    fn no_bytes_do_harm(parts: Vec<Vec<u8>>, magic: bool, sealed: bool, caller: bool) {
        let side = if caller { Side::Follower } else { Side::Source };
        let mut one = end(side, if sealed { enforce(&[(1, 1)]) } else { Keys::default() }, 1);
        if magic {
            let mut begun = [0; BEGINNING];
            begun[..8].copy_from_slice(MAGIC);
            begun[8..10].copy_from_slice(&[51, 1]);
            let _ = one.take(&begun);
        }
        for part in &parts {
            if one.take(part).is_err() {
                break;
            }
        }
        prop_assert!(!sealed || one.plain.is_empty());
        prop_assert!(one.secure.buffer.len() <= LENGTH + RECORD + TAG);
    }
}
