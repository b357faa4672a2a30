//! [`PeerAddr`]: the address of whoever connected, in a form that cannot reach a log or a store.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A peer's address. It has no `Display`, no serialisation, and a `Debug` that shows nothing; only a
/// limiter may look inside, and it keeps a keyed hash in memory at most.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct PeerAddr(IpAddr);

impl PeerAddr {
    /// Forgets the port: limits are per host.
    pub fn of(address: SocketAddr) -> Self {
        Self(address.ip().to_canonical())
    }

    /// The bytes to put into a keyed hash: all of an IPv4 address, the /64 of an IPv6 one, since a
    /// single host is usually handed at least that much.
    pub fn limiter_key(&self) -> [u8; 8] {
        let mut key = [0; 8];
        match self.0 {
            IpAddr::V4(v4) => key[4..].copy_from_slice(&v4.octets()),
            IpAddr::V6(v6) => key.copy_from_slice(&v6.octets()[..8]),
        }
        key
    }
}

impl fmt::Debug for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerAddr(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> PeerAddr {
        PeerAddr::of(text.parse().expect("an address"))
    }

    #[test]
    fn an_address_cannot_be_printed() {
        assert_eq!(format!("{:?}", peer("127.66.77.88:1234")), "PeerAddr(..)");
    }

    #[test]
    fn hosts_are_told_apart_and_ports_are_not() {
        assert_eq!(
            peer("127.0.0.1:1").limiter_key(),
            peer("127.0.0.1:2").limiter_key()
        );
        assert_eq!(
            peer("[::ffff:127.0.0.1]:1").limiter_key(),
            peer("127.0.0.1:2").limiter_key()
        );
        assert_ne!(
            peer("127.0.0.1:1").limiter_key(),
            peer("127.0.0.2:1").limiter_key()
        );
        assert_eq!(
            peer("[fd00::1]:1").limiter_key(),
            peer("[fd00::2]:1").limiter_key()
        );
    }
}
