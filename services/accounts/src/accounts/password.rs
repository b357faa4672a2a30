//! Changing a password: the old one is proven, the new one kept to the policy, and all other sign-ins
//! end with the change.

use cluster_store::{MaybeCommitted, Transaction};
use cluster_types::{Caller, PeerAddr};

use super::Accounts;
use crate::ended::Touched;
use crate::error::ChangePasswordError;
use crate::password::{NewPassword, Password};
use crate::store::{self, StoredAccount};
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
        let account = self
            .inner
            .store
            .read(|tx: Transaction| async move { store::account(&tx, caller.account).await })
            .await?;
        let account = account.ok_or(ChangePasswordError::SignedOut)?;
        let name = UserName::parse(&account.profile.user_name);
        // A name that was good when it was stored is good now, unless a later release is stricter.
        let name = name.map_err(|_| ChangePasswordError::SignedOut)?;
        if command.new.is_same_as(&command.current) {
            return Err(ChangePasswordError::Unchanged);
        }
        let new = NewPassword::choose(command.new, self.inner.options.password_policy, &name)
            .map_err(ChangePasswordError::Weak)?;

        let attempt = self.admit(Some(name.folded()), peer)?;
        let (right, attempt) = self
            .verify(attempt, command.current, account.password_hash.clone())
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
        self.replace_password(caller, account, password_hash).await
    }

    async fn replace_password(
        &self,
        caller: Caller,
        verified: StoredAccount,
        password_hash: String,
    ) -> Result<(), ChangePasswordError> {
        let touched = Touched::default();
        let (inner, ending) = (self.inner.clone(), touched.clone());
        let change = async move {
            let write = async |tx: Transaction, earlier: MaybeCommitted| {
                ending.begin(earlier);
                let account = store::account(&tx, caller.account).await?;
                let mut account = account.ok_or(ChangePasswordError::SignedOut)?;
                if account.password_hash == password_hash {
                    // An earlier run has done it.
                    return Ok(());
                }
                if account.password_hash != verified.password_hash {
                    return Err(ChangePasswordError::WrongPassword);
                }
                account.password_hash.clone_from(&password_hash);
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
                Ok(())
            };
            inner.store.run(write).await
        };
        self.to_the_end("change a password", touched, change).await
    }
}
