//! Registering: an account, its name, its first sign-in and the end of its invitation in one
//! transaction.

use cluster_store::{AsStoreError as _, MaybeCommitted, StoreError, Transaction};
use cluster_types::{AccountId, Day, PeerAddr};
use services_vault::{Sealer, Vault};

use super::Accounts;
use super::sign_in::{Device, SignedIn};
use crate::error::RegisterError;
use crate::password::NewPassword;
use crate::secret::{Digest, InvitationSecret};
use crate::state::{self, Invitation, Profile, Role, is_over};
use crate::store::{self, StoredAccount};
use crate::text::{DisplayName, UserName};

/// Somebody wants an account.
#[derive(Debug)]
pub(crate) struct Register {
    pub(crate) user_name: UserName,
    pub(crate) display_name: DisplayName,
    pub(crate) password: NewPassword,
    pub(crate) invitation: Option<InvitationSecret>,
    pub(crate) device: Device,
}

impl Accounts {
    pub(crate) async fn register(
        &self,
        command: Register,
        peer: Option<PeerAddr>,
    ) -> Result<SignedIn, RegisterError> {
        let invitation = command.invitation.as_ref().map(InvitationSecret::digest);
        if invitation.is_none() && !self.inner.options.self_registration {
            return Err(RegisterError::InvitationRequired);
        }
        let attempt = self.admit(None, peer)?;
        let today = self.inner.clock.today();
        let folded = command.user_name.folded().to_owned();
        // What is in vain should not cost a hash. The transaction looks again.
        let vault = &self.inner.vault;
        let precheck = async |tx: Transaction| check(&tx, vault, invitation, &folded, today).await;
        self.inner.store.read(precheck).await?;

        let password = command.password.password().clone();
        let hashed = self.inner.pool.hash(password, self.inner.rng.bytes()).await;
        let password_hash = match hashed {
            Ok(hash) => hash,
            Err(error) => return Err(self.gave_up(attempt, error).into()),
        };
        let (sign_in, token) = self.new_sign_in(&command.device);
        let profile = Profile {
            account: AccountId::random(&self.inner.rng),
            user_name: command.user_name.as_str().to_owned(),
            display_name: command.display_name.into_string(),
            role: Role::Member,
            suspended: false,
        };
        let sealer = store::sealer(vault, profile.account).await?;
        let registration = Registration {
            account: StoredAccount::new(vault, &sealer, &profile, &password_hash, today)?,
            profile,
            sealer,
            folded,
            invitation,
            sign_in,
            device_label: command.device.label.into_string(),
        };
        let written = &registration;
        let write = |tx, earlier| async move { written.write(&tx, vault, earlier).await };
        let written = self.inner.store.run(write).await;
        let profile = self.keep_key_of(registration.account.id(), written).await?;
        if invitation.is_some() {
            self.inner.limiter.succeeded(attempt);
        }
        Ok(SignedIn {
            profile,
            sign_in: registration.sign_in,
            device_label: registration.device_label,
            token,
        })
    }

    /// Destroys the key of a new account again if that certainly was not made: whoever is refused must not leave
    /// anything behind. Returns what came of it.
    async fn keep_key_of(
        &self,
        new: AccountId,
        written: Result<Profile, RegisterError>,
    ) -> Result<Profile, RegisterError> {
        let is_refused = written.as_ref().is_err_and(|error| {
            let failure = error.as_store_error();
            !failure.is_some_and(StoreError::maybe_committed)
        });
        if is_refused && let Err(error) = self.inner.vault.destroy_account(new).await {
            tracing::warn!(account = %new, %error, "the key of an account that was not made is left");
        }
        written
    }
}

/// All that one registration writes. Its ids are drawn before the first try, so that a later one
/// recognises what an earlier one has written.
struct Registration {
    profile: Profile,
    account: StoredAccount,
    /// The account's own.
    sealer: Sealer,
    folded: String,
    invitation: Option<Digest>,
    sign_in: state::SignIn,
    device_label: String,
}

impl Registration {
    async fn write(
        &self,
        tx: &Transaction,
        vault: &Vault,
        earlier: MaybeCommitted,
    ) -> Result<Profile, RegisterError> {
        let id = self.profile.account;
        let mut profile = self.profile.clone();
        if earlier.is_yes()
            && let Some(mine) = store::account(tx, id).await?
        {
            profile.role = mine.role();
            return Ok(profile);
        }
        let today = self.account.created();
        let used = check(tx, vault, self.invitation, &self.folded, today).await?;
        let mut account = self.account.clone();
        if let Some(used) = used {
            profile.role = used.role;
            account.set_role(used.role);
            store::clear_invitation(tx, &used)?;
        }
        store::set_account(tx, &account)?;
        store::set_name(tx, vault, &self.folded, id)?;
        store::set_sign_in(tx, &self.sealer, id, &self.sign_in, &self.device_label)?;
        Ok(profile)
    }
}

/// The invitation first: without a good one, nobody learns which names are taken.
async fn check(
    tx: &Transaction,
    vault: &Vault,
    invitation: Option<Digest>,
    folded: &str,
    today: Day,
) -> Result<Option<Invitation>, RegisterError> {
    let invitation = match invitation {
        Some(secret) => {
            let found = store::invitation_of_secret(tx, vault, secret).await?;
            let good = found.filter(|invitation| !is_over(invitation.expiry, today));
            Some(good.ok_or(RegisterError::InvitationNotFound)?)
        }
        None => None,
    };
    match store::account_of_name(tx, vault, folded).await? {
        Some(_) => Err(RegisterError::UserNameTaken),
        None => Ok(invitation),
    }
}
