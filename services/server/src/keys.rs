//! Where the key comes from that all stored data is sealed under, and the vault that opens with it.
//!
//! Invariant: a key is made for a store that never had one, and for no other. Everything else that does not
//! fit (a file that is gone, another key, a sealed store without) ends the start, with what to do about it.
//!
//! Leaves out: what is done with keys (`services-vault`), and what an operator does with them
//! (`ops/keys.md`).

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cluster_membership::Membership;
use cluster_runtime::{TaskKind, Tasks};
use cluster_store::Store;
use cluster_types::{DeploymentId, Rng};
use secrecy::SecretString;
use services_vault::{KeySource, Parts, Passphrase, PassphraseCost, Vault};
use zeroize::Zeroizing;

use crate::app::StartError;
use crate::config::Config;

/// The key file in the data directory, unless another is named.
const KEY_FILE: &str = "rookery.keys";

/// Longest file with a passphrase. Whatever is longer was named by mistake.
const PASSPHRASE_BYTES_MAX: u64 = 4_096;

/// What nobody but the owner of a passphrase may have.
const OTHERS: u32 = 0o077;

/// Why a passphrase is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// The operating system refused, or it is not text.
    #[error("the passphrase file {} does not read: see the cause", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others than its owner may read or write it.
    #[error(
        "the passphrase file {name} is open to others (mode {mode:04o}): run `chmod 600 {name}`",
        name = path.display()
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Too long for a passphrase.
    #[error(
        "the passphrase file {} has more than {PASSPHRASE_BYTES_MAX} bytes: name the right one",
        path.display()
    )]
    TooLong {
        /// The file.
        path: PathBuf,
    },
}

/// Opens the vault of a store, with the key file if this has made it.
pub(crate) async fn open(
    config: &Config,
    store: &Store,
    deployment: DeploymentId,
    rng: &Rng,
) -> Result<(Vault, Option<PathBuf>), StartError> {
    let source = source(config).await?;
    let mut file_made = None;
    if let KeySource::File(file) = &source
        && !tokio::fs::try_exists(file.path()).await.unwrap_or(true)
    {
        file_made = Some(file.path().to_owned());
    }
    let parts = Parts {
        store: store.clone(),
        deployment,
        source,
        rng: rng.fork(),
    };
    Ok((Vault::open(parts).await?, file_made))
}

/// The key file, if the key lies in one.
pub(crate) fn key_file(config: &Config) -> Option<PathBuf> {
    let lies_in_one = !config.unsealed && config.key_passphrase_file.is_none();
    let in_data_dir = || config.data_dir.join(KEY_FILE);
    lies_in_one.then(|| config.key_file.clone().unwrap_or_else(in_data_dir))
}

/// What the configuration says about the key.
async fn source(config: &Config) -> Result<KeySource, PassphraseError> {
    if let Some(file) = key_file(config) {
        return Ok(KeySource::file(file));
    }
    let Some(current) = config.key_passphrase_file.clone() else {
        return Ok(KeySource::Unsealed);
    };
    let previous = config.key_passphrase_previous_file.clone();
    let at = current.clone();
    let read = tokio::task::spawn_blocking(move || {
        let current = passphrase(&current)?;
        let previous = previous.as_deref().map(passphrase).transpose()?;
        Ok((current, previous))
    });
    let read = read.await.map_err(|panic| PassphraseError::Io {
        path: at,
        source: std::io::Error::other(panic),
    })?;
    let (current, previous) = read?;
    let mut passphrase = Passphrase::new(current, PassphraseCost::STANDARD);
    if let Some(previous) = previous {
        passphrase = passphrase.with_previous(previous);
    }
    Ok(KeySource::Passphrase(Arc::new(passphrase)))
}

/// Goes on with a rotation that the end of a process interrupted, on the node whose turn it is, and says at each start
/// if nothing is sealed.
pub(crate) fn take_care(vault: &Vault, config: &Config, tasks: &Tasks, membership: &Membership) {
    if config.unsealed {
        tracing::warn!(
            "nothing is sealed (--unsealed): whoever reads the disk or a copy of it reads everything"
        );
    }
    let (vault, membership) = (vault.clone(), membership.clone());
    let stopping = tasks.stopping().clone();
    let resume = async move {
        loop {
            membership.until_caretaker().await;
            if let Err(error) = vault.resume().await {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    "an interrupted rotation of the key does not go on; the next start tries again"
                );
            }
            // Whoever is next goes on with it.
            membership.until_no_caretaker().await;
        }
    };
    tasks.spawn(TaskKind::KeyRotation, "keys: resume", async move {
        let _stopped: Option<()> = stopping.run_until_cancelled(resume).await;
    });
}

/// What a file says but for the end of its line, which editors add.
fn passphrase(path: &Path) -> Result<SecretString, PassphraseError> {
    let io = |source| PassphraseError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.mode() & 0o7777;
    if mode & OTHERS != 0 {
        let path = path.to_owned();
        return Err(PassphraseError::OpenToOthers { path, mode });
    }
    // With room for all of it from the beginning, so that no copy is left behind.
    let room = usize::try_from(PASSPHRASE_BYTES_MAX).unwrap_or_default() + 64;
    let mut text = Zeroizing::new(String::with_capacity(room));
    let read = file
        .take(PASSPHRASE_BYTES_MAX + 1)
        .read_to_string(&mut text);
    if read.map_err(io)? as u64 > PASSPHRASE_BYTES_MAX {
        let path = path.to_owned();
        return Err(PassphraseError::TooLong { path });
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    Ok(SecretString::from(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn written(text: &[u8], mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("writes");
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(file.path(), mode).expect("sets");
        file
    }

    #[test]
    fn a_passphrase_is_what_its_file_says_without_the_end_of_the_line() {
        for end in ["", "\n", "\r\n"] {
            let file = written(format!(" two words {end}").as_bytes(), 0o600);
            let read = passphrase(file.path()).expect("reads");
            assert_eq!(read.expose_secret(), " two words ");
        }
    }

    #[test]
    fn a_passphrase_that_others_can_read_or_that_is_none_is_refused_by_name() {
        let long = vec![b'a'; 5_000];
        let refused: [(&[u8], u32, &str); 3] = [
            (
                b"two words",
                0o640,
                "is open to others (mode 0640): run `chmod 600 ",
            ),
            (&long, 0o600, "has more than 4096 bytes"),
            (&[0xff], 0o600, "does not read"),
        ];
        for (text, mode, told) in refused {
            let file = written(text, mode);
            let error = passphrase(file.path()).expect_err("is refused").to_string();
            assert!(error.contains(told), "{error}");
            let path = file.path().display().to_string();
            assert!(error.contains(&path), "{error}");
        }
    }
}
