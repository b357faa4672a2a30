//! [`Authenticate`]: who a token belongs to. Declared here, implemented by whoever keeps the tokens.

use async_trait::async_trait;
use cluster_types::{Caller, Coded};

/// Why a token is not taken, in terms that reach the client.
pub type AuthenticateError = Box<dyn Coded + Send + Sync>;

/// Finds the caller of a token. Asked with every call, so it has to be fast for a token that was seen
/// before, and to forget one the moment it is revoked.
#[async_trait]
pub trait Authenticate: Send + Sync + 'static {
    /// The caller that `token` belongs to. `token` is a secret: it must not be logged.
    ///
    /// # Errors
    /// [`Unauthenticated`](cluster_types::ErrorCode::Unauthenticated) for a token that is unknown,
    /// expired or revoked; other codes if that cannot be found out now.
    async fn authenticate(&self, token: &str) -> Result<Caller, AuthenticateError>;
}
