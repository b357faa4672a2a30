//! Pages (AIP-158): sizes with a bound, and tokens that only the call which gave them takes back.
//!
//! A token is a cursor behind a short digest of the call and what it was asked about. The digest
//! catches a token of another call; it is no protection and needs none, because a call checks what
//! its caller may read at every page.

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;

use crate::InvalidRequest;

/// Bytes of the digest: a stray token passes once in 2^64.
const SCOPE_BYTES: usize = 8;

/// How many rows to return: what was asked for, `default` for 0, never more than `max`.
///
/// # Errors
/// If the number is negative.
pub fn size(asked: i32, default: usize, max: usize) -> Result<usize, InvalidRequest> {
    match usize::try_from(asked) {
        Ok(0) => Ok(default),
        Ok(size) => Ok(size.min(max)),
        Err(_) => Err(InvalidRequest::field("page_size", "must not be negative")),
    }
}

/// A token for the next page of `call` (a constant name), asked about `scope` (what must be the same
/// in the next request: a parent, a filter), which goes on at `cursor`.
pub fn token(call: &str, scope: &[u8], cursor: &[u8]) -> String {
    let mut bytes = scope_digest(call, scope).to_vec();
    bytes.extend_from_slice(cursor);
    BASE64URL_NOPAD.encode(&bytes)
}

/// The cursor in `token`; `None` for the first page, which has an empty token.
///
/// # Errors
/// If the token was not given by this call about this scope.
pub fn cursor(call: &str, scope: &[u8], token: &str) -> Result<Option<Vec<u8>>, InvalidRequest> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).unwrap_or_default();
    match bytes.split_first_chunk::<SCOPE_BYTES>() {
        Some((digest, cursor)) if *digest == scope_digest(call, scope) => Ok(Some(cursor.to_vec())),
        _ => Err(foreign()),
    }
}

/// The cursor in `token` as fixed bytes, such as an id.
///
/// # Errors
/// As [`cursor`], and if the cursor has another length.
pub fn fixed_cursor<const N: usize>(
    call: &str,
    scope: &[u8],
    token: &str,
) -> Result<Option<[u8; N]>, InvalidRequest> {
    let cursor = cursor(call, scope, token)?;
    cursor
        .map(|bytes| bytes.try_into().map_err(|_| foreign()))
        .transpose()
}

fn foreign() -> InvalidRequest {
    InvalidRequest::field(
        "page_token",
        "is not from the previous page of this very call: send it as it was given, with the other fields unchanged",
    )
}

fn scope_digest(call: &str, scope: &[u8]) -> [u8; SCOPE_BYTES] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(call.as_bytes());
    context.update(&[0]);
    context.update(scope);
    let full = context.finish();
    let mut short = [0; SCOPE_BYTES];
    short.copy_from_slice(&full.as_ref()[..SCOPE_BYTES]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_back_to_its_own_call_only() {
        let given = token("ListMembers", b"room", &[7; 16]);
        assert_eq!(
            fixed_cursor("ListMembers", b"room", &given),
            Ok(Some([7; 16]))
        );
        assert_eq!(cursor("ListMembers", b"room", ""), Ok(None));
        for (call, scope) in [("ListBans", &b"room"[..]), ("ListMembers", b"another room")] {
            assert!(cursor(call, scope, &given).is_err(), "{call}");
        }
        assert!(fixed_cursor::<4>("ListMembers", b"room", &given).is_err());
        assert!(cursor("ListMembers", b"room", "!!").is_err());
    }

    #[test]
    fn sizes_have_a_bound() {
        assert_eq!(size(0, 50, 200), Ok(50));
        assert_eq!(size(10, 50, 200), Ok(10));
        assert_eq!(size(i32::MAX, 50, 200), Ok(200));
        assert!(size(-1, 50, 200).is_err());
    }
}
