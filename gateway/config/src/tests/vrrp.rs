//! Tests of `[[vrrp]]`: the values of valid sections, and the errors of others.

use std::{ffi::OsStr, fs, time::Duration};

use gateway_vrrp::{AntiReplay, AuthMode, Checksum, Interval, Priority, Secret, Version};

use super::parse;
use crate::{Config, InstanceConfig, Track, VrrpConfig};

const NICS: &str = "[[uplink]]\nname = \"eth0\"\n[[port]]\nname = \"eth1\"\n";

fn alone(keys: &str) -> String {
    format!("[gateway]\nvtep = [\"172.31.0.100\"]\n{NICS}[[vrrp]]\nvrid = 51\n{keys}\n")
}

fn two(first: &str, second: &str) -> String {
    format!("[gateway]\n{NICS}[[vrrp]]\nvrid = 51\n{first}\n[[vrrp]]\nvrid = 52\n{second}\n")
}

fn accepted(text: &str) -> Config {
    parse(text).unwrap()
}

fn router(text: &str) -> VrrpConfig {
    accepted(text).instances.remove(0).vrrp.unwrap()
}

fn refusal(text: &str) -> String {
    parse(text).map_or_else(|error| error.to_string().replacen("g.toml:", "", 1), |_| "accepted".to_owned())
}

#[test]
fn without_a_section_there_is_one_instance_that_stays() {
    let config = accepted(&format!("[gateway]\nvtep = [\"172.31.0.21\"]\n{NICS}"));
    assert!(!config.is_redundant());
    assert_eq!(config.instances.iter().map(InstanceConfig::lease).collect::<Vec<_>>(), [0]);
}

#[test]
fn a_number_is_all_it_takes() {
    let config = accepted(&alone(""));
    let [instance] = &config.instances[..] else { panic!("{:?}", config.instances) };
    let vrrp = instance.vrrp.as_ref().unwrap();
    assert_eq!((instance.name.as_str(), instance.lease()), ("vrrp-51", 51));
    assert_eq!((vrrp.interface.as_str(), vrrp.version, vrrp.priority), ("eth0", Version::V3, Priority::DEFAULT));
    assert_eq!((vrrp.interval, vrrp.preempt, vrrp.checksum), (Interval::DEFAULT, true, Checksum::PseudoHeader));
    assert_eq!((vrrp.track_data_plane, vrrp.track_database), (Track::Fault, Track::Ignore));
    assert_eq!(config.sync.port, 8477);
}

#[test]
fn times_may_have_fractions() {
    let vrrp = router(&alone("interval = 0.1\npreempt_delay = 2.5\nstartup_delay = 3\nannounce_refresh = 60"));
    assert_eq!(vrrp.interval.centiseconds(), 10);
    assert_eq!((vrrp.preempt_delay, vrrp.startup_delay), (Duration::from_millis(2500), Duration::from_secs(3)));
    assert_eq!(vrrp.announce.refresh, Duration::from_secs(60));
}

