//! [`KeyFile`]: all generations of the key-encryption key in one file, for its owner alone.
//!
//! Invariants:
//! - The file is whole at any moment: it is written under another name, synced and renamed, and the
//!   first one never takes the place of another.
//! - A key is in the file, synced with its folder, before anything is wrapped under it.
//! - A file that others may read or write is refused; so is one of another deployment.
//!
//! Leaves out nodes that share one file and rotate at the same moment: rotate from one of them. Nodes
//! with files of their own get the next generation in each of them before one rotates.

mod disk;
mod format;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cluster_types::{DeploymentId, Rng};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::OldGenerations;
use super::keks::Keks;
use crate::error::OpenError;
use crate::secret::{Generation, KeyBytes};
use crate::store::StoredGeneration;
use format::Contents;

/// A key file.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    keks: Keks,
    /// Held while the file is read and written again.
    changing: Mutex<()>,
}

impl KeyFile {
    /// The file at `path`, which may not exist yet.
    pub const fn new(path: PathBuf) -> Self {
        Self {
            path,
            keks: Keks::new(),
            changing: Mutex::new(()),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All that it says, checked: for a copy elsewhere.
    ///
    /// # Errors
    /// If it is missing, is no key file or is open to others.
    pub fn text(&self) -> Result<Zeroizing<String>, OpenError> {
        let contents = disk::read(&self.path)?.ok_or_else(|| self.missing())?;
        Ok(contents.text())
    }

    /// Makes it of what [`text`](Self::text) said elsewhere, and `from` holds.
    ///
    /// # Errors
    /// If that is no key file, or if the file is there already or cannot be written.
    pub fn create(&self, text: &str, from: &Path) -> Result<(), OpenError> {
        let contents = Contents::parse(text).map_err(|wrong| disk::malformed(from, wrong))?;
        disk::create(&self.path, &contents)
    }

    pub(crate) const fn keks(&self) -> &Keks {
        &self.keks
    }

    pub(crate) async fn make(
        self: &Arc<Self>,
        deployment: DeploymentId,
        generation: Generation,
        rng: &Rng,
    ) -> Result<(), OpenError> {
        let fresh = KeyBytes::random(rng);
        self.blocking(move |file| file.make_now(deployment, generation, fresh))
            .await
    }

    pub(crate) async fn adopt(
        self: &Arc<Self>,
        deployment: DeploymentId,
        stored: &[StoredGeneration],
    ) -> Result<(), OpenError> {
        let wanted: Vec<_> = stored.iter().map(|stored| stored.generation).collect();
        self.blocking(move |file| file.adopt_now(deployment, &wanted))
            .await
    }

    pub(crate) async fn retire(
        self: &Arc<Self>,
        oldest: Generation,
    ) -> Result<OldGenerations, OpenError> {
        self.blocking(move |file| file.retire_now(oldest)).await
    }

    fn make_now(
        &self,
        deployment: DeploymentId,
        generation: Generation,
        fresh: KeyBytes,
    ) -> Result<(), OpenError> {
        let _changing = self.changing.lock();
        let mut contents = match disk::read(&self.path)? {
            Some(contents) => contents,
            None if generation == Generation::FIRST => {
                let mut contents = Contents::new(deployment);
                self.keks.insert(generation, &fresh);
                contents.keys.insert(generation, fresh);
                return disk::create(&self.path, &contents);
            }
            None => return Err(self.missing()),
        };
        self.check_deployment(&contents, deployment)?;
        if let Some(key) = contents.keys.get(&generation) {
            self.keks.insert(generation, key);
            return Ok(());
        }
        self.keks.insert(generation, &fresh);
        contents.keys.insert(generation, fresh);
        disk::replace(&self.path, &contents)
    }

    fn adopt_now(&self, deployment: DeploymentId, wanted: &[Generation]) -> Result<(), OpenError> {
        let contents = disk::read(&self.path)?.ok_or_else(|| self.missing())?;
        self.check_deployment(&contents, deployment)?;
        for generation in wanted {
            let key = contents.keys.get(generation);
            let key = key.ok_or_else(|| OpenError::GenerationMissing {
                origin: format!("the key file {}", self.path.display()),
                generation: *generation,
            })?;
            self.keks.insert(*generation, key);
        }
        Ok(())
    }

    fn retire_now(&self, oldest: Generation) -> Result<OldGenerations, OpenError> {
        let _changing = self.changing.lock();
        let mut contents = disk::read(&self.path)?.ok_or_else(|| self.missing())?;
        self.keks.retire(oldest);
        if contents.keep_old {
            return Ok(OldGenerations::Kept);
        }
        let before = contents.keys.len();
        contents.keys.retain(|generation, _| *generation >= oldest);
        if contents.keys.len() < before {
            disk::replace(&self.path, &contents)?;
        }
        Ok(OldGenerations::Dropped)
    }

    fn check_deployment(
        &self,
        contents: &Contents,
        expected: DeploymentId,
    ) -> Result<(), OpenError> {
        if contents.deployment == expected {
            return Ok(());
        }
        Err(OpenError::OtherDeployment {
            path: self.path.clone(),
            found: contents.deployment,
            expected,
        })
    }

    fn missing(&self) -> OpenError {
        let path = self.path.clone();
        OpenError::KeyFileMissing { path }
    }

    /// Runs `work` where it may wait for the disk.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, OpenError> + Send + 'static,
    ) -> Result<T, OpenError> {
        let file = Arc::clone(self);
        let path = self.path.clone();
        let done = tokio::task::spawn_blocking(move || work(&file)).await;
        done.map_err(|gone| OpenError::KeyFileIo {
            path,
            source: std::io::Error::other(gone),
        })?
    }
}
