//! What one service needs of another, where neither knows the other.

use std::sync::Arc;

use async_trait::async_trait;
use cluster_store::StoreError;
use cluster_types::{AccountId, Caller, SignInId};
use services_accounts::{Accounts, FindError, SignInEnded};
use services_gateway::{Authenticate, AuthenticateError};
use services_rooms::People;
use services_sessions::{Hub, SignIns};

/// Accounts, as the gateway, rooms and sessions need them.
#[derive(Clone)]
pub(crate) struct Known(pub(crate) Accounts);

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}

#[async_trait]
impl Authenticate for Known {
    async fn authenticate(&self, token: &str) -> Result<Caller, AuthenticateError> {
        let found = self.0.authenticate(token).await;
        found.map_err(|error| Box::new(error) as AuthenticateError)
    }
}

#[async_trait]
impl People for Known {
    async fn exists(&self, account: AccountId) -> Result<bool, StoreError> {
        match self.0.exists(account).await {
            Ok(exists) => Ok(exists),
            Err(FindError::Store(error)) => Err(error),
            // It is not to be found.
            Err(_) => Ok(false),
        }
    }
}

#[async_trait]
impl SignIns for Known {
    async fn is_current(&self, caller: &Caller) -> bool {
        self.0.check_signed_in(*caller).await.is_ok()
    }
}

/// Ends the streams of a sign-in with it.
pub(crate) struct EndStreams(pub(crate) Hub);

impl SignInEnded for EndStreams {
    fn sign_in_ended(&self, account: AccountId, sign_in: SignInId) {
        self.0.sign_in_ended(account, sign_in);
    }
}

impl EndStreams {
    pub(crate) fn hook(hub: Hub) -> Arc<dyn SignInEnded> {
        Arc::new(Self(hub))
    }
}
