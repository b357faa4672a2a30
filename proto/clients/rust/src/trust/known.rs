//! [`KnownServers`]: a file of servers met before, one line each: `host:port fingerprint`.
//!
//! Invariant: the file is replaced as a whole or not at all, and only its owner can write it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Fingerprint, file_error, read};
use crate::Error;

/// Servers and the fingerprints that they are known by. Clones share what is known.
#[derive(Clone)]
pub struct KnownServers(Arc<Inner>);

struct Inner {
    path: Option<PathBuf>,
    servers: Mutex<BTreeMap<String, Fingerprint>>,
}

impl KnownServers {
    /// Kept in this file. A file that does not exist yet knows nobody; it is made, with its folder, when
    /// the first server is remembered.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, naming the line that makes no sense.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let servers = if path.exists() {
            let text = String::from_utf8(read(&path)?);
            parse(&text.map_err(|_| file_error(&path, "is not text"))?)
                .map_err(|problem| file_error(&path, problem))?
        } else {
            BTreeMap::new()
        };
        Ok(Self(Arc::new(Inner {
            path: Some(path),
            servers: Mutex::new(servers),
        })))
    }

    /// Kept in memory alone.
    pub fn in_memory() -> Self {
        Self(Arc::new(Inner {
            path: None,
            servers: Mutex::default(),
        }))
    }

    /// What `server` (`host:port`) is known by.
    pub fn fingerprint_of(&self, server: &str) -> Option<Fingerprint> {
        self.0.servers.lock().get(server).copied()
    }

    /// From here on, `server` is known by `fingerprint`, whatever it was known by.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written; the server is then known in memory alone.
    pub fn remember(&self, server: &str, fingerprint: Fingerprint) -> Result<(), Error> {
        self.change(|servers| {
            servers.insert(server.to_owned(), fingerprint);
        })
    }

    /// From here on, `server` is not known.
    ///
    /// # Errors
    /// As [`KnownServers::remember`].
    pub fn forget(&self, server: &str) -> Result<(), Error> {
        self.change(|servers| {
            servers.remove(server);
        })
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Fingerprint>)) -> Result<(), Error> {
        let mut servers = self.0.servers.lock();
        change(&mut servers);
        let Some(path) = &self.0.path else {
            return Ok(());
        };
        let line = |(server, fingerprint)| format!("{server} {fingerprint}\n");
        let text: String = servers.iter().map(line).collect();
        replace(path, &text).map_err(|error| file_error(path, error))
    }
}

impl fmt::Debug for KnownServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnownServers({})", self.0.servers.lock().len())
    }
}

fn parse(text: &str) -> Result<BTreeMap<String, Fingerprint>, String> {
    let mut servers = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = line
            .split_once(char::is_whitespace)
            .and_then(|(server, fingerprint)| Some((server.to_owned(), fingerprint.parse().ok()?)));
        let (server, fingerprint) =
            entry.ok_or_else(|| format!("line {} is not `host:port fingerprint`", index + 1))?;
        servers.insert(server, fingerprint);
    }
    Ok(servers)
}

/// Writes beside the file, then takes its place.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_known_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/known_servers");
        let known = KnownServers::open(&path).expect("nothing yet");
        let (one, two) = (Fingerprint::of(b"1"), Fingerprint::of(b"2"));
        known.remember("a:1", one).expect("written");
        known.remember("b:2", one).expect("written");
        known.remember("b:2", two).expect("written");
        known.remember("c:3", two).expect("written");
        known.forget("c:3").expect("written");

        let again = KnownServers::open(&path).expect("read back");
        assert_eq!(again.fingerprint_of("a:1"), Some(one));
        assert_eq!(again.fingerprint_of("b:2"), Some(two));
        assert_eq!(again.fingerprint_of("c:3"), None);
    }

    #[test]
    fn a_broken_line_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("known_servers");
        std::fs::write(&path, "# mine\n\na:1 nonsense\n").expect("written");
        let error = KnownServers::open(&path)
            .expect_err("no fingerprint")
            .to_string();
        assert!(error.contains("line 3"), "{error}");
    }
}
