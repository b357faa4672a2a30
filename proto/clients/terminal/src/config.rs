//! What is kept between two runs: tokens, and the fingerprints of servers.
//!
//! Invariant: a password is never written. The file with the tokens can be read by its owner alone, and
//! is replaced as a whole or not at all.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rookery_client::{KnownServers, Token};
use serde::{Deserialize, Serialize};

use crate::exit::Failure;
use crate::limits;

/// The files of one user.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    folder: PathBuf,
}

/// Everything in the file with the tokens.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Kept {
    /// By `host:port`.
    servers: BTreeMap<String, KeptServer>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct KeptServer {
    /// Who signed in last.
    last_user: String,
    /// By user name in lower case.
    tokens: BTreeMap<String, String>,
}

impl Files {
    /// In `folder`, or where the user's configuration is.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, Failure> {
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => usual_folder(|name| std::env::var_os(name).map(PathBuf::from))?,
        };
        Ok(Self { folder })
    }

    pub(crate) fn known_servers(&self) -> Result<KnownServers, Failure> {
        KnownServers::open(self.folder.join("known_servers"))
            .map_err(|error| Failure::Configuration(error.to_string()))
    }

    /// The token of `user` on `server` (`host:port`), or of whoever signed in last there.
    pub(crate) fn token(
        &self,
        server: &str,
        user: Option<&str>,
    ) -> Result<Option<(String, Token)>, Failure> {
        let kept = self.read()?;
        let Some(server) = kept.servers.get(server) else {
            return Ok(None);
        };
        let user = user.unwrap_or(&server.last_user).to_lowercase();
        let token = server.tokens.get(&user);
        Ok(token.map(|token| (user, Token::new(token.clone()))))
    }

    /// Keeps a token for the next time.
    pub(crate) fn keep(&self, server: &str, user: &str, token: &Token) -> Result<(), Failure> {
        let mut kept = self.read()?;
        let entry = kept.servers.entry(server.to_owned()).or_default();
        entry.last_user = user.to_lowercase();
        let secret = token.secret().to_owned();
        entry.tokens.insert(user.to_lowercase(), secret);
        self.write(&kept)
    }

    /// Forgets a token that is void.
    pub(crate) fn forget(&self, server: &str, user: &str) -> Result<(), Failure> {
        let mut kept = self.read()?;
        if let Some(entry) = kept.servers.get_mut(server) {
            entry.tokens.remove(&user.to_lowercase());
        }
        self.write(&kept)
    }

    fn path(&self) -> PathBuf {
        self.folder.join("tokens.json")
    }

    fn read(&self) -> Result<Kept, Failure> {
        let path = self.path();
        if !path.exists() {
            return Ok(Kept::default());
        }
        let text = std::fs::read(&path).map_err(|error| io(&path, &error))?;
        serde_json::from_slice(&text).map_err(|error| {
            Failure::Configuration(format!(
                "{}: {error}; delete it and sign in again",
                path.display()
            ))
        })
    }

    fn write(&self, kept: &Kept) -> Result<(), Failure> {
        let path = self.path();
        let text = serde_json::to_vec_pretty(kept)
            .map_err(|error| Failure::Configuration(error.to_string()))?;
        let written = std::fs::create_dir_all(&self.folder).and_then(|()| replace(&path, &text));
        written.map_err(|error| io(&path, &error))
    }
}

/// The first line of a file with a secret.
pub(crate) fn secret(path: &Path) -> Result<String, Failure> {
    let length = std::fs::metadata(path).map_err(|error| io(path, &error))?;
    if length.len() > limits::SECRET_BYTES_MAX {
        let text = format!("{}: too large for a file with a secret", path.display());
        return Err(Failure::Configuration(text));
    }
    let text = std::fs::read_to_string(path).map_err(|error| io(path, &error))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(Failure::Configuration(format!(
            "{}: its first line is empty",
            path.display()
        ))),
    }
}

/// Where configuration is: `$XDG_CONFIG_HOME`, else `.config` of the home folder.
fn usual_folder(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, Failure> {
    let absolute = |name| variable(name).filter(|path: &PathBuf| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .or_else(|| absolute("APPDATA"));
    base.map(|base| base.join("rookery")).ok_or_else(|| {
        Failure::Configuration("no home folder: say where with --config-dir".to_owned())
    })
}

/// Writes beside the file, then takes its place.
fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(beside, path)
}

fn io(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Io(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "localhost:7443";

    fn files() -> (tempfile::TempDir, Files) {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("deep");
        let files = Files::open(Some(&inside)).expect("given");
        (folder, files)
    }

    fn token_of(files: &Files, user: Option<&str>) -> Option<(String, String)> {
        let kept = files.token(SERVER, user).expect("readable");
        kept.map(|(user, token)| (user, token.secret().to_owned()))
    }

    #[test]
    fn the_last_to_sign_in_is_remembered() {
        let (_folder, files) = files();
        assert_eq!(token_of(&files, None), None);
        files.keep(SERVER, "Ada", &Token::new("a")).expect("kept");
        files.keep(SERVER, "bo", &Token::new("b")).expect("kept");
        let entry = |user: &str, token: &str| Some((user.to_owned(), token.to_owned()));
        assert_eq!(token_of(&files, None), entry("bo", "b"));
        assert_eq!(token_of(&files, Some("ADA")), entry("ada", "a"));
        files.forget(SERVER, "bo").expect("forgotten");
        assert_eq!(token_of(&files, None), None);
        assert_eq!(token_of(&files, Some("ada")), entry("ada", "a"));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_tokens() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, files) = files();
        files.keep(SERVER, "ada", &Token::new("a")).expect("kept");
        let mode = std::fs::metadata(files.path())
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_broken_file_is_named_with_the_way_out() {
        let (_folder, files) = files();
        files.keep(SERVER, "ada", &Token::new("a")).expect("kept");
        std::fs::write(files.path(), "{").expect("written");
        let error = files.token(SERVER, None).expect_err("broken");
        assert_eq!(error.number(), 78);
        assert!(error.to_string().contains("tokens.json"), "{error}");
    }

    #[test]
    fn the_folder_follows_the_convention() {
        let with = |pairs: &'static [(&str, &str)]| {
            usual_folder(move |name| {
                let found = pairs.iter().find(|(key, _)| *key == name)?;
                Some(PathBuf::from(found.1))
            })
        };
        let both = with(&[("XDG_CONFIG_HOME", "/c"), ("HOME", "/h")]);
        assert_eq!(both.expect("two"), PathBuf::from("/c/rookery"));
        let home = with(&[("XDG_CONFIG_HOME", "relative"), ("HOME", "/h")]);
        assert_eq!(home.expect("one"), PathBuf::from("/h/.config/rookery"));
        assert_eq!(with(&[]).expect_err("none").number(), 78);
    }
}
