//! Chance: ids of messages, and jitter.
//!
//! Left out: chance that a test wants to decide. What depends on it takes a number as an argument.

use aws_lc_rs::rand;

/// Random bytes from the operating system's generator.
fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the generator is seeded before main and does not run dry");
    bytes
}

/// 64 bits of chance.
pub(crate) fn number() -> u64 {
    u64::from_le_bytes(bytes())
}

/// A new id for a message or a request: a random UUID (version 4), 36 characters.
///
/// Keep it together with what it was sent with: the same id on a retry is what makes a retry safe.
pub fn new_request_id() -> String {
    let mut bytes: [u8; 16] = bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_random_uuid() {
        let id = new_request_id();
        assert_eq!(id.len(), 36);
        let dashes: Vec<_> = id.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!(dashes, [8, 13, 18, 23]);
        assert_eq!(&id[14..15], "4", "{id}");
        assert!("89ab".contains(&id[19..20]), "{id}");
        assert_ne!(id, new_request_id());
    }
}
