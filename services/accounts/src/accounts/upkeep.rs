//! Removing what is over: sign-ins and invitations whose day has come. Nothing depends on it but the
//! size of the store; once a day is enough.

use cluster_store::schema;
use cluster_store::{MaybeCommitted, StoreError, Transaction};

use super::Accounts;
use crate::limits::WALK_ROWS;
use crate::state::is_over;
use crate::store;

/// How much was removed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Removed {
    /// Sign-ins with their tokens.
    pub sign_ins: u64,
    /// Invitations that nobody used.
    pub invitations: u64,
}

impl Accounts {
    /// Removes the sign-ins and invitations that are over. Walks both tables in small transactions;
    /// may be run at any time, and again after a failure.
    ///
    /// # Errors
    /// If the store fails; what was removed until then stays removed.
    pub async fn remove_expired(&self) -> Result<Removed, StoreError> {
        let sign_ins = self.remove_expired_sign_ins().await?;
        let invitations = self.remove_expired_invitations().await?;
        Ok(Removed {
            sign_ins,
            invitations,
        })
    }

    async fn remove_expired_sign_ins(&self) -> Result<u64, StoreError> {
        let mut removed = 0;
        let mut after: Option<schema::SignIn> = None;
        loop {
            let from = after.take();
            let read = async |tx: Transaction| store::sign_in_walk(&tx, from.as_ref()).await;
            let page = self.inner.store.read(read).await?;
            let today = self.inner.clock.today();
            after = page
                .rows
                .last()
                .filter(|_| page.more)
                .map(|(key, _)| key.clone());
            let over = page
                .rows
                .into_iter()
                .filter(|(_, row)| is_over(cluster_types::Day(row.expiry_day), today));
            let over: Vec<schema::SignIn> = over.map(|(key, _)| key).collect();
            if !over.is_empty() {
                removed += self.remove_sign_ins(over).await?;
            }
            if after.is_none() {
                return Ok(removed);
            }
        }
    }

    /// Looks at each again: it may have been used since, or be gone.
    async fn remove_sign_ins(&self, over: Vec<schema::SignIn>) -> Result<u64, StoreError> {
        let touched = self.touched();
        let (inner, ending) = (self.inner.clone(), touched.clone());
        let change = async move {
            let write = async |tx: Transaction, earlier: MaybeCommitted| {
                ending.begin(earlier);
                let today = inner.clock.today();
                let mut removed = 0;
                for (key, row) in over.iter().zip(tx.rows(&over).await?) {
                    let Some(row) = row else { continue };
                    let sign_in = store::sign_in_of_row(key.sign_in, row)?;
                    if is_over(sign_in.expiry, today) {
                        store::clear_sign_in(&tx, key.account, &sign_in)?;
                        ending.ended(key.account, &sign_in);
                        removed += 1;
                    }
                }
                ending.leave_word(&tx).await?;
                Ok::<u64, StoreError>(removed)
            };
            inner.store.run(write).await
        };
        self.to_the_end("remove old sign-ins", touched, change)
            .await
    }

    async fn remove_expired_invitations(&self) -> Result<u64, StoreError> {
        let (mut removed, mut after) = (0, None);
        let vault = &self.inner.vault;
        loop {
            let today = self.inner.clock.today();
            let write = |tx: Transaction, _: MaybeCommitted| async move {
                let (page, more) = store::invitation_page(&tx, vault, after, WALK_ROWS).await?;
                let mut gone = 0;
                for over in page
                    .iter()
                    .filter(|invitation| is_over(invitation.expiry, today))
                {
                    store::clear_invitation(&tx, over)?;
                    gone += 1;
                }
                let next = page.last().filter(|_| more).map(|last| last.id);
                Ok::<_, StoreError>((gone, next))
            };
            let (gone, next): (u64, _) = self.inner.store.run(write).await?;
            removed += gone;
            after = next;
            if after.is_none() {
                return Ok(removed);
            }
        }
    }
}
