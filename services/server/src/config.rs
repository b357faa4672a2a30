//! [`Config`]: what an operator can set, from a file, the environment and flags, in this order of rank.
//!
//! Invariant: all mistakes are found before the first is told, wherever they are. Each key that somebody
//! has set is tried by itself on top of the defaults, so one mistake hides no other; then what only makes
//! sense together is checked, with the defaults for what is wrong by itself.

mod nodes;
mod sources;

use std::fmt;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::Serialized;
use figment::value::Dict;
use serde::{Deserialize, Serialize};
use services_accounts::PasswordPolicy;
use services_gateway::{CertificateSource, Limits, Span, TlsVersion, web_origin};

use crate::cli::ServeOptions;
use crate::files::FilesConfig;
use crate::stores::StoreAt;
#[cfg(feature = "foundationdb")]
use crate::stores::{self, ClusterConfig};

pub use nodes::NodesConfig;

/// What an operator can set.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen. Loopback by default: what is reachable from outside is a decision.
    pub listen: SocketAddr,
    /// Where everything is kept: the store, if it is embedded, and the certificate, if one is made.
    pub data_dir: PathBuf,
    /// Where history is kept.
    pub store: StoreAt,
    /// Where the key-encryption key lies, if not in the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// A passphrase from which it is derived instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_passphrase_file: Option<PathBuf>,
    /// The passphrase before that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_passphrase_previous_file: Option<PathBuf>,
    /// Whether what is stored is left as it is.
    pub unsealed: bool,
    /// The certificate and those that vouch for it, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// The password of the private key, in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key_password_file: Option<PathBuf>,
    /// Further host names and addresses for the certificate that is made.
    pub tls_names: Vec<String>,
    /// The oldest version of TLS to speak.
    pub tls_min: TlsVersion,
    /// Which passwords may be set.
    pub password_policy: Policy,
    /// Whether anybody may register without an invitation.
    pub self_registration: bool,
    /// Whether tools may ask what the API looks like.
    pub reflection: bool,
    /// The origins of pages that may call over gRPC-Web.
    pub web_origins: Vec<String>,
    /// What to log: a level, or targets with theirs, as `tracing_subscriber`'s `Targets` reads it.
    pub log: String,
    /// How to log.
    pub log_format: LogFormat,
    /// How long a stop may take before what is left is cut.
    pub stop_within: Span,
    /// Failed sign-ins that one address may have at once, and registrations without an invitation.
    pub sign_in_tries: u32,
    /// After each span of this, an address may fail once more.
    pub sign_in_try_every: Span,
    /// How to reach the cluster that `store` names.
    #[cfg(feature = "foundationdb")]
    pub fdb: ClusterConfig,
    /// How this server is one of several nodes; alone if not set.
    pub cluster: NodesConfig,
    /// Where files lie that people send, and which are taken.
    pub files: FilesConfig,
    /// The limits of the edge.
    pub limits: Limits,
}

/// Which passwords may be set.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Length, four classes of characters, no user name, no common password.
    #[default]
    Composed,
    /// Length and no common password, as NIST SP 800-63B advises.
    Nist,
}

/// How to log.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: an object a line.
    Json,
}

/// All that is wrong with a configuration. Its text has a line for each mistake.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Mistakes(Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        write!(f, "{count} {noun} in the configuration:")?;
        self.0
            .iter()
            .try_for_each(|mistake| write!(f, "\n  - {mistake}"))
    }
}

