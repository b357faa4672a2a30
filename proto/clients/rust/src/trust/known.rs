//! [`KnownServers`]: a file of servers met before, one line each: `host:port fingerprint`.
//!
//! Invariant: what other programs remember at the same time stays in the file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Fingerprint, file_error};
use crate::{Error, PrivateFile};

/// Servers and the fingerprints that they are known by. Clones share what is known.
#[derive(Clone)]
pub struct KnownServers(Arc<Inner>);

struct Inner {
    file: Option<PrivateFile>,
    servers: Mutex<BTreeMap<String, Fingerprint>>,
}

impl KnownServers {
    /// Kept in this file. A file that does not exist yet knows nobody; it is made, with its folder, when
    /// the first server is remembered.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, naming the line that makes no sense.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let file = PrivateFile::new(path);
        let failed = |problem: String| file_error(file.path(), problem);
        let text = file.read().map_err(|error| failed(error.to_string()))?;
        let servers = parse(text).map_err(failed)?;
        Ok(Self(Arc::new(Inner {
            file: Some(file),
            servers: Mutex::new(servers),
        })))
    }

    /// Kept in memory alone.
    pub fn in_memory() -> Self {
        Self(Arc::new(Inner {
            file: None,
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

    fn change(&self, change: impl Fn(&mut BTreeMap<String, Fingerprint>)) -> Result<(), Error> {
        let mut servers = self.0.servers.lock();
        change(&mut servers);
        let Some(file) = &self.0.file else {
            return Ok(());
        };
        let failed = |error: std::io::Error| file_error(file.path(), error);
        let locked = file.lock().map_err(failed)?;
        let text = locked.read().map_err(failed)?;
        let mut kept = parse(text).map_err(|problem| file_error(file.path(), problem))?;
        change(&mut kept);
        let line = |(server, fingerprint)| format!("{server} {fingerprint}\n");
        let text: String = kept.iter().map(line).collect();
        locked.replace(text.as_bytes()).map_err(failed)
    }
}

impl fmt::Debug for KnownServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnownServers({})", self.0.servers.lock().len())
    }
}

fn parse(text: Option<Vec<u8>>) -> Result<BTreeMap<String, Fingerprint>, String> {
    let text = String::from_utf8(text.unwrap_or_default()).map_err(|_| "is not text")?;
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
    fn what_another_program_has_remembered_meanwhile_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("known_servers");
        let mine = KnownServers::open(&path).expect("nothing yet");
        let others = KnownServers::open(&path).expect("nothing yet");
        let fingerprint = Fingerprint::of(b"1");
        mine.remember("a:1", fingerprint).expect("written");
        others.remember("b:2", fingerprint).expect("written");
        let both = KnownServers::open(&path).expect("read back");
        assert_eq!(both.fingerprint_of("a:1"), Some(fingerprint));
        assert_eq!(both.fingerprint_of("b:2"), Some(fingerprint));
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
