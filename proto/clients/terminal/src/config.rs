//! What is kept between two runs: tokens, and the fingerprints of servers.
//!
//! Invariant: a password is never written. The file with the tokens can be read by its owner alone, and
//! no token is lost when two programs sign in at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rookery_client::{KnownServers, PrivateFile, Token};
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
        let file = self.tokens();
        let text = file.read().map_err(|error| io(file.path(), &error))?;
        let kept = parse(&file, text)?;
        let Some(server) = kept.servers.get(server) else {
            return Ok(None);
        };
        let user = user.unwrap_or(&server.last_user).to_lowercase();
        let token = server.tokens.get(&user);
        Ok(token.map(|token| (user, Token::new(token.clone()))))
    }

    /// Keeps a token for the next time.
    pub(crate) fn keep(&self, server: &str, user: &str, token: &Token) -> Result<(), Failure> {
        self.change(|kept| {
            let entry = kept.servers.entry(server.to_owned()).or_default();
            entry.last_user = user.to_lowercase();
            let secret = token.secret().to_owned();
            entry.tokens.insert(user.to_lowercase(), secret);
        })
    }

    /// Forgets a token that is void.
    pub(crate) fn forget(&self, server: &str, user: &str) -> Result<(), Failure> {
        self.change(|kept| {
            if let Some(entry) = kept.servers.get_mut(server) {
                entry.tokens.remove(&user.to_lowercase());
            }
        })
    }

    fn tokens(&self) -> PrivateFile {
        PrivateFile::new(self.folder.join("tokens.json"))
    }

    fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<(), Failure> {
        let file = self.tokens();
        let failed = |error: std::io::Error| io(file.path(), &error);
        let locked = file.lock().map_err(failed)?;
        let mut kept = parse(&file, locked.read().map_err(failed)?)?;
        change(&mut kept);
        let text = serde_json::to_vec_pretty(&kept)
            .map_err(|error| Failure::Configuration(error.to_string()))?;
        locked.replace(&text).map_err(failed)
    }
}

fn parse(file: &PrivateFile, text: Option<Vec<u8>>) -> Result<Kept, Failure> {
    let Some(text) = text else {
        return Ok(Kept::default());
    };
    serde_json::from_slice(&text).map_err(|error| {
        let path = file.path().display();
        Failure::Configuration(format!("{path}: {error}; delete it and sign in again"))
    })
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

    #[test]
    fn of_two_who_sign_in_at_once_both_are_kept() {
        let (_folder, files) = files();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let files = &files;
                scope.spawn(move || {
                    let user = format!("user-{number}");
                    files.keep(SERVER, &user, &Token::new(&user)).expect("kept");
                });
            }
        });
        for number in 0..8 {
            let user = format!("user-{number}");
            assert_eq!(
                token_of(&files, Some(&user)),
                Some((user.clone(), user.clone()))
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_tokens() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, files) = files();
        files.keep(SERVER, "ada", &Token::new("a")).expect("kept");
        let mode = std::fs::metadata(files.tokens().path())
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_broken_file_is_named_with_the_way_out() {
        let (_folder, files) = files();
        files.keep(SERVER, "ada", &Token::new("a")).expect("kept");
        std::fs::write(files.tokens().path(), "{").expect("written");
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
