//! Files in a bucket that speaks S3: its settings.
//!
//! Invariant: nothing goes over the network in the clear, but to a peer on this machine.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::prefix::PrefixStore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::FilesError;

#[cfg(test)]
mod tests;

/// Longest file with credentials. Whatever is longer was named by mistake.
const CREDENTIALS_BYTES_MAX: u64 = 4_096;

/// What nobody but the owner of credentials may have.
const OTHERS: u32 = 0o077;

/// Where names of objects begin, unless a prefix is set.
const PREFIX: &str = "rookery";

/// The region of providers that have none.
const REGION: &str = "us-east-1";

/// Endpoints that need no TLS: they do not leave the machine.
const LOOPBACK: [&str; 3] = ["http://127.0.0.1", "http://localhost", "http://[::1]"];

/// Which bucket, and how to reach it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// Its name. Files lie in a folder as long as there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Who serves it; Amazon if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// In which region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Which part of the bucket is this server's, so that several can share one. `rookery` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Who asks, in a file as Amazon's tools have it: `aws_access_key_id = …`, `aws_secret_access_key = …`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
}

/// Why credentials are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The operating system refused, or it is not text.
    #[error("the credentials {} do not read: see the cause", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others than its owner may read or write it.
    #[error(
        "the credentials {name} are open to others (mode {mode:04o}): run `chmod 600 {name}`",
        name = path.display()
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A line is missing.
    #[error(
        "the credentials {} lack a line `{key} = …`, or are longer than {CREDENTIALS_BYTES_MAX} bytes",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// What its line begins with.
        key: &'static str,
    },
}

impl S3Config {
    /// What cannot work although each value has its form.
    pub(super) fn mistakes(&self, has_folder: bool) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut add = |key, text: &str| found.push((key, text.to_owned()));
        if self.bucket.is_some() && has_folder {
            let text = "cannot be used with files.folder; name where files lie once";
            add("s3.bucket", text);
        }
        if self.bucket.is_some() && self.credentials_file.is_none() {
            add("s3.credentials_file", "is missing; a bucket needs it");
        }
        if self.bucket.is_none() && *self != Self::default() {
            let text = "is missing; the other settings of files.s3 are about it";
            add("s3.bucket", text);
        }
        let is_reachable =
            |endpoint: &String| endpoint.starts_with("https://") || is_loopback(endpoint);
        if self.endpoint.as_ref().is_some_and(|at| !is_reachable(at)) {
            let text =
                "has to begin with https://, or be on this machine, as http://127.0.0.1:9000";
            add("s3.endpoint", text);
        }
        if self
            .prefix
            .as_deref()
            .is_some_and(|prefix| prefix.is_empty() || prefix.starts_with('/'))
        {
            add("s3.prefix", "has to be a name, as rookery or servers/one");
        }
        found
    }

    /// The bucket, if one is named.
    pub(super) fn open(&self) -> Result<Option<Arc<dyn ObjectStore>>, FilesError> {
        let (Some(bucket), Some(file)) = (&self.bucket, &self.credentials_file) else {
            return Ok(None);
        };
        let text = read(file)?;
        let line = |key| {
            value(&text, key).ok_or_else(|| CredentialsError::Missing {
                path: file.clone(),
                key,
            })
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(self.region.as_deref().unwrap_or(REGION))
            .with_access_key_id(line("aws_access_key_id")?)
            .with_secret_access_key(line("aws_secret_access_key")?);
        if let Some(token) = value(&text, "aws_session_token") {
            builder = builder.with_token(token);
        }
        if let Some(endpoint) = &self.endpoint {
            let builder_at = builder.with_endpoint(endpoint);
            builder = builder_at.with_allow_http(is_loopback(endpoint));
        }
        let prefix = self.prefix.as_deref().unwrap_or(PREFIX);
        Ok(Some(Arc::new(PrefixStore::new(builder.build()?, prefix))))
    }
}

fn is_loopback(endpoint: &str) -> bool {
    let rest = |begin: &&str| endpoint.strip_prefix(*begin);
    LOOPBACK
        .iter()
        .filter_map(rest)
        .any(|rest| rest.is_empty() || rest.starts_with([':', '/']))
}

/// What a file says.
fn read(path: &Path) -> Result<Zeroizing<String>, CredentialsError> {
    let io = |source| CredentialsError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.mode() & 0o7777;
    if mode & OTHERS != 0 {
        let path = path.to_owned();
        return Err(CredentialsError::OpenToOthers { path, mode });
    }
    let mut text = Zeroizing::new(String::new());
    let read = file.take(CREDENTIALS_BYTES_MAX).read_to_string(&mut text);
    read.map_err(io)?;
    Ok(text)
}

/// What follows `key =` in its line.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once('='));
    let found = pairs.find(|(name, _)| name.trim() == key);
    found
        .map(|(_, value)| value.trim())
        .filter(|value| !value.is_empty())
}
