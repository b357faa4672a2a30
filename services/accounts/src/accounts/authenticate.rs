//! From a token to its caller.
//!
//! Most calls are answered from memory. The first use of a token on a new day goes to the store, and
//! moves the day on which the token is void: at most once a day.

use cluster_store::{MaybeCommitted, Transaction};
use cluster_types::{Caller, Day};

use super::Accounts;
use crate::error::AuthenticateError;
use crate::secret::{Digest, Token};
use crate::state::{Role, is_over, token_expiry};
use crate::store;

/// What the store says of a token that is good today.
struct Opened {
    caller: Caller,
    due_for_renewal: bool,
}

impl Accounts {
    /// Finds out who shows this token, as sent in `authorization: Bearer <token>`.
    ///
    /// # Errors
    /// [`AuthenticateError::Refused`] if it is malformed, unknown, expired or revoked, all alike.
    pub async fn authenticate(&self, token: &str) -> Result<Caller, AuthenticateError> {
        let token = Token::parse(token)
            .map_err(|_| AuthenticateError::Refused)?
            .digest();
        let today = self.inner.clock.today();
        let ticket = match self.inner.callers.look_up(&token, today) {
            Ok(caller) => return Ok(caller),
            Err(ticket) => ticket,
        };
        let opened = self.inner.store.read(|tx| open(tx, token, today)).await?;
        if opened.due_for_renewal {
            self.renew(token, today).await?;
        }
        self.inner
            .callers
            .remember(&ticket, token, opened.caller, today);
        Ok(opened.caller)
    }

    /// Whether this sign-in still stands, according to the store. For who has opened something long
    /// on its behalf, and asks once more after having made itself known to [`crate::SignInEnded`]:
    /// an ending in between would have been told to nobody.
    ///
    /// # Errors
    /// [`AuthenticateError::Refused`] if it has ended.
    pub async fn check_signed_in(&self, caller: Caller) -> Result<(), AuthenticateError> {
        let today = self.inner.clock.today();
        let sign_in = self
            .inner
            .store
            .read(|tx: Transaction| async move {
                store::sign_in(&tx, caller.account, caller.sign_in).await
            })
            .await?;
        match sign_in {
            Some(sign_in) if !is_over(sign_in.expiry, today) => Ok(()),
            _ => Err(AuthenticateError::Refused),
        }
    }

    /// Moves the end of the token. If the store cannot write now, the token stays as good as it is:
    /// a full disk signs nobody out.
    async fn renew(&self, token: Digest, today: Day) -> Result<(), AuthenticateError> {
        let renewed = self
            .inner
            .store
            .run(|tx: Transaction, _: MaybeCommitted| async move {
                let opened = store::token(&tx, token)
                    .await?
                    .ok_or(AuthenticateError::Refused)?;
                let sign_in = store::sign_in(&tx, opened.account, opened.sign_in).await?;
                let mut sign_in = sign_in.ok_or(AuthenticateError::Refused)?;
                let expiry = token_expiry(sign_in.kept, today);
                if expiry > sign_in.expiry {
                    sign_in.expiry = expiry;
                    store::set_expiry(&tx, opened.account, &sign_in).await?;
                }
                Ok(())
            })
            .await;
        match renewed {
            Err(AuthenticateError::Store(error)) => {
                tracing::warn!(%error, "a token was used and its end could not be moved");
                Ok(())
            }
            outcome => outcome,
        }
    }
}

async fn open(tx: Transaction, token: Digest, today: Day) -> Result<Opened, AuthenticateError> {
    let opened = store::token(&tx, token).await?;
    let opened = opened.filter(|opened| !is_over(opened.expiry, today));
    let opened = opened.ok_or(AuthenticateError::Refused)?;
    let account = store::account(&tx, opened.account).await?;
    let account = account.filter(|account| !account.is_suspended());
    let account = account.ok_or(AuthenticateError::Refused)?;
    let sign_in = store::sign_in(&tx, opened.account, opened.sign_in).await?;
    let sign_in = sign_in.ok_or(AuthenticateError::Refused)?;
    Ok(Opened {
        caller: Caller {
            account: opened.account,
            sign_in: opened.sign_in,
            administrator: account.role() == Role::Administrator,
        },
        due_for_renewal: token_expiry(sign_in.kept, today) > sign_in.expiry,
    })
}
