//! [`Accounts`]: the handle through which everything about accounts is asked and done.
//!
//! Each file below holds one group of operations. What they share is here: what the handle is made
//! of, and how a change is carried to its end even if its caller leaves in the middle.

mod administer;
mod authenticate;
mod following;
mod invite;
mod password;
mod profile;
mod register;
mod sign_in;
mod sign_ins;
mod upgrade;
mod upkeep;

use std::fmt;
use std::sync::{Arc, OnceLock};

use cluster_runtime::{TaskKind, Tasks};
use cluster_store::{AsStoreError, Store, StoreError};
use cluster_types::{Clock, PeerAddr, Rng};
use services_vault::Vault;
use tokio::sync::oneshot;

use crate::callers::Callers;
use crate::ended::{SignInEnded, Touched};
use crate::error::TryError;
use crate::hashing::pool::{HashPool, PoolError};
use crate::hashing::{HashError, PasswordHasher};
use crate::limiter::{Attempt, Limiter, Tried};
use crate::options::Options;
use crate::password::Password;
use crate::secret::Token;
use crate::store::StoredAccount;

pub(crate) use administer::require_administrator;
use following::Following;
pub(crate) use invite::NewInvitation;
pub(crate) use password::ChangePassword;
pub(crate) use register::Register;
pub(crate) use sign_in::{Device, SignIn, SignedIn};
pub use upkeep::Removed;

/// What the service works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// Seals what is personal of it. The vault of that store.
    pub vault: Vault,
    /// Tells the day.
    pub clock: Arc<dyn Clock>,
    /// Makes ids, tokens, salts and the limiter's key.
    pub rng: Rng,
    /// Runs what has to be finished.
    pub tasks: Tasks,
    /// Hashes passwords.
    pub hasher: Arc<dyn PasswordHasher>,
}

/// The accounts of a server. A cheap handle; clones share everything.
#[derive(Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    vault: Vault,
    clock: Arc<dyn Clock>,
    rng: Rng,
    tasks: Tasks,
    options: Options,
    pool: HashPool,
    limiter: Limiter,
    callers: Callers,
    /// Whose password is checked where a user name is unknown: nobody knows it, and nothing of it is
    /// stored.
    nobody: StoredAccount,
    ended: OnceLock<Arc<dyn SignInEnded>>,
    /// Once other nodes share the store.
    following: OnceLock<Following>,
}

/// There is one [`SignInEnded`] already.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("somebody is told of ended sign-ins already")]
pub struct HookTaken;

impl Accounts {
    /// Starts the service. Hashes once: the password for unknown user names.
    ///
    /// # Errors
    /// If the machine cannot hash.
    pub async fn start(parts: Parts, options: Options) -> Result<Self, HashError> {
        let pool = HashPool::new(parts.hasher, options.hashes_at_once);
        let failed = |why: &dyn fmt::Display| HashError::Failed(why.to_string());
        let unknowable = Password::parse(Token::random(&parts.rng).reveal());
        let unknowable = unknowable.map_err(|not| failed(&not))?;
        let unknowable = match pool.hash(unknowable, parts.rng.bytes()).await {
            Ok(hash) => hash,
            Err(PoolError::Hash(error)) => return Err(error),
            Err(busy @ PoolError::Busy { .. }) => return Err(failed(&busy)),
        };
        let nobody = StoredAccount::nobody(&parts.vault, &unknowable);
        let nobody = nobody.map_err(|error| failed(&error))?;
        let inner = Inner {
            limiter: Limiter::new(&parts.rng, options.peer_limit),
            store: parts.store,
            vault: parts.vault,
            clock: parts.clock,
            rng: parts.rng,
            tasks: parts.tasks,
            options,
            pool,
            callers: Callers::new(),
            nobody,
            ended: OnceLock::new(),
            following: OnceLock::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Names who is told of each ended sign-in. Once, while the server is put together: before that,
    /// nobody is told.
    ///
    /// # Errors
    /// If somebody has been named already.
    pub fn on_sign_in_ended(&self, hook: Arc<dyn SignInEnded>) -> Result<(), HookTaken> {
        self.inner.ended.set(hook).map_err(|_| HookTaken)
    }

    /// What was chosen when the service was started.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// For what a change does to sign-ins.
    fn touched(&self) -> Touched {
        Touched::new(self.inner.following.get().is_some())
    }

    /// Runs a change that may end sign-ins to its end, and lets everybody know: also when the caller
    /// leaves in the middle, since a stream must not outlive its sign-in because a phone lost its
    /// network while signing out.
    async fn to_the_end<T, E>(
        &self,
        name: &'static str,
        touched: Touched,
        change: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: AsStoreError + From<StoreError> + Send + 'static,
    {
        let (reply, outcome) = oneshot::channel();
        let inner = Arc::clone(&self.inner);
        self.inner
            .tasks
            .spawn(TaskKind::Completion, name, async move {
                let outcome = change.await;
                let failure = outcome.as_ref().err().and_then(E::as_store_error);
                touched
                    .settle(failure, &inner.callers, inner.ended.get())
                    .await;
                let _caller_may_have_left = reply.send(outcome);
            });
        // Only a panic drops the reply, and what it had done by then is unknown.
        outcome
            .await
            .unwrap_or_else(|_| Err(StoreError::CommitUnknown.into()))
    }

    fn admit(&self, name: Option<&str>, peer: Option<PeerAddr>) -> Result<Attempt, TryError> {
        Ok(self.inner.limiter.admit(Tried { name, peer })?)
    }

    /// Checks a password: exactly one hash, whatever `stored` is.
    async fn verify(
        &self,
        attempt: Attempt,
        password: Password,
        stored: String,
    ) -> Result<(bool, Attempt), TryError> {
        match self.inner.pool.verify(password, stored).await {
            Ok(right) => Ok((right, attempt)),
            Err(error) => Err(self.gave_up(attempt, error)),
        }
    }

    /// A full pool has tried nothing; a failed hash has.
    fn gave_up(&self, attempt: Attempt, error: PoolError) -> TryError {
        if matches!(error, PoolError::Busy { .. }) {
            self.inner.limiter.not_tried(attempt);
        }
        error.into()
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("options", &self.inner.options)
            .field("limiter", &self.inner.limiter)
            .field("pool", &self.inner.pool)
            .finish_non_exhaustive()
    }
}
