use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{Checksum, GROUP_V4, GROUP_V6, Interval, unwrap_ipv4};

/// Captured packets of keepalived with `auth_hmac`, built from its git on 2026-08-13 (9cbce3e2). Key 1 and 255 are the
/// bytes 0 to 31, key 7 is [`PASSPHRASE`]. Over IPv4 with the IP header.
mod captured {
    pub(super) const V3_MULTICAST: &str = "45c0003c00010000ff70d0740a090001e0000012 3133960100644361 0a090064 \
        010100006b0c9afeae08000006e199f213d503968587ac652bc01e0e";
    pub(super) const V3_UNICAST: &str = "45c0003c00010000ff70a67c0a0900010a090002 3133960100641969 0a090064 \
        010700006b0c9b04b66500002ddc675bc43abe56c82139b2a0a31ee3";
    pub(super) const V2_MULTICAST: &str = "45c0004400010000ff70d06c0a090001e0000012 2133960100013e5d 0a090064 \
        0000000000000000 010100006b0c9b10d153000084eb8821ef739793f480ddba53fb51c3";
    pub(super) const V3_IPV6: &str = "313396010064eaf3 fe800000000000000000000000000100 \
        010100006b0c9b0ac6c500003a24a1f9adba47a119e17c8585e9daa4";
    pub(super) const V3_IPV6_UNICAST: &str = "31339601000acde2 fe800000000000000000000000000100 \
        01ff00006b0c9b4cc0120000a988126f2198d30c41421203 2d2a743d";
}

const PASSPHRASE: &[u8] = b"passphrase-of-thirty-two-bytes-xx";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn secret(first: u8) -> Secret {
    Secret::new((first..first + 32).collect()).unwrap()
}

fn settings(active: u8, mode: AuthMode, replay: AntiReplay) -> AuthSettings {
    let passphrase = Secret::new(PASSPHRASE.to_vec()).unwrap();
    let keys = BTreeMap::from([(1, secret(0)), (7, passphrase), (255, secret(0))]);
    AuthSettings { keyring: Keyring { keys, active }, mode, replay }
}

fn node(active: u8) -> Authenticator {
    Authenticator::new(Some(settings(active, AuthMode::Enforce, AntiReplay::Time(60))))
}

fn at(millis: u64) -> UnixTime {
    UnixTime(Duration::from_millis(millis))
}

/// Time of the captures.
const THEN: u64 = 0x6b0c_9b20 * 1000;

fn captures() -> [(u8, Envelope, Vec<u8>); 5] {
    let v4 = |hex: &str| {
        let packet = bytes(hex);
        let (envelope, message) = unwrap_ipv4(&packet).unwrap();
        (envelope, message.to_vec())
    };
    let v6 = |from: &str, to: IpAddr, hex: &str| (Envelope { from: ip(from), to, ttl: 255 }, bytes(hex));
    let sender = "fe80::24bf:cdff:fe2e:c87d";
    [
        (1, v4(captured::V3_MULTICAST)),
        (7, v4(captured::V3_UNICAST)),
        (1, v4(captured::V2_MULTICAST)),
        (1, v6(sender, GROUP_V6.into(), captured::V3_IPV6)),
        (255, v6("fe80::1", ip("fe80::2"), captured::V3_IPV6_UNICAST)),
    ]
    .map(|(key, (envelope, message))| (key, envelope, message))
}

fn advertisement() -> Advertisement {
    Advertisement {
        version: Version::V3,
        vrid: Vrid::new(51).unwrap(),
        priority: 150,
        interval: Interval::DEFAULT,
        addresses: vec![ip("10.9.0.100")],
        checksum: Checksum::PseudoHeader,
    }
}

const FROM: &str = "10.9.0.1";

fn envelope() -> Envelope {
    Envelope { from: ip(FROM), to: GROUP_V4.into(), ttl: 255 }
}

/// Returns an advertisement as `sender` would send it now.
fn sent(sender: &mut Authenticator, now: UnixTime) -> Vec<u8> {
    let trailer = sender.sign(&advertisement(), ip(FROM), now);
    advertisement().emit_signed(ip(FROM), GROUP_V4.into(), trailer.as_ref())
}

