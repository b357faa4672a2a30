//! [`Known`]: accounts, as rooms, files and sessions need them; and what goes with a sign-in that ends.

use async_trait::async_trait;
use cluster_store::StoreError;
use cluster_types::{AccountId, Caller, SignInId};
use services_accounts::{Accounts, FindError, SignInEnded};
use services_files::Transfers;
use services_rooms::People;
use services_sessions::{Hub, SignIns};

use crate::cluster::Others;

/// Accounts, as the other services need them.
#[derive(Clone)]
pub struct Known(pub Accounts);

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}

#[async_trait]
impl People for Known {
    async fn exists(&self, account: AccountId) -> Result<bool, StoreError> {
        self.has(account).await
    }
}

#[async_trait]
impl services_files::People for Known {
    async fn exists(&self, account: AccountId) -> Result<bool, StoreError> {
        self.has(account).await
    }
}

impl Known {
    async fn has(&self, account: AccountId) -> Result<bool, StoreError> {
        match self.0.exists(account).await {
            Ok(exists) => Ok(exists),
            Err(FindError::Store(error)) => Err(error),
            Err(FindError::NotFound(_)) => Ok(false),
            // Whatever else there will be: it does not say that the account is gone.
            Err(_) => Err(StoreError::Unavailable),
        }
    }
}

#[async_trait]
impl SignIns for Known {
    async fn is_current(&self, caller: &Caller) -> Result<bool, StoreError> {
        self.is_signed_in(caller).await
    }
}

#[async_trait]
impl services_files::SignIns for Known {
    async fn is_current(&self, caller: &Caller) -> Result<bool, StoreError> {
        self.is_signed_in(caller).await
    }
}

impl Known {
    async fn is_signed_in(&self, caller: &Caller) -> Result<bool, StoreError> {
        match self.0.check_signed_in(*caller).await {
            Ok(()) => Ok(true),
            Err(services_accounts::AuthenticateError::Store(error)) => Err(error),
            Err(services_accounts::AuthenticateError::Refused) => Ok(false),
            Err(_) => Err(StoreError::Unavailable),
        }
    }
}

/// Ends the streams of a sign-in with it.
#[derive(Debug)]
pub(crate) struct EndStreams {
    pub(crate) hub: Hub,
    pub(crate) transfers: Transfers,
    pub(crate) others: Others,
}

#[async_trait]
impl SignInEnded for EndStreams {
    fn sign_in_ended(&self, account: AccountId, sign_in: SignInId) {
        self.hub.sign_in_ended(account, sign_in);
        self.transfers.sign_in_ended(account, sign_in);
    }

    fn any_may_have_ended(&self) {
        self.hub.any_sign_in_may_have_ended();
        self.transfers.any_sign_in_may_have_ended();
    }

    async fn tell_other_nodes(&self) {
        self.others.look_at_sign_ins().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cluster_runtime::Tasks;
    use cluster_store::{Faults, Simulated, SimulatedDisk, Store};
    use cluster_types::{DeploymentId, ManualClock, Rng, UnixMillis};
    use services_accounts::{Argon2id, HashCost, Options, Parts};
    use services_vault::{KeySource, Vault};

    use super::*;

    fn somebody(rng: &Rng) -> Caller {
        Caller {
            account: AccountId::random(rng),
            sign_in: SignInId::random(rng),
            administrator: false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_does_not_say_that_a_sign_in_has_ended() {
        let (rng, disk) = (Rng::seeded(1), SimulatedDisk::new());
        let store = Store::new(Simulated::new(disk.clone(), rng.fork()));
        let vault = Vault::open(services_vault::Parts {
            store: store.clone(),
            deployment: DeploymentId::from_bytes([1; 16]),
            source: KeySource::Unsealed,
            rng: rng.fork(),
        });
        let parts = Parts {
            store,
            vault: vault.await.expect("opens"),
            clock: Arc::new(ManualClock::at(UnixMillis(1_000_000_000))),
            rng: rng.fork(),
            tasks: Tasks::new(),
            hasher: Arc::new(Argon2id::new(HashCost::LEAST).expect("a hasher")),
        };
        let accounts = Accounts::start(parts, Options::default()).await;
        let (known, caller) = (Known(accounts.expect("accounts")), somebody(&rng));
        assert_eq!(known.is_signed_in(&caller).await, Ok(false));
        disk.set_faults(Faults {
            unavailable: 1_000_000,
            ..Faults::NONE
        });
        let unread = known.is_signed_in(&caller).await;
        assert!(unread.is_err(), "{unread:?}");
    }
}
