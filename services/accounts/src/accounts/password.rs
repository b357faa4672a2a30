//! Changing a password: the old one is proven, the new one kept to the policy, and all other sign-ins
//! end with the change.

use cluster_store::{MaybeCommitted, Transaction};
use cluster_types::{Caller, PeerAddr};

use super::Accounts;
use crate::error::ChangePasswordError;
use crate::password::{NewPassword, Password};
use crate::state::Profile;
use crate::store;
use crate::text::UserName;

/// Somebody wants another password.
#[derive(Debug)]
pub(crate) struct ChangePassword {
    pub(crate) current: Password,
    pub(crate) new: Password,
}

impl Accounts {
    pub(crate) async fn change_password(
        &self,
        caller: Caller,
        command: ChangePassword,
        peer: Option<PeerAddr>,
    ) -> Result<(), ChangePasswordError> {
        let (profile, current_hash) = self.proven_by(caller).await?;
        let name = UserName::parse(&profile.user_name);
        // A name that was good when it was stored is good now, unless a later release is stricter.
        let name = name.map_err(|_| ChangePasswordError::SignedOut)?;
        if command.new.is_same_as(&command.current) {
            return Err(ChangePasswordError::Unchanged);
        }
        let new = NewPassword::choose(command.new, self.inner.options.password_policy, &name)
            .map_err(ChangePasswordError::Weak)?;

        let attempt = self.admit(Some(name.folded()), peer)?;
        let (right, attempt) = self
            .verify(attempt, command.current, current_hash.clone())
            .await?;
        if !right {
            return Err(ChangePasswordError::WrongPassword);
        }
        let hashed = self
            .inner
            .pool
            .hash(new.password().clone(), self.inner.rng.bytes())
            .await;
        let password_hash = match hashed {
            Ok(hash) => hash,
            Err(error) => return Err(self.gave_up(attempt, error).into()),
        };
        self.inner.limiter.succeeded(attempt);
        self.replace_password(caller, current_hash, password_hash)
            .await
    }

    /// Whose password it is, and the hash of it.
    async fn proven_by(&self, caller: Caller) -> Result<(Profile, String), ChangePasswordError> {
        let vault = &self.inner.vault;
        let read = async |tx: Transaction| {
            let account = store::account(&tx, caller.account).await?;
            let account = account.ok_or(ChangePasswordError::SignedOut)?;
            let profile = store::profile(&tx, vault, caller.account).await?;
            let profile = profile.ok_or(ChangePasswordError::SignedOut)?;
            Ok((profile, account.password_hash(vault)?))
        };
        self.inner.store.read(read).await
    }

    async fn replace_password(
        &self,
        caller: Caller,
        verified: String,
        password_hash: String,
    ) -> Result<(), ChangePasswordError> {
        let touched = self.touched();
        let (inner, ending) = (self.inner.clone(), touched.clone());
        let change = async move {
            let write = async |tx: Transaction, earlier: MaybeCommitted| {
                ending.begin(earlier);
                let account = store::account(&tx, caller.account).await?;
                let mut account = account.ok_or(ChangePasswordError::SignedOut)?;
                let stored = account.password_hash(&inner.vault)?;
                if stored == password_hash {
                    // An earlier run has done it.
                    return Ok(());
                }
                if stored != verified {
                    return Err(ChangePasswordError::WrongPassword);
                }
                account.set_password_hash(&inner.vault, &password_hash)?;
                store::set_account(&tx, &account)?;
                let sign_ins = store::sign_ins(&tx, caller.account).await?;
                if !sign_ins.iter().any(|sign_in| sign_in.id == caller.sign_in) {
                    return Err(ChangePasswordError::SignedOut);
                }
                for other in sign_ins
                    .iter()
                    .filter(|sign_in| sign_in.id != caller.sign_in)
                {
                    store::clear_sign_in(&tx, caller.account, other)?;
                    ending.ended(caller.account, other);
                }
                Ok(ending.leave_word(&tx).await?)
            };
            inner.store.run(write).await
        };
        self.to_the_end("change a password", touched, change).await
    }
}