fn received(receiver: &mut Authenticator, message: &[u8], now: UnixTime) -> Result<(), AuthError> {
    match receiver.read(message, &envelope(), now) {
        Ok(_) => Ok(()),
        Err(PacketError::Inauthentic(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn keepalived_s_bytes_are_authentic_and_are_ours() {
    for (key, envelope, message) in captures() {
        let read = node(1).read(&message, &envelope, at(THEN)).unwrap();
        assert_eq!(read.advertisement.priority, 150);
        // The time is the first that the sender would have written.
        let number = u64::from_be_bytes(message[message.len() - 24..][..8].try_into().unwrap());
        let fraction = (number >> 16 & 0xffff) * 1_000_000_000 / 65536 + 1;
        let now = UnixTime(Duration::new(number >> 32, fraction as u32));
        let trailer = node(key).sign(&read.advertisement, envelope.from, now).unwrap();
        let ours = read.advertisement.emit_signed(envelope.from, envelope.to, Some(&trailer));
        assert_eq!(ours, message, "key {key} from {}", envelope.from);
    }
}

#[test]
fn each_changed_bit_is_noticed() {
    for (_, envelope, message) in captures() {
        for bit in 0..message.len() * 8 {
            // The checksum is no part of it, and refuses by itself.
            let mut changed = message.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(node(1).read(&changed, &envelope, at(THEN)).is_err(), "bit {bit}");
        }
        let other = Envelope { from: if envelope.from.is_ipv4() { ip("10.9.0.3") } else { ip("fe80::3") }, ..envelope };
        assert!(node(1).read(&message, &other, at(THEN)).is_err(), "from another sender");
    }
}

#[test]
fn an_attacker_who_repairs_the_checksum_is_noticed_all_the_same() {
    let mut sender = node(1);
    let trailer = sender.sign(&advertisement(), ip(FROM), at(THEN)).unwrap();
    for forged in [
        Advertisement { priority: 255, ..advertisement() },
        Advertisement { priority: 0, ..advertisement() },
        Advertisement { vrid: Vrid::new(52).unwrap(), ..advertisement() },
        Advertisement { version: Version::V2, checksum: Checksum::MessageOnly, ..advertisement() },
    ] {
        let message = forged.emit_signed(ip(FROM), GROUP_V4.into(), Some(&trailer));
        assert_eq!(received(&mut node(1), &message, at(THEN)), Err(AuthError::Hmac(1)), "{forged:?}");
    }
}

#[test]
fn what_has_no_trailer_is_accepted_by_mode() {
    let bare = advertisement().emit(ip(FROM), GROUP_V4.into());
    let of = |mode| Authenticator::new(Some(settings(1, mode, AntiReplay::Monotonic)));
    assert_eq!(received(&mut of(AuthMode::Enforce), &bare, at(THEN)), Err(AuthError::Missing));
    assert_eq!(received(&mut of(AuthMode::Permissive), &bare, at(THEN)), Ok(()));
    assert_eq!(received(&mut of(AuthMode::ReceiveOnly), &bare, at(THEN)), Ok(()));
    assert_eq!(received(&mut Authenticator::new(None), &bare, at(THEN)), Ok(()));
    // A trailer that is wrong is refused in any mode.
    let mut stranger = Authenticator::new(Some(AuthSettings {
        keyring: Keyring { keys: [(1, secret(9))].into(), active: 1 },
        mode: AuthMode::Enforce,
        replay: AntiReplay::Monotonic,
    }));
    let forged = sent(&mut stranger, at(THEN));
    for mode in [AuthMode::Enforce, AuthMode::Permissive, AuthMode::ReceiveOnly] {
        assert_eq!(received(&mut of(mode), &forged, at(THEN)), Err(AuthError::Hmac(1)));
    }
}

#[test]
fn a_node_without_keys_accepts_nothing_that_is_signed() {
    let message = sent(&mut node(1), at(THEN));
    assert_eq!(received(&mut Authenticator::new(None), &message, at(THEN)), Err(AuthError::NoKeys));
}

#[test]
fn a_node_that_only_receives_does_not_sign() {
    let mut one = Authenticator::new(Some(settings(1, AuthMode::ReceiveOnly, AntiReplay::Monotonic)));
    assert_eq!(one.sign(&advertisement(), ip(FROM), at(THEN)), None);
    assert_eq!(Authenticator::new(None).sign(&advertisement(), ip(FROM), at(THEN)), None);
}

#[test]
fn an_unknown_key_and_another_scheme_are_named() {
    let mut trailer = node(1).sign(&advertisement(), ip(FROM), at(THEN)).unwrap();
    let message = |trailer: &Trailer| advertisement().emit_signed(ip(FROM), GROUP_V4.into(), Some(trailer));
    trailer[1] = 9;
    assert_eq!(received(&mut node(1), &message(&trailer), at(THEN)), Err(AuthError::UnknownKey(9)));
    trailer[3] = 1;
    assert_eq!(received(&mut node(1), &message(&trailer), at(THEN)), Err(AuthError::Malformed));
    trailer[..4].copy_from_slice(&[2, 1, 0, 0]);
    assert_eq!(received(&mut node(1), &message(&trailer), at(THEN)), Err(AuthError::Malformed));
}

#[test]
fn what_is_played_back_is_not_accepted_again() {
    for replay in [AntiReplay::Time(60), AntiReplay::Monotonic] {
        let mut receiver = Authenticator::new(Some(settings(1, AuthMode::Enforce, replay)));
        let mut sender = node(1);
        let first = sent(&mut sender, at(THEN));
        let second = sent(&mut sender, at(THEN + 1000));
        assert_eq!(received(&mut receiver, &first, at(THEN)), Ok(()));
        assert_eq!(received(&mut receiver, &first, at(THEN)), Err(AuthError::Replayed));
        assert_eq!(received(&mut receiver, &second, at(THEN + 1000)), Ok(()));
        assert_eq!(received(&mut receiver, &first, at(THEN + 1001)), Err(AuthError::Replayed), "an older one");
    }
}

#[test]
fn one_from_outside_the_window_is_stale_by_the_reported_seconds() {
    let message = sent(&mut node(1), at(THEN));
    assert_eq!(received(&mut node(1), &message, at(THEN + 60_000)), Ok(()));
    assert_eq!(received(&mut node(1), &message, at(THEN + 61_000)), Err(AuthError::Stale(61)));
    assert_eq!(received(&mut node(1), &message, at(THEN - 61_000)), Err(AuthError::Stale(-61)));
    let mut without = Authenticator::new(Some(settings(1, AuthMode::Enforce, AntiReplay::Monotonic)));
    assert_eq!(received(&mut without, &message, at(THEN + 61_000)), Ok(()), "there is no common clock");
}

#[test]
fn a_clock_that_drifts_is_reported_before_it_costs_anything() {
    let message = sent(&mut node(1), at(THEN));
    let skew = |now| node(1).read(&message, &envelope(), now).unwrap().skew;
    assert_eq!(skew(at(THEN + 4_000)), None);
    assert_eq!(skew(at(THEN + 7_000)), Some(7));
    assert_eq!(skew(at(THEN - 7_000)), Some(-7));
}

#[test]
fn numbers_grow_though_the_clock_stands_or_is_set_back_a_little() {
    let (mut sender, mut receiver) = (node(1), node(1));
    for now in [THEN, THEN, THEN - 10_000, THEN - 59_000, THEN + 1] {
        let message = sent(&mut sender, at(now));
        assert_eq!(received(&mut receiver, &message, at(THEN)), Ok(()), "{now}");
    }
}

#[test]
fn a_sender_whose_clock_was_set_back_far_is_accepted_again_at_once() {
    let (mut sender, mut receiver) = (node(1), node(1));
    let early = sent(&mut sender, at(THEN + 3_600_000));
    assert_eq!(received(&mut receiver, &early, at(THEN + 3_600_000)), Ok(()));
    // Both clocks are set right; the last number lies an hour ahead of them.
    let message = sent(&mut sender, at(THEN));
    assert_eq!(received(&mut receiver, &message, at(THEN)), Ok(()));
}

#[test]
fn only_a_sender_with_a_key_gets_a_place_and_the_oldest_makes_room() {
    let mut receiver = node(1);
    let from = |n: u8| IpAddr::from([10, 9, 1, n]);
    let send = |sender: &mut Authenticator, n: u8| {
        let trailer = sender.sign(&advertisement(), from(n), at(THEN));
        advertisement().emit_signed(from(n), GROUP_V4.into(), trailer.as_ref())
    };
    let mut forger = Authenticator::new(Some(AuthSettings {
        keyring: Keyring { keys: [(1, secret(9))].into(), active: 1 },
        mode: AuthMode::Enforce,
        replay: AntiReplay::Monotonic,
    }));
    for n in 0..=255 {
        let message = send(&mut forger, n);
        receiver.read(&message, &Envelope { from: from(n), ..envelope() }, at(THEN)).unwrap_err();
    }
    assert!(receiver.senders.is_empty());
    for n in 0..=255 {
        let message = send(&mut node(1), n);
        receiver.read(&message, &Envelope { from: from(n), ..envelope() }, at(THEN)).unwrap();
    }
    assert_eq!(receiver.senders.len(), SENDERS);
    assert!(receiver.senders.contains_key(&from(255)));
}

#[test]
fn a_key_changes_without_a_gap() {
    let (mut sender, mut receiver) = (node(1), node(1));
    assert_eq!(received(&mut receiver, &sent(&mut sender, at(THEN)), at(THEN)), Ok(()));
    sender.reconfigure(Some(settings(7, AuthMode::Enforce, AntiReplay::Time(60))));
    assert_eq!(received(&mut receiver, &sent(&mut sender, at(THEN)), at(THEN)), Ok(()), "both keys are known");
    let before = sent(&mut sender, at(THEN));
    receiver.reconfigure(Some(settings(7, AuthMode::Enforce, AntiReplay::Time(60))));
    assert_eq!(received(&mut receiver, &before, at(THEN)), Ok(()));
    assert_eq!(received(&mut receiver, &before, at(THEN)), Err(AuthError::Replayed), "what was received is remembered");
}

#[test]
fn an_active_key_that_is_missing_signs_what_nobody_accepts() {
    let mut empty = Authenticator::new(Some(AuthSettings {
        keyring: Keyring::default(),
        mode: AuthMode::Enforce,
        replay: AntiReplay::Monotonic,
    }));
    let message = sent(&mut empty, at(THEN));
    assert!(received(&mut node(1), &message, at(THEN)).is_err());
}

#[test]
fn a_secret_has_enough_bytes_and_shows_none() {
    assert!(Secret::new(vec![1; 31]).is_none() && Secret::new(vec![1; 65]).is_none());
    let shown = format!("{:?} {:?}", settings(1, AuthMode::Enforce, AntiReplay::Time(5)), node(1));
    for part in ["passphrase", "[0, 1, 2", "000102"] {
        assert!(!shown.contains(part), "{shown}");
    }
}

#[test]
fn what_waited_in_the_socket_is_as_old_as_when_it_arrived() {
    let second = Duration::from_secs(1);
    assert_eq!(arrived(10 * second, 70 * second, at(THEN)), at(THEN - 60_000));
    assert_eq!(arrived(71 * second, 70 * second, at(THEN)), at(THEN), "a stamp from the future is now");
}

proptest! {
    #[test]
    fn nothing_that_arrives_is_a_panic_or_authentic(bytes: Vec<u8>, v4: bool) {
        let from = if v4 { "10.0.0.1" } else { "fe80::1" };
        let envelope = Envelope { from: ip(from), ..envelope() };
        prop_assert!(node(1).read(&bytes, &envelope, at(THEN)).is_err());
    }
}
