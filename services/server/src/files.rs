//! Where the bytes of files lie, and which files are taken: the settings below `files`, and the object store that
//! they name.
//!
//! Invariant: nothing is asked of an object store, and no folder made, before the configuration was found right.
//!
//! Leaves out: what lies there (`services-files`), and what an operator does with it (`ops/files.md`).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde::{Deserialize, Serialize};
use services_files::Policy;
use services_files::limits::{ACCOUNT_QUOTA_DEFAULT, FILE_BYTES_MAX, SIZE_MAX_DEFAULT};
use services_gateway::ByteCount;

use crate::config::Config;

mod floor;
mod folder;
#[cfg(feature = "s3")]
mod s3;
#[cfg(test)]
mod tests;

#[cfg(feature = "s3")]
pub use s3::{CredentialsError, S3Config};

/// The folder of files, in the data directory unless another one is named.
const FOLDER: &str = "files";

/// Room that files leave where the operator says nothing: eight times what the store itself needs to go on
/// ([`cluster_store::limits::FREE_SPACE_MIN`]), so that messages have months after the last file.
const FREE_SPACE_MIN_DEFAULT: u64 = 512 * 1024 * 1024;

/// What an operator can set about files.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// In which folder their own is, if not in the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// The largest file that is taken.
    pub size_max: ByteCount,
    /// What all files of an account may take.
    pub account_quota: ByteCount,
    /// Media types that are refused, by what the first bytes of a file show.
    pub refused_types: Vec<String>,
    /// Nothing is put into the folder while its file system has less room.
    pub free_space_min: ByteCount,
    /// The bucket in which they lie instead.
    #[cfg(feature = "s3")]
    pub s3: S3Config,
}

/// Why files cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The folder cannot be made.
    #[error(
        "the folder {} cannot be made: see the cause, or name another (files.folder)",
        path.display()
    )]
    Make {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder cannot be used.
    #[error(
        "the folder {} cannot be written: make it writable for the user that runs the server (chown, chmod \
         u+rwx, remount), or name another (files.folder)",
        path.display()
    )]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The object store refuses its settings.
    #[error("the object store cannot be used as it is set")]
    Objects(#[from] object_store::Error),
    /// The credentials do not read.
    #[cfg(feature = "s3")]
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            folder: None,
            size_max: ByteCount::bytes(SIZE_MAX_DEFAULT),
            account_quota: ByteCount::bytes(ACCOUNT_QUOTA_DEFAULT),
            refused_types: Vec::new(),
            free_space_min: ByteCount::bytes(FREE_SPACE_MIN_DEFAULT),
            #[cfg(feature = "s3")]
            s3: S3Config::default(),
        }
    }
}

impl FilesConfig {
    /// Which files are taken.
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            size_max: self.size_max.as_u64(),
            account_quota: self.account_quota.as_u64(),
            refused_types: self.refused_types.clone(),
        }
    }

    /// What cannot work although each value has its form: keys below `files`, and what would be right.
    pub(crate) fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let largest = ByteCount::bytes(FILE_BYTES_MAX);
        if self.size_max == ByteCount::bytes(0) || self.size_max > largest {
            found.push(("size_max", format!("has to be from 1B to {largest}")));
        }
        if self.account_quota < self.size_max {
            let text = format!(
                "is {}, less than files.size_max ({}): a file of that size would never be taken; raise the one \
                 or lower the other",
                self.account_quota, self.size_max
            );
            found.push(("account_quota", text));
        }
        let strange = |text: &&String| !is_media_type(text);
        if let Some(text) = self.refused_types.iter().find(strange) {
            let text = format!("`{text}` is no media type; write it as application/zip");
            found.push(("refused_types", text));
        }
        #[cfg(feature = "s3")]
        found.extend(self.s3.mistakes(self.folder.is_some()));
        found
    }
}

/// Whether it has the form of one, in lower case as types are compared.
fn is_media_type(text: &str) -> bool {
    let is_part = |part: &str| {
        let known =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "!#$&-^_.+".contains(c);
        !part.is_empty() && part.chars().all(known)
    };
    text.split_once('/')
        .is_some_and(|(kind, rest)| is_part(kind) && is_part(rest))
}

/// The object store that the configuration names. Makes a folder, and does not ask a bucket anything.
pub(crate) async fn open(config: &Config) -> Result<Arc<dyn ObjectStore>, FilesError> {
    #[cfg(feature = "s3")]
    if let Some(bucket) = config.files.s3.open()? {
        return Ok(bucket);
    }
    let path = folder_of(config);
    let (made, free_min) = (path.clone(), config.files.free_space_min.as_u64());
    let open = tokio::task::spawn_blocking(move || folder::open(&made, free_min));
    open.await.map_err(|panic| FilesError::Make {
        path,
        source: io::Error::other(panic),
    })?
}

/// The same for who looks at files and is not the server: nothing is made or removed. A folder that is not there has
/// no files.
pub(crate) fn look(config: &Config) -> Result<Arc<dyn ObjectStore>, FilesError> {
    #[cfg(feature = "s3")]
    if let Some(bucket) = config.files.s3.open()? {
        return Ok(bucket);
    }
    let path = folder_of(config);
    if path.exists() {
        Ok(folder::look(&path)?)
    } else {
        Ok(Arc::new(InMemory::new()))
    }
}

/// In the folder that is named, which can be the root of a disk with more in it.
fn folder_of(config: &Config) -> PathBuf {
    let above = config.files.folder.as_ref().unwrap_or(&config.data_dir);
    above.join(FOLDER)
}
