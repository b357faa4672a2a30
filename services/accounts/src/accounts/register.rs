//! Registering: an account, its name, its first sign-in and the end of its invitation in one
//! transaction.

use cluster_store::{MaybeCommitted, Transaction};
use cluster_types::{AccountId, Day, PeerAddr};

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
        let precheck = async |tx: Transaction| check(&tx, invitation, &folded, today).await;
        self.inner.store.read(precheck).await?;

        let password = command.password.password().clone();
        let hashed = self.inner.pool.hash(password, self.inner.rng.bytes()).await;
        let password_hash = match hashed {
            Ok(hash) => hash,
            Err(error) => return Err(self.gave_up(attempt, error).into()),
        };
        let (sign_in, token) = self.new_sign_in(command.device);
        let account = StoredAccount {
            profile: Profile {
                account: AccountId::random(&self.inner.rng),
                user_name: command.user_name.as_str().to_owned(),
                display_name: command.display_name.into_string(),
                role: Role::Member,
                suspended: false,
            },
            password_hash,
            created: today,
        };
        let registration = Registration {
            account,
            folded,
            invitation,
            sign_in,
        };
        let written = &registration;
        let write = |tx, earlier| async move { written.write(&tx, earlier).await };
        let profile = self.inner.store.run(write).await?;
        if invitation.is_some() {
            self.inner.limiter.succeeded(attempt);
        }
        Ok(SignedIn {
            profile,
            sign_in: registration.sign_in,
            token,
        })
    }
}

/// All that one registration writes. Its ids are drawn before the first try, so that a later one
/// recognises what an earlier one has written.
struct Registration {
    account: StoredAccount,
    folded: String,
    invitation: Option<Digest>,
    sign_in: state::SignIn,
}

impl Registration {
    async fn write(
        &self,
        tx: &Transaction,
        earlier: MaybeCommitted,
    ) -> Result<Profile, RegisterError> {
        let id = self.account.profile.account;
        if earlier.is_yes()
            && let Some(mine) = store::account(tx, id).await?
        {
            return Ok(mine.profile);
        }
        let used = check(tx, self.invitation, &self.folded, self.account.created).await?;
        let mut account = self.account.clone();
        if let Some(used) = used {
            account.profile.role = used.role;
            store::clear_invitation(tx, &used)?;
        }
        store::set_account(tx, &account)?;
        store::set_name(tx, &self.folded, id)?;
        store::set_sign_in(tx, id, &self.sign_in)?;
        Ok(account.profile)
    }
}

/// The invitation first: without a good one, nobody learns which names are taken.
async fn check(
    tx: &Transaction,
    invitation: Option<Digest>,
    folded: &str,
    today: Day,
) -> Result<Option<Invitation>, RegisterError> {
    let invitation = match invitation {
        Some(secret) => {
            let found = store::invitation_of_secret(tx, secret).await?;
            let good = found.filter(|invitation| !is_over(invitation.expiry, today));
            Some(good.ok_or(RegisterError::InvitationNotFound)?)
        }
        None => None,
    };
    match store::account_of_name(tx, folded).await? {
        Some(_) => Err(RegisterError::UserNameTaken),
        None => Ok(invitation),
    }
}