impl Default for Config {
    fn default() -> Self {
        let peers = services_accounts::PeerLimit::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7443)),
            data_dir: PathBuf::from("rookery-data"),
            store: StoreAt::default(),
            key_file: None,
            key_passphrase_file: None,
            key_passphrase_previous_file: None,
            unsealed: false,
            tls_cert: None,
            tls_key: None,
            tls_key_password_file: None,
            tls_names: Vec::new(),
            tls_min: TlsVersion::default(),
            password_policy: Policy::default(),
            self_registration: false,
            reflection: false,
            web_origins: Vec::new(),
            log: "info".to_owned(),
            log_format: LogFormat::default(),
            stop_within: Span::seconds(10),
            sign_in_tries: peers.burst,
            sign_in_try_every: Span::seconds(peers.refill.as_secs()),
            #[cfg(feature = "foundationdb")]
            fdb: ClusterConfig::default(),
            cluster: NodesConfig::default(),
            files: FilesConfig::default(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Reads what is set in the file, the environment and the flags.
    ///
    /// # Errors
    /// All mistakes, each with where it is and what would be right.
    pub fn load(options: &ServeOptions) -> Result<Self, Mistakes> {
        let variables = std::env::vars_os().map(|(name, text)| {
            let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
            (lossy(name), lossy(text))
        });
        Self::from_sources(options, variables)
    }

    fn from_sources(
        options: &ServeOptions,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Mistakes> {
        let mut mistakes = options.mistakes.clone();
        let defaults = Figment::from(Serialized::defaults(Self::default()));
        let mut set = Figment::new();
        if let Some(path) = &options.config {
            match sources::file(path) {
                Ok(file) => set = set.merge(file),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        for variable in sources::variables(variables, &defaults) {
            set = set.merge(variable);
        }
        set = set.merge(Serialized::globals(options));
        let keys = set.extract::<Dict>().unwrap_or_else(|error| {
            mistakes.push(error.to_string());
            Dict::new()
        });
        let (mut right, mut wrong) = (defaults.clone(), Vec::new());
        for (key, value) in sources::leaves(&keys) {
            let value = Serialized::global(&key, value);
            match defaults.clone().merge(value.clone()).extract::<Self>() {
                Ok(_) => right = right.merge(value),
                Err(error) => {
                    let text = sources::explained(&error.kind);
                    mistakes.push(format!("{}: {text}", sources::named(&set, &key)));
                    wrong.push(key);
                }
            }
        }
        match right.extract::<Self>() {
            Err(error) => mistakes.push(error.to_string()),
            Ok(config) => {
                let found = config.mistakes().into_iter();
                let found = found.filter(|(key, _)| !wrong.contains(key));
                mistakes.extend(
                    found.map(|(key, text)| format!("{}: {text}", sources::named(&set, &key))),
                );
                if mistakes.is_empty() {
                    return Ok(config);
                }
            }
        }
        Err(Mistakes(mistakes))
    }

    /// The whole configuration as a file.
    ///
    /// # Errors
    /// Never: every value has a form in TOML. The signature is that of the library.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// What accounts are started with.
    pub(crate) fn account_options(&self) -> services_accounts::Options {
        services_accounts::Options {
            password_policy: match self.password_policy {
                Policy::Composed => PasswordPolicy::Composed,
                Policy::Nist => PasswordPolicy::Nist,
            },
            self_registration: self.self_registration,
            peer_limit: services_accounts::PeerLimit {
                burst: self.sign_in_tries,
                refill: self.sign_in_try_every.duration(),
            },
            ..services_accounts::Options::default()
        }
    }

    /// What cannot work although each value has its form: the keys, and what would be right.
    fn mistakes(&self) -> Vec<(String, String)> {
        let mut found = Found(Vec::new());
        self.check_keys(&mut found);
        self.check_tls(&mut found);
        #[cfg(feature = "foundationdb")]
        for (key, text) in stores::mistakes(&self.fdb) {
            found.add(key, text);
        }
        for (key, text) in self.cluster.mistakes(&self.store) {
            found.add(key, text);
        }
        for (key, text) in self.files.mistakes() {
            found.add(&format!("files.{key}"), text);
        }
        for origin in &self.web_origins {
            found.failed("web_origins", web_origin(origin));
        }
        if self.sign_in_tries == 0 {
            found.add(
                "sign_in_tries",
                "is 0, so nobody could sign in; use 1 or more",
            );
        }
        if self.sign_in_try_every.is_zero() {
            found.add(
                "sign_in_try_every",
                "is no time, so there would be no limit; use 1s or more",
            );
        }
        if let Err(error) = self.log.parse::<tracing_subscriber::filter::Targets>() {
            let text = format!("{error}; write it as info or info,services_rooms=debug");
            found.add("log", text);
        }
        for mistake in self.limits.mistakes() {
            let text = format!("has to be {}", mistake.fix);
            found.add(&format!("limits.{}", mistake.field), text);
        }
        found.0
    }

    fn check_keys(&self, found: &mut Found) {
        let passphrase = self.key_passphrase_file.as_deref();
        let previous = self.key_passphrase_previous_file.as_deref();
        if self.key_file.is_some() && passphrase.is_some() {
            let text = "cannot be used with key_passphrase_file; name the one that the store was made with";
            found.add("key_file", text);
        }
        if previous.is_some() && passphrase.is_none() {
            let text = "is what key_passphrase_file replaces; set that too";
            found.add("key_passphrase_previous_file", text);
        }
        if self.unsealed && (self.key_file.is_some() || passphrase.is_some()) {
            let text = "needs no key; leave out key_file and key_passphrase_file, or this";
            found.add("unsealed", text);
        }
        found.readable("key_passphrase_file", passphrase);
        found.readable("key_passphrase_previous_file", previous);
    }

    fn check_tls(&self, found: &mut Found) {
        let (cert, key) = (&self.tls_cert, &self.tls_key);
        if cert.is_some() && key.is_none() {
            let text = "is missing; a certificate of your own (tls_cert) needs its private key";
            found.add("tls_key", text);
        }
        if key.is_some() && cert.is_none() {
            let text = "is missing; a private key of your own (tls_key) needs its certificate";
            found.add("tls_cert", text);
        }
        if self.tls_key_password_file.is_some() && key.is_none() {
            let text = "has no key to open; set tls_key and tls_cert too";
            found.add("tls_key_password_file", text);
        }
        if cert.is_some() && !self.tls_names.is_empty() {
            let text = "are for a certificate that is made; yours (tls_cert) has its names in it";
            found.add("tls_names", text);
        }
        for name in &self.tls_names {
            found.failed("tls_names", CertificateSource::check_name(name));
        }
        found.readable("tls_cert", cert.as_deref());
        found.readable("tls_key", key.as_deref());
        found.readable(
            "tls_key_password_file",
            self.tls_key_password_file.as_deref(),
        );
    }
}

/// Mistakes: the key and what is wrong with its value.
struct Found(Vec<(String, String)>);

impl Found {
    fn add(&mut self, key: &str, text: impl Into<String>) {
        self.0.push((key.to_owned(), text.into()));
    }

    fn failed<T>(&mut self, key: &str, checked: Result<T, impl fmt::Display>) {
        if let Err(error) = checked {
            self.add(key, error.to_string());
        }
    }

    fn readable(&mut self, key: &str, path: Option<&Path>) {
        if let Some(path) = path
            && let Err(error) = File::open(path)
        {
            let text = format!(
                "{} does not open ({error}); name a file that does",
                path.display()
            );
            self.add(key, text);
        }
    }
}

#[cfg(test)]
mod tests;