#[test]
fn tracking_is_a_fault_a_weight_or_nothing() {
    let text = alone("track_database = -20\ntrack_data_plane = \"ignore\"");
    let vrrp = router(&text);
    assert_eq!((vrrp.track_database, vrrp.track_data_plane), (Track::Weight(-20), Track::Ignore));
    let text = text.replacen("name = \"eth1\"", "name = \"eth1\"\ntrack = \"ignore\"", 1);
    assert_eq!(accepted(&text).ports[0].track, Track::Ignore);
    let error = refusal(&alone("track_database = \"faulty\""));
    assert!(error.ends_with(r#"expected "fault", "ignore" or a number from -253 to 253, found "faulty""#), "{error}");
    assert!(refusal(&alone("track_database = -254")).ends_with("expected -253 to 253, found -254"));
}

#[test]
fn several_have_addresses_and_numbers_of_their_own() {
    let (first, second) = ("vtep = [\"172.31.0.100\"]", "vtep = [\"172.31.0.101\"]");
    let config = accepted(&two(first, second));
    let found: Vec<_> = config.instances.iter().map(|one| (one.lease(), one.vteps.v4.unwrap().octets()[3])).collect();
    assert_eq!(found, [(51, 100), (52, 101)]);
    let same = refusal(&two(first, first));
    assert!(same.contains("expected addresses of its own, found 172.31.0.100, which vrrp-51 has"), "{same}");
    assert!(refusal(&two(first, "")).contains("vrrp 52.vtep: required, but missing"));
    let number = refusal(&two(first, second).replace("vrid = 52", "vrid = 51"));
    assert!(number.contains("vrrp 51: vrid: expected a number of its own, found 51 a second time"), "{number}");
}

#[test]
fn with_several_a_switch_names_its_own() {
    let both = two("vtep = [\"172.31.0.100\"]\nname = \"red\"", "vtep = [\"172.31.0.101\"]\nname = \"blue\"");
    let switch = |instance: &str| format!("{both}[[switch]]\nname = \"db-net\"\nvni = 5001\n{instance}\n");
    assert_eq!(accepted(&switch("instance = \"blue\"")).rows.switches["db-net"].instance, 1);
    let error = refusal(&switch(""));
    assert!(error.contains("instance: required where there are several [[vrrp]], but missing"), "{error}");
    let error = refusal(&switch("instance = \"green\""));
    assert!(error.contains("instance: expected the name of a [[vrrp]], found \"green\""), "{error}");
}

#[test]
fn with_several_and_a_database_each_is_a_physical_switch_of_its_own() {
    let (first, second) = ("vtep = [\"172.31.0.100\"]", "vtep = [\"172.31.0.101\"]");
    let database = "[database]\nremote = \"unix:/run/db.sock\"\n";
    let error = refusal(&format!("{}{database}", two(first, second)));
    assert!(error.contains("vrrp 51: switch: required where there are several [[vrrp]] and a [database]"), "{error}");
    let named = two(&format!("{first}\nswitch = \"ps1\""), &format!("{second}\nswitch = \"ps2\""));
    let config = accepted(&format!("{named}{database}"));
    let names: Vec<_> = config.instances.iter().map(|one| one.switch.as_deref().unwrap()).collect();
    assert_eq!(names, ["ps1", "ps2"]);
}

#[test]
fn version_2_has_no_ipv6_and_no_fractions() {
    assert!(refusal(&alone("version = 2\ninterval = 0.5")).ends_with("expected whole seconds in version 2, found 0.5"));
    let v6 = alone("version = 2").replace("172.31.0.100", "2001:db8::100");
    assert!(refusal(&v6).ends_with("version: expected 3, as version 2 has no IPv6, found 2"));
    assert!(refusal(&alone("version = 4")).ends_with("version: expected 2 or 3, found 4"));
    assert!(refusal(&alone("interval = 0.015")).ends_with("expected whole centiseconds, found 0.015"));
    assert!(refusal(&alone("interval = 41")).ends_with("expected 0.01 to 40.95 seconds, found 41"));
}

#[test]
fn peers_are_addresses_of_the_family_it_speaks() {
    assert_eq!(router(&alone("peers = [\"172.31.0.22\"]")).peers.len(), 1);
    let error = refusal(&alone("peers = [\"2001:db8::22\"]"));
    assert!(
        error.ends_with("expected a unicast IPv4 address, as VRRP here runs over IPv4, found 2001:db8::22"),
        "{error}"
    );
    assert!(refusal(&alone("source = \"224.0.0.18\"")).contains("source: expected a unicast IPv4 address"));
    let error = refusal(&alone("peers = [\"172.31.0.22\", \"172.31.0.22\"]"));
    assert!(error.ends_with("expected each address once, found 172.31.0.22 a second time"), "{error}");
}

#[test]
fn a_database_beside_the_agent_is_its_own_and_any_other_is_shared() {
    let with = |remote: &str| alone(&format!("[database]\nremote = \"{remote}\""));
    for local in ["unix:/run/db.sock", "tcp:127.0.0.1", "tcp:[::1]:6640", "tcp:localhost:6640"] {
        assert!(!accepted(&with(local)).database.unwrap().shared, "{local}");
    }
    assert!(accepted(&with("unix:/run/db.sock,tcp:10.0.0.2")).database.unwrap().shared);
    assert!(accepted(&with("tcp:10.0.0.1,tcp:10.0.0.2")).database.unwrap().shared);
    assert!(accepted(&with("unix:/run/db.sock\"\nshared = true #")).database.unwrap().shared);
}

#[test]
fn timers_and_priority_are_taken_over_while_running_and_addresses_are_not() {
    let old = accepted(&alone(""));
    let new = accepted(&alone("priority = 200\ninterval = 0.1\npreempt = false"));
    assert_eq!(old.changes_needing_restart(&new), [""; 0]);
    let new = accepted(&alone("").replace("172.31.0.100", "172.31.0.101"));
    assert_eq!(
        old.changes_needing_restart(&new),
        ["vrrp (51 vrrp-51 on eth0: 172.31.0.100 -> 51 vrrp-51 on eth0: 172.31.0.101)"]
    );
}

const KEY: &str = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[test]
fn keys_are_written_down_or_in_files_or_credentials() {
    let dir = std::env::temp_dir().join(format!("vtep-gateway-keys-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("vrrp-51"), format!("{KEY}\n")).unwrap();
    fs::write(dir.join("other"), "a passphrase of more than 32 bytes").unwrap();
    let path = dir.join("other");
    let text = alone(&format!(
        "auth_keys = {{ 1 = \"{KEY}\", 2 = \"credential:vrrp-51\", 3 = \"{}\" }}\nauth_key = 3",
        path.display()
    ));
    let mut config = accepted(&text);
    let open = config.load_keys(Some(OsStr::new(&dir))).unwrap();
    assert_eq!(open, [path.as_path()], "the others are nobody's to read");
    let auth = config.instances[0].vrrp.clone().unwrap().auth.unwrap();
    let first = Secret::new((0..32).collect()).unwrap();
    let third = Secret::new(b"a passphrase of more than 32 bytes".to_vec()).unwrap();
    assert_eq!(auth.settings.keyring.keys, [(1, first.clone()), (2, first), (3, third)].into());
    assert_eq!((auth.settings.keyring.active, auth.settings.mode), (3, AuthMode::Enforce));
    assert_eq!(auth.settings.replay, AntiReplay::Time(60));
    assert_eq!(config.unauthenticated().count(), 0);
    assert!(!format!("{config:?}").contains("passphrase") && !format!("{config:?}").contains("[0, 1, 2"));

    fs::write(&path, "short").unwrap();
    let error = config.load_keys(Some(OsStr::new(&dir))).unwrap_err().to_string();
    assert!(error.contains("key 3") && error.contains("expected 32 to 64 bytes, found 5"), "{error}");
    assert!(!error.contains("short"), "{error}");
    fs::remove_dir_all(&dir).unwrap();
    let error = config.load_keys(Some(OsStr::new(&dir))).unwrap_err().to_string();
    assert!(error.contains("cannot read key 2 of auth_keys from"), "{error}");
    let error = config.load_keys(None).unwrap_err().to_string();
    assert!(error.contains("LoadCredential=vrrp-51:"), "{error}");
}

#[test]
fn keys_that_can_t_be_used_are_refused_without_being_shown() {
    let one = format!("auth_keys = {{ 1 = \"{KEY}\" }}");
    let mode = |keys: &str| router(&alone(&format!("{one}\n{keys}"))).auth.unwrap().settings;
    assert_eq!(mode("").keyring.active, 1);
    assert_eq!(mode("auth_mode = \"receive-only\"").mode, AuthMode::ReceiveOnly);
    assert_eq!(mode("auth_window = 5").replay, AntiReplay::Time(5));
    assert_eq!(mode("auth_replay = \"monotonic\"").replay, AntiReplay::Monotonic);
    let permissive = accepted(&alone(&format!("{one}\nauth_mode = \"permissive\"")));
    assert_eq!(permissive.unauthenticated().collect::<Vec<_>>(), [("vrrp-51", "auth_mode is permissive")]);
    assert_eq!(accepted(&alone("")).unauthenticated().collect::<Vec<_>>(), [("vrrp-51", "it has no auth_keys")]);
    let two = format!("auth_keys = {{ 1 = \"{KEY}\", 2 = \"{KEY}\" }}");
    for (keys, part) in [
        (
            "auth_keys = { 1 = \"sesame\" }".to_owned(),
            "expected /path/to/a/file, credential:NAME, or hex: with the key",
        ),
        ("auth_keys = { 1 = \"hex:c0ffee\" }".to_owned(), "expected 32 to 64 bytes, found 3"),
        ("auth_keys = \"hex:c0ffee\"".to_owned(), "expected a table of numbers and keys"),
        ("auth_keys = {}".to_owned(), "auth_keys: expected a key, found none"),
        (format!("auth_keys = {{ 0 = \"{KEY}\" }}"), "expected a number from 1 to 255 for a key, found \"0\""),
        (two.clone(), "auth_key: required where there are several auth_keys"),
        (format!("{two}\nauth_key = 3"), "expected the number of one of the auth_keys, found 3"),
        ("auth_window = 5".to_owned(), "auth_window: expected it with auth_keys only"),
        (format!("{one}\nauth_window = 301"), "auth_window: expected 1 to 300, found 301"),
        (format!("{one}\nauth_mode = \"lax\""), "expected \"enforce\", \"permissive\" or \"receive-only\""),
        (format!("{one}\nauth_replay = \"none\""), "expected \"time\" or \"monotonic\""),
        (format!("{one}\nauth_window = 5\nauth_replay = \"monotonic\""), "as there is an auth_window"),
    ] {
        let error = refusal(&alone(&keys));
        assert!(error.contains(part), "{keys}: {error}");
        assert!(!error.contains("sesame") && !error.contains("c0ffee"), "{error}");
    }
}
