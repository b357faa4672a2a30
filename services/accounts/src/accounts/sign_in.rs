//! Signing in: one hash for whoever tries, whether or not the user name exists.

use cluster_store::{MaybeCommitted, StoreError, Transaction};
use cluster_types::{AccountId, PeerAddr, SignInId};

use super::Accounts;
use crate::ended::Touched;
use crate::error::SignInError;
use crate::password::Password;
use crate::secret::Token;
use crate::state::{self, Profile, displaced, token_expiry};
use crate::store::{self, StoredAccount};
use crate::text::{DeviceLabel, UserName};

/// Somebody wants to sign in.
#[derive(Debug)]
pub(crate) struct SignIn {
    pub(crate) user_name: UserName,
    pub(crate) password: Password,
    pub(crate) device: Device,
}

/// Where somebody signs in, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) label: DeviceLabel,
    pub(crate) keep_signed_in: bool,
}

/// Somebody is signed in.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) profile: Profile,
    pub(crate) sign_in: state::SignIn,
    pub(crate) token: Token,
}

impl Accounts {
    pub(crate) async fn sign_in(
        &self,
        command: SignIn,
        peer: Option<PeerAddr>,
    ) -> Result<SignedIn, SignInError> {
        let attempt = self.admit(Some(command.user_name.folded()), peer)?;
        let known = match self.credentials(&command.user_name).await {
            Ok(known) => known,
            Err(error) => {
                self.inner.limiter.not_tried(attempt);
                return Err(error.into());
            }
        };
        let stored = known
            .as_ref()
            .map_or(&self.inner.dummy_hash, |known| &known.password_hash);
        let (right, attempt) = self
            .verify(attempt, command.password.clone(), stored.clone())
            .await?;
        let Some(account) = known.filter(|_| right) else {
            return Err(SignInError::Refused);
        };
        self.inner.limiter.succeeded(attempt);
        if account.profile.suspended {
            return Err(SignInError::Suspended);
        }
        let rehashed = self.rehashed(&account, command.password).await;
        let (sign_in, token) = self.new_sign_in(command.device);
        self.open_sign_in(account, rehashed, sign_in, token).await
    }

    /// A sign-in that exists nowhere yet, with its token.
    pub(super) fn new_sign_in(&self, device: Device) -> (state::SignIn, Token) {
        let token = Token::random(&self.inner.rng);
        let sign_in = state::SignIn {
            id: SignInId::random(&self.inner.rng),
            token: token.digest(),
            device_label: device.label.into_string(),
            expiry: token_expiry(device.keep_signed_in, self.inner.clock.today()),
            kept: device.keep_signed_in,
        };
        (sign_in, token)
    }

    /// The account with this name. Reads as much for a name that nobody has.
    async fn credentials(&self, name: &UserName) -> Result<Option<StoredAccount>, StoreError> {
        let nobody = AccountId::from_bytes([0; 16]);
        let read = async |tx: Transaction| {
            let account = store::account_of_name(&tx, name.folded()).await?;
            store::account(&tx, account.unwrap_or(nobody)).await
        };
        self.inner.store.read(read).await
    }

    /// A hash made as hashes are made today, if the stored one was made with less. A busy pool or a
    /// failure here stops nobody: the next sign-in will do it.
    async fn rehashed(&self, account: &StoredAccount, password: Password) -> Option<String> {
        if !self.inner.pool.is_outdated(&account.password_hash) {
            return None;
        }
        self.inner
            .pool
            .hash(password, self.inner.rng.bytes())
            .await
            .ok()
    }

    async fn open_sign_in(
        &self,
        verified: StoredAccount,
        rehashed: Option<String>,
        sign_in: state::SignIn,
        token: Token,
    ) -> Result<SignedIn, SignInError> {
        let touched = Touched::default();
        let (inner, ending) = (self.inner.clone(), touched.clone());
        let today = self.inner.clock.today();
        let change = async move {
            let write = async |tx: Transaction, earlier: MaybeCommitted| {
                ending.begin(earlier);
                let id = verified.profile.account;
                let account = store::account(&tx, id).await?;
                let mut account = account.ok_or(SignInError::Refused)?;
                let unchanged = account.password_hash == verified.password_hash
                    || rehashed.as_ref() == Some(&account.password_hash);
                if !unchanged {
                    return Err(SignInError::Refused);
                }
                if account.profile.suspended {
                    return Err(SignInError::Suspended);
                }
                if let Some(rehashed) = &rehashed {
                    account.password_hash.clone_from(rehashed);
                    store::set_account(&tx, &account)?;
                }
                let mut others = store::sign_ins(&tx, id).await?;
                others.retain(|other| other.id != sign_in.id);
                for gone in displaced(others, today) {
                    store::clear_sign_in(&tx, id, &gone)?;
                    ending.ended(id, &gone);
                }
                store::set_sign_in(&tx, id, &sign_in)?;
                Ok(account.profile)
            };
            let profile = inner.store.run(write).await?;
            Ok(SignedIn {
                profile,
                sign_in,
                token,
            })
        };
        self.to_the_end("sign in", touched, change).await
    }
}
