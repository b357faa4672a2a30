//! How the key-encryption key is replaced while everything goes on.
//!
//! 1. The source gets a key of the next generation, before anything is wrapped under it.
//! 2. One transaction makes it the current one, and writes the row of the rotation. From there on no row
//!    is added under an older generation: whoever makes a key reads the vault's row.
//! 3. Rows are wrapped anew in small transactions with pauses; the rotation's row moves with each.
//! 4. A second walk over all rows looks whether any is left. None may be, or it would be lost.
//! 5. One transaction takes the old generation out of the vault's row and clears the rotation's.
//! 6. The source drops the old generation, unless it keeps it.
//!
//! Invariant: each step can be repeated, and what was interrupted goes on where it was, here or on
//! another node. Data keys do not change, so what holds one unwrapped needs to know of nothing.

use cluster_store::StoreError;

use crate::error::RotateError;
use crate::error::VaultError;
use crate::limits::{
    GENERATION_TRIES_MAX, ROTATION_BATCH, ROTATION_COUNT_MAX, ROTATION_PAUSE, ROTATION_WALK,
};
use crate::name::KeyName;
use crate::secret::Generation;
use crate::source::OldGenerations;
use crate::store::{self, StoredRotation, WrappedKey};
use crate::vault::Vault;

/// How a rotation stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rotation {
    /// There is none, and was none since the start.
    Idle,
    /// One was interrupted by the end of the last process: [`Vault::resume`] goes on with it.
    Interrupted {
        /// To which generation.
        to: Generation,
    },
    /// Rows are being wrapped anew.
    Running {
        /// Under which generation.
        to: Generation,
        /// Rows looked at so far, also before an interruption.
        done: u64,
        /// Rows there were at the start; `None` if they were too many to be counted.
        total: Option<u64>,
    },
    /// It stopped at an error; [`Vault::resume`] goes on with it.
    Stopped {
        /// To which generation.
        to: Generation,
    },
    /// All rows are under the new generation.
    Finished(Rotated),
}

/// What a rotation has done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rotated {
    /// What all rows are wrapped under now.
    pub to: Generation,
    /// What became of what they were wrapped under.
    pub old: OldGenerations,
}

/// What one batch found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// Rows, which are wrapped anew.
    Taken,
    /// Rows that somebody else changed meanwhile: look again.
    Changed,
    /// No more rows.
    End,
}

impl Vault {
    /// Makes the next generation the current one, and wraps all data keys anew under it. Everything
    /// works meanwhile. One that was interrupted is finished instead.
    ///
    /// # Errors
    /// If the source cannot make a key, or the store or KMS fails on the way; [`resume`](Self::resume)
    /// goes on. If a rotation is under way in this process, or nothing is sealed here.
    pub async fn rotate(&self) -> Result<Rotated, RotateError> {
        if !self.keyring().source.seals() {
            return Err(RotateError::Unsealed);
        }
        let _alone = self
            .rotating()
            .try_lock()
            .map_err(|_| RotateError::UnderWay)?;
        let to = match self.stored_rotation().await? {
            Some(rotation) => rotation.to,
            None => self.begin().await?,
        };
        self.walk(to).await
    }

