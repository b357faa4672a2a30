//! What the edge and the services of a node need of each other.

use std::time::Duration;

use async_trait::async_trait;
use cluster_types::Caller;
use services_accounts::Accounts;
use services_gateway::{AccountRates, Authenticate, AuthenticateError};
use services_sessions::Pace;

/// Accounts, as the gateway needs them.
#[derive(Clone)]
pub(crate) struct ByToken(pub(crate) Accounts);

impl std::fmt::Debug for ByToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ByToken")
    }
}

#[async_trait]
impl Authenticate for ByToken {
    async fn authenticate(&self, token: &str) -> Result<Caller, AuthenticateError> {
        let found = self.0.authenticate(token).await;
        found.map_err(|error| Box::new(error) as AuthenticateError)
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

#[cfg(test)]
mod tests {
    use cluster_types::{AccountId, Rng, SignInId};
    use services_gateway::{CallLimits, Rate};

    use super::*;

    fn somebody(rng: &Rng) -> Caller {
        Caller {
            account: AccountId::random(rng),
            sign_in: SignInId::random(rng),
            administrator: false,
        }
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
