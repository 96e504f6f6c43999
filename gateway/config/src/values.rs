//! Checks of single values. Each returns the typed value, or an error with the expected and the actual value.

use std::{
    net::IpAddr,
    ops::RangeInclusive,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use gateway_common::net::{MacAddr, VlanId, Vni};

use super::{
    invalid::Invalid,
    key_files::{KeyFile, SCHEME},
    raw::{RawTrack, Seconds},
    report::Quoted,
    types::{Mode, Track},
};

/// Longest name of a logical switch, in characters.
const MAX_SWITCH_NAME: usize = 128;
/// Longest name of an interface, in bytes: `IFNAMSIZ` without the final zero.
const MAX_INTERFACE_NAME: usize = 15;
/// Longest name of a credential, in bytes: the limit of a file name.
const MAX_CREDENTIAL_NAME: usize = 255;
/// Usual mount point of the BPF file system.
const BPF_FS: &str = "/sys/fs/bpf";

/// Checks that a number is in `range`.
pub fn number<T: TryFrom<i64>>(value: i64, range: RangeInclusive<i64>) -> Result<T, Invalid> {
    let refused = || Invalid::new(format_args!("{} to {}", range.start(), range.end()), value);
    if !range.contains(&value) {
        return Err(refused());
    }
    T::try_from(value).map_err(|_| refused())
}

/// Checks that a time in seconds is in `range`; rounds it to milliseconds.
pub fn seconds(value: Seconds, range: RangeInclusive<f64>) -> Result<Duration, Invalid> {
    if range.contains(&value.0) {
        Ok(Duration::from_millis((value.0 * 1000.0).round() as u64))
    } else {
        Err(Invalid::new(format_args!("{} to {} seconds", range.start(), range.end()), value.0))
    }
}

/// Checks the effect of a tracked object on a virtual router.
pub fn track(value: &RawTrack) -> Result<Track, Invalid> {
    match value {
        RawTrack::Weight(weight) => Ok(Track::Weight(number(*weight, -253..=253)?)),
        RawTrack::Word(word) if word == "fault" => Ok(Track::Fault),
        RawTrack::Word(word) if word == "ignore" => Ok(Track::Ignore),
        RawTrack::Word(other) => Err(Invalid::new(r#""fault", "ignore" or a number from -253 to 253"#, Quoted(other))),
    }
}

/// Checks a VXLAN network identifier.
pub fn vni(value: i64) -> Result<Vni, Invalid> {
    let refused = || Invalid::new(format_args!("1 to {}", Vni::MAX), value);
    u32::try_from(value).ok().and_then(Vni::new).ok_or_else(refused)
}

/// Checks a VLAN, or 0 for untagged.
pub fn vlan(value: i64) -> Result<VlanId, Invalid> {
    let refused = || Invalid::new(format_args!("0 (untagged) to {}", VlanId::MAX), value);
    u16::try_from(value).ok().and_then(VlanId::new).ok_or_else(refused)
}

/// Parses the address of one station.
pub fn station(text: &str) -> Result<MacAddr, Invalid> {
    let mac: MacAddr = text
        .parse()
        .map_err(|_| Invalid::new("six hexadecimal bytes with colons between, like 02:00:5e:00:00:01", Quoted(text)))?;
    let kind = match mac {
        mac if mac.is_station() => return Ok(mac),
        MacAddr::BROADCAST => "broadcast ",
        mac if mac.is_group() => "multicast ",
        _ => "",
    };
    Err(Invalid::new("the address of one station", format_args!("{kind}{mac}")))
}

/// Parses an address at which a tunnel can start or end.
pub fn tunnel_end(text: &str) -> Result<IpAddr, Invalid> {
    let ip: IpAddr = text.parse().map_err(|_| Invalid::new("an IPv4 or IPv6 address", Quoted(text)))?;
    let kind = match ip {
        IpAddr::V4(ip) if ip.is_broadcast() => "the broadcast",
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => "an IPv4-mapped",
        // Without an interface it names no station (RFC 4007 section 6), and a tunnel does not name one.
        IpAddr::V6(ip) if ip.is_unicast_link_local() => "a link-local",
        ip if ip.is_unspecified() => "the unspecified",
        ip if ip.is_loopback() => "a loopback",
        ip if ip.is_multicast() => "a multicast",
        ip => return Ok(ip),
    };
    Err(Invalid::new("a unicast address of the underlay", format_args!("{kind} address {ip}")))
}

/// Checks a name that the kernel accepts for an interface (`dev_valid_name()` in `net/core/dev.c`).
pub fn interface_name(name: &str) -> Result<String, Invalid> {
    let bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > MAX_INTERFACE_NAME {
        Err(Invalid::new(format_args!("an interface's name, 1 to {MAX_INTERFACE_NAME} bytes"), Quoted(name)))
    } else if name == "." || name == ".." || name.contains(bad) {
        Err(Invalid::new("an interface's name, without slash, colon or space", Quoted(name)))
    } else {
        Ok(name.to_owned())
    }
}

/// Checks the name of a logical switch.
pub fn switch_name(name: &str) -> Result<String, Invalid> {
    let length = name.chars().count();
    if length == 0 || length > MAX_SWITCH_NAME {
        Err(Invalid::new(format_args!("1 to {MAX_SWITCH_NAME} characters"), length))
    } else if name.contains(char::is_control) {
        Err(Invalid::new("printable characters", Quoted(name)))
    } else {
        Ok(name.to_owned())
    }
}

/// Checks a name or an address that a certificate can be for.
pub(crate) fn certificate_name(name: &str) -> Result<String, Invalid> {
    match rustls::pki_types::ServerName::try_from(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err(Invalid::new("a DNS name or an address", Quoted(name))),
    }
}

/// Parses the attach mode of programs.
pub fn mode(text: &str) -> Result<Mode, Invalid> {
    match text {
        "auto" => Ok(Mode::Auto),
        "xdp" => Ok(Mode::Xdp),
        "tc" => Ok(Mode::Tc),
        other => Err(Invalid::new(r#""auto", "xdp" or "tc""#, Quoted(other))),
    }
}

/// Checks the name of a group, by the rules of useradd(8) except length and case, which differ between systems.
pub(crate) fn group_name(text: &str) -> Result<String, Invalid> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let named = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if named && text.len() <= 255 && text.chars().all(fine) {
        Ok(text.to_owned())
    } else {
        Err(Invalid::new("the name of a group", Quoted(text)))
    }
}

/// Checks an absolute path without `..`.
pub fn directory(text: &str) -> Result<PathBuf, Invalid> {
    let path = Path::new(text);
    let straight = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if path.is_absolute() && straight && path != "/" && !text.contains(char::is_control) {
        // Rebuilt from its components, so that two spellings of one path are equal.
        Ok(path.components().collect())
    } else {
        Err(Invalid::new(r#"an absolute path without "..""#, Quoted(text)))
    }
}

/// Checks a directory for pins: below the mount point of the BPF file system, which refuses names with a dot
/// (`bpf_lookup()` in `kernel/bpf/inode.c`).
pub(crate) fn pin_directory(text: &str) -> Result<PathBuf, Invalid> {
    let path = directory(text)?;
    let below = format_args!("a directory below {BPF_FS}");
    match path.strip_prefix(BPF_FS) {
        Ok(rest) if rest == "" => Err(Invalid::new(below, "that directory itself")),
        Ok(_) if text.contains('.') => {
            Err(Invalid::new("a path without a dot, which the BPF file system refuses", Quoted(text)))
        }
        Ok(_) => Ok(path),
        Err(_) => Err(Invalid::new(below, Quoted(text))),
    }
}

/// Parses `/path/to/file` or `credential:NAME`.
pub(crate) fn key_file(text: &str) -> Result<KeyFile, Invalid> {
    let Some(name) = text.strip_prefix(SCHEME) else { return directory(text).map(KeyFile::Path) };
    // credential_name_valid() in src/shared/creds-util.c: a file name that can stand in a unit's setting.
    let fine = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':');
    let length = 1..=MAX_CREDENTIAL_NAME;
    if length.contains(&name.len()) && !matches!(name, "." | "..") && name.chars().all(fine) {
        Ok(KeyFile::Credential(name.to_owned()))
    } else {
        Err(Invalid::new(format_args!("the name of a credential after {SCHEME}"), Quoted(name)))
    }
}
