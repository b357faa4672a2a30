//! What one service needs of another, where neither knows the other.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cluster_store::StoreError;
use cluster_types::{AccountId, Caller, SignInId};
use services_accounts::{Accounts, FindError, SignInEnded};
use services_files::Transfers;
use services_gateway::{AccountRates, Authenticate, AuthenticateError};
use services_rooms::People;
use services_sessions::{Hub, Pace, SignIns};

mod files;

pub(crate) use files::{Carried, Members};

/// Accounts, as the gateway and the other services need them.
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

/// What an account asks on its streams, counted with its calls.
#[derive(Debug)]
pub(crate) struct AsCalls(pub(crate) AccountRates);

impl Pace for AsCalls {
    fn take(&self, caller: &Caller, calls: u32) -> Result<(), Duration> {
        let counted = self.0.count_many(caller.account, calls);
        counted.map_err(|too_fast| too_fast.retry_after)
    }
}

impl services_files::Pace for AsCalls {
    fn take(&self, caller: &Caller) -> Result<(), Duration> {
        Pace::take(self, caller, 1)
    }
}

/// Ends the streams of a sign-in with it.
pub(crate) struct EndStreams {
    hub: Hub,
    transfers: Transfers,
}

impl SignInEnded for EndStreams {
    fn sign_in_ended(&self, account: AccountId, sign_in: SignInId) {
        self.hub.sign_in_ended(account, sign_in);
        self.transfers.sign_in_ended(account, sign_in);
    }
}

impl EndStreams {
    pub(crate) fn hook(hub: &Hub, transfers: &Transfers) -> Arc<dyn SignInEnded> {
        Arc::new(Self {
            hub: hub.clone(),
            transfers: transfers.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use cluster_runtime::Tasks;
    use cluster_store::{Faults, Simulated, SimulatedDisk, Store};
    use cluster_types::{DeploymentId, ManualClock, Rng, UnixMillis};
    use services_accounts::{Argon2id, HashCost, Options, Parts};
    use services_gateway::{CallLimits, Rate};
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

    #[tokio::test(start_paused = true)]
    async fn a_stream_and_its_account_share_one_rate() {
        let limits = CallLimits {
            account_rate: Rate {
                per_second: 10,
                burst: 3,
            },
            ..CallLimits::default()
        };
        let rates = AccountRates::new(&limits);
        let (pace, caller) = (AsCalls(rates.clone()), somebody(&Rng::seeded(1)));
        assert_eq!(rates.count(caller.account), Ok(()));
        let too_fast = Err(Duration::from_millis(100));
        assert_eq!(Pace::take(&pace, &caller, 3), too_fast);
        assert_eq!(Pace::take(&pace, &caller, 2), Ok(()));
        assert_eq!(services_files::Pace::take(&pace, &caller), too_fast);
        assert!(rates.count(caller.account).is_err());
    }
}