    /// Goes on with a rotation that was interrupted; `None` if none was.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub async fn resume(&self) -> Result<Option<Rotated>, RotateError> {
        let _alone = self
            .rotating()
            .try_lock()
            .map_err(|_| RotateError::UnderWay)?;
        match self.stored_rotation().await? {
            Some(rotation) => self.walk(rotation.to).await.map(Some),
            None => Ok(None),
        }
    }

    /// Steps 1 and 2.
    async fn begin(&self) -> Result<Generation, RotateError> {
        let keyring = self.keyring();
        let before = keyring.refresh().await?;
        let to = before.current().next();
        let made = keyring.source.make(keyring.deployment, to, &keyring.rng);
        let made = &made.await?;
        let begun = keyring.store.run(|tx, _| async move {
            if let Some(found) = store::rotation(&tx).await? {
                // Another node's, or that of an earlier run of this transaction.
                return Ok::<_, StoreError>(Some(found.to));
            }
            let Some(mut vault) = store::vault(&tx).await? else {
                return Ok(None);
            };
            if vault.current().next() != to {
                return Ok(None);
            }
            vault.generations.push(made.clone());
            store::set_vault(&tx, &vault)?;
            let rotation = StoredRotation {
                to,
                after: None,
                done: 0,
            };
            store::set_rotation(&tx, &rotation)?;
            Ok(Some(to))
        });
        let to = begun.await?.ok_or(VaultError::Contended)?;
        tracing::info!(%to, "the key-encryption key is being rotated");
        Ok(to)
    }

    /// Steps 3 to 6.
    async fn walk(&self, to: Generation) -> Result<Rotated, RotateError> {
        let walked = self.walk_all(to).await;
        match &walked {
            Ok(rotated) => {
                tracing::info!(%to, old = ?rotated.old, "the key-encryption key was rotated");
                self.tell(Rotation::Finished(*rotated));
            }
            Err(_) => self.tell(Rotation::Stopped { to }),
        }
        walked
    }

    async fn walk_all(&self, to: Generation) -> Result<Rotated, RotateError> {
        self.keyring().refresh().await?;
        let mut total = None;
        for _ in 0..GENERATION_TRIES_MAX {
            let Some(mut rotation) = self.stored_rotation().await? else {
                // Another node has finished it.
                return self.retire(to).await;
            };
            total = match total {
                None => self.count(&rotation).await?,
                known => known,
            };
            loop {
                self.tell(Rotation::Running {
                    to,
                    done: rotation.done,
                    total,
                });
                match self.step(&rotation).await? {
                    Step::End => break,
                    Step::Taken | Step::Changed => {}
                }
                tokio::time::sleep(ROTATION_PAUSE).await;
                match self.stored_rotation().await? {
                    Some(now) => rotation = now,
                    None => return self.retire(to).await,
                }
            }
            if self.is_none_left(to).await? {
                self.end(to).await?;
                return self.retire(to).await;
            }
            self.begin_again(&rotation).await?;
        }
        Err(VaultError::Contended.into())
    }

    async fn stored_rotation(&self) -> Result<Option<StoredRotation>, StoreError> {
        let store = &self.keyring().store;
        store
            .read(|tx| async move { store::rotation(&tx).await })
            .await
    }

    async fn page(
        &self,
        after: Option<KeyName>,
        limit_rows: usize,
    ) -> Result<Vec<(KeyName, WrappedKey)>, StoreError> {
        let store = &self.keyring().store;
        store
            .read(|tx| async move { store::key_page(&tx, after, limit_rows).await })
            .await
    }

    /// Rows that were looked at and that are still to come, if they are not too many.
    async fn count(&self, rotation: &StoredRotation) -> Result<Option<u64>, StoreError> {
        let (mut after, mut count) = (rotation.after, 0);
        while count <= ROTATION_COUNT_MAX {
            let page = self.page(after, ROTATION_WALK).await?;
            count += page.len();
            match page.last() {
                Some((last, _)) if page.len() == ROTATION_WALK => after = Some(*last),
                _ => return Ok(u64::try_from(count).ok().map(|count| rotation.done + count)),
            }
        }
        Ok(None)
    }

    /// Wraps one batch anew, and moves the rotation's row past it.
    async fn step(&self, rotation: &StoredRotation) -> Result<Step, RotateError> {
        let rows = self.page(rotation.after, ROTATION_BATCH).await?;
        let Some((last, _)) = rows.last() else {
            return Ok(Step::End);
        };
        let next = &StoredRotation {
            to: rotation.to,
            after: Some(*last),
            done: rotation.done + rows.len() as u64,
        };
        let mut old = Vec::new();
        let mut anew = Vec::new();
        for (name, row) in rows {
            if row.generation < rotation.to {
                anew.push(self.keyring().rewrapped(name, &row, rotation.to).await?);
                old.push((name, row));
            }
        }
        let (old, anew) = (&old, &anew);
        let names: &Vec<_> = &old.iter().map(|(name, _)| *name).collect();
        let stepped = self.keyring().store.run(|tx, _| async move {
            let now = store::rotation(&tx).await?;
            if now.as_ref() != Some(rotation) {
                // Another node is faster, or an earlier run of this transaction was.
                return Ok::<_, StoreError>(Step::Changed);
            }
            let found = store::keys(&tx, names).await?;
            for ((found, (name, row)), anew) in found.iter().zip(old).zip(anew) {
                match found {
                    // Destroyed meanwhile: stays so.
                    None => {}
                    Some(found) if found == row => store::set_key(&tx, *name, anew)?,
                    Some(_) => return Ok(Step::Changed),
                }
            }
            store::set_rotation(&tx, next)?;
            Ok(Step::Taken)
        });
        Ok(stepped.await?)
    }

    /// Step 4.
    async fn is_none_left(&self, to: Generation) -> Result<bool, RotateError> {
        let mut after = None;
        loop {
            let page = self.page(after, ROTATION_WALK).await?;
            if page.iter().any(|(_, row)| row.generation < to) {
                return Ok(false);
            }
            match page.last() {
                Some((last, _)) if page.len() == ROTATION_WALK => after = Some(*last),
                _ => return Ok(true),
            }
            tokio::time::sleep(ROTATION_PAUSE).await;
        }
    }

    /// Lets the walk begin again from the first row.
    async fn begin_again(&self, rotation: &StoredRotation) -> Result<(), RotateError> {
        tracing::warn!(to = %rotation.to, "rows under an old generation appeared, looking again");
        let again = &StoredRotation {
            after: None,
            ..rotation.clone()
        };
        let written = self.keyring().store.run(|tx, _| async move {
            if store::rotation(&tx).await?.is_some() {
                store::set_rotation(&tx, again)?;
            }
            Ok::<_, StoreError>(())
        });
        Ok(written.await?)
    }

    /// Step 5.
    async fn end(&self, to: Generation) -> Result<(), RotateError> {
        let ended = self.keyring().store.run(|tx, _| async move {
            let Some(mut vault) = store::vault(&tx).await? else {
                return Ok::<_, StoreError>(());
            };
            vault.generations.retain(|stored| stored.generation >= to);
            // A later rotation, of another node, has a row of its own.
            let ours = store::rotation(&tx).await?;
            if ours.is_some_and(|rotation| rotation.to == to) {
                store::set_vault(&tx, &vault)?;
                store::clear_rotation(&tx)?;
            }
            Ok(())
        });
        Ok(ended.await?)
    }

    /// Step 6.
    async fn retire(&self, to: Generation) -> Result<Rotated, RotateError> {
        let old = self.keyring().source.retire(to).await?;
        Ok(Rotated { to, old })
    }
}
