//! From the header of a call to its caller.
//!
//! Invariant: a token goes to [`Authenticate`] and nowhere else; no error holds any of it.

use cluster_types::Caller;
use http::HeaderValue;

use super::refusal::Refusal;
use crate::authenticate::Authenticate;
use crate::limits::TOKEN_BYTES_MAX;

/// The scheme of our tokens, in any case.
const SCHEME: &str = "bearer";

/// The caller that the header `authorization` of a call names.
pub(super) async fn caller(
    authenticate: &dyn Authenticate,
    authorization: Option<&HeaderValue>,
) -> Result<Caller, Refusal> {
    let header = authorization.ok_or(Refusal::TokenRequired)?;
    let token = token(header).ok_or(Refusal::TokenMalformed)?;
    let caller = authenticate.authenticate(token).await;
    caller.map_err(Refusal::NotAuthenticated)
}

fn token(header: &HeaderValue) -> Option<&str> {
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    let is_token = scheme.eq_ignore_ascii_case(SCHEME)
        && !token.is_empty()
        && token.len() <= TOKEN_BYTES_MAX
        && token.bytes().all(|b| b.is_ascii_graphic());
    is_token.then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let header = HeaderValue::from_bytes(text.as_bytes()).expect("a header");
        token(&header).map(str::to_owned)
    }

    #[test]
    fn a_token_follows_its_scheme() {
        assert_eq!(read("Bearer rk_s_abc").as_deref(), Some("rk_s_abc"));
        assert_eq!(read("bearer rk_s_abc").as_deref(), Some("rk_s_abc"));
    }

    #[test]
    fn what_is_no_token_is_not_looked_up() {
        for text in [
            "",
            "Bearer",
            "Bearer ",
            "Basic abc",
            "Bearer a b",
            "Bearer  a",
            "rk_s_abc",
            "Bearer ä",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(
            read(&format!("Bearer {}", "a".repeat(TOKEN_BYTES_MAX + 1))),
            None
        );
    }
}
