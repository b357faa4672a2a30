//! Signing in: one hash for whoever tries, whether or not the user name exists.

use cluster_store::{MaybeCommitted, StoreError, Transaction};
use cluster_types::{PeerAddr, SignInId};

use super::Accounts;
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
    pub(crate) device_label: String,
    pub(crate) token: Token,
}

/// What a password is checked against.
struct Credentials {
    /// Whether somebody has the name.
    known: bool,
    account: StoredAccount,
    password_hash: String,
}

impl Accounts {
    pub(crate) async fn sign_in(
        &self,
        command: SignIn,
        peer: Option<PeerAddr>,
    ) -> Result<SignedIn, SignInError> {
        let attempt = self.admit(Some(command.user_name.folded()), peer)?;
        let found = match self.credentials(&command.user_name).await {
            Ok(found) => found,
            Err(error) => {
                self.inner.limiter.not_tried(attempt);
                return Err(error.into());
            }
        };
        let (password, hash) = (command.password.clone(), found.password_hash.clone());
        let (right, attempt) = self.verify(attempt, password, hash).await?;
        if !(found.known && right) {
            return Err(SignInError::Refused);
        }
        self.inner.limiter.succeeded(attempt);
        if found.account.is_suspended() {
            return Err(SignInError::Suspended);
        }
        let rehashed = self.rehashed(&found, command.password).await;
        self.open_sign_in(found, rehashed, command.device).await
    }

    /// A sign-in that exists nowhere yet, with its token.
    pub(super) fn new_sign_in(&self, device: &Device) -> (state::SignIn, Token) {
        let token = Token::random(&self.inner.rng);
        let sign_in = state::SignIn {
            id: SignInId::random(&self.inner.rng),
            token: token.digest(),
            expiry: token_expiry(device.keep_signed_in, self.inner.clock.today()),
            kept: device.keep_signed_in,
        };
        (sign_in, token)
    }

    /// The account with this name, or nobody's. Reads and opens as much for a name that nobody has.
    async fn credentials(&self, name: &UserName) -> Result<Credentials, StoreError> {
        let (vault, nobody) = (&self.inner.vault, &self.inner.nobody);
        let read = async |tx: Transaction| {
            let id = store::account_of_name(&tx, vault, name.folded()).await?;
            let stored = store::account(&tx, id.unwrap_or_else(|| nobody.id())).await?;
            let known = id.is_some() && stored.is_some();
            let account = stored.filter(|_| known).unwrap_or_else(|| nobody.clone());
            let password_hash = account.password_hash(vault)?;
            Ok(Credentials {
                known,
                account,
                password_hash,
            })
        };
        self.inner.store.read(read).await
    }

    /// A hash made as hashes are made today, if the stored one was made with less. A busy pool or a
    /// failure here stops nobody: the next sign-in will do it.
    async fn rehashed(&self, found: &Credentials, password: Password) -> Option<String> {
        if !self.inner.pool.is_outdated(&found.password_hash) {
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
        verified: Credentials,
        rehashed: Option<String>,
        device: Device,
    ) -> Result<SignedIn, SignInError> {
        let touched = self.touched();
        let (inner, ending) = (self.inner.clone(), touched.clone());
        let today = self.inner.clock.today();
        let id = verified.account.id();
        let sealer = store::sealer(&self.inner.vault, id).await?;
        let (sign_in, token) = self.new_sign_in(&device);
        let device_label = device.label.into_string();
        let change = async move {
            let write = async |tx: Transaction, earlier: MaybeCommitted| {
                ending.begin(earlier);
                let account = store::account(&tx, id).await?;
                let mut account = account.ok_or(SignInError::Refused)?;
                let stored = account.password_hash(&inner.vault)?;
                if stored != verified.password_hash && rehashed.as_ref() != Some(&stored) {
                    return Err(SignInError::Refused);
                }
                if account.is_suspended() {
                    return Err(SignInError::Suspended);
                }
                if let Some(rehashed) = &rehashed {
                    account.set_password_hash(&inner.vault, rehashed)?;
                    store::set_account(&tx, &account)?;
                }
                let profile = account.profile(Some(&sealer))?;
                let profile = profile.ok_or(SignInError::Refused)?;
                let mut others = store::sign_ins(&tx, id).await?;
                others.retain(|other| other.id != sign_in.id);
                for gone in displaced(others, today) {
                    store::clear_sign_in(&tx, id, &gone)?;
                    ending.ended(id, &gone);
                }
                store::set_sign_in(&tx, &sealer, id, &sign_in, &device_label)?;
                ending.leave_word(&tx).await?;
                Ok(profile)
            };
            let profile = inner.store.run(write).await?;
            Ok(SignedIn {
                profile,
                sign_in,
                device_label,
                token,
            })
        };
        self.to_the_end("sign in", touched, change).await
    }
}
