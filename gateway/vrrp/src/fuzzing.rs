//! Entry point for the fuzz target of `gateway/fuzz`.

use super::{Advertisement, Envelope, GROUP_V6, TTL, unwrap_ipv4};

/// Parses a packet from a raw socket: with its header over IPv4, without over IPv6. A valid message must be emitted as
/// it was read.
pub fn packet(bytes: &[u8]) {
    if let Ok((envelope, message)) = unwrap_ipv4(bytes) {
        again(message, &Envelope { ttl: TTL, ..envelope });
    }
    again(bytes, &Envelope { from: [0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), to: GROUP_V6.into(), ttl: TTL });
}

fn again(message: &[u8], envelope: &Envelope) {
    if let Ok(read) = Advertisement::parse(message, envelope) {
        let emitted = read.emit(envelope.from, envelope.to);
        assert_eq!(Advertisement::parse(&emitted, envelope).expect("sound"), read);
    }
}
