//! [`Config`]: what an operator can set, from a file, the environment and flags, in this order of rank.
//!
//! Invariant: all mistakes are found before the first is told. Each key that somebody has set is tried
//! by itself on top of the defaults, so one mistake hides no other; then what only makes sense together
//! is checked.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use figment::error::Kind;
use figment::providers::{Env, Format as _, Serialized, Toml};
use figment::value::{Dict, Value};
use figment::{Figment, Source};
use serde::{Deserialize, Serialize};
use services_accounts::PasswordPolicy;
use services_gateway::{Limits, Span, TlsVersion};

use crate::cli::ServeOptions;

/// What every variable in the environment begins with. `__` stands for the dot between tables.
const ENVIRONMENT: &str = "ROOKERY_";

/// What an operator can set.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen. Loopback by default: what is reachable from outside is a decision.
    pub listen: SocketAddr,
    /// Where everything is kept: the store, and the certificate if one is made.
    pub data_dir: PathBuf,
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
    /// What to log, as tracing's `EnvFilter` reads it.
    pub log: String,
    /// How to log.
    pub log_format: LogFormat,
    /// How long a stop may take before what is left is cut.
    pub stop_within: Span,
    /// Failed sign-ins that one address may have at once, and registrations without an invitation.
    pub sign_in_tries: u32,
    /// After each span of this, an address may fail once more.
    pub sign_in_try_every: Span,
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
        // What begins with ROOKERY_CLIENT_ is meant for `rookery chat` and `rookery admin`.
        let environment = Env::prefixed(ENVIRONMENT)
            .filter(|key| !key.starts_with("client_"))
            .split("__");
        Self::from_sources(options, environment)
    }

    fn from_sources(
        options: &ServeOptions,
        environment: impl figment::Provider,
    ) -> Result<Self, Mistakes> {
        let mut set = Figment::new();
        if let Some(file) = &options.config {
            if !file.is_file() {
                let text = format!("--config: there is no file {}", file.display());
                return Err(Mistakes(vec![text]));
            }
            set = set.merge(Toml::file_exact(file));
        }
        set = set.merge(environment).merge(Serialized::globals(options));
        let keys = set.extract::<Dict>().map_err(|error| {
            Mistakes(error.into_iter().map(|error| error.to_string()).collect())
        })?;
        let defaults = Figment::from(Serialized::defaults(Self::default()));
        let mut mistakes: Vec<_> = leaves(&keys)
            .into_iter()
            .filter_map(|(path, value)| wrong_by_itself(&set, &defaults, &path, value))
            .collect();
        if mistakes.is_empty() {
            match defaults.merge(set).extract::<Self>() {
                Ok(config) => {
                    mistakes = config.wrong_together();
                    if mistakes.is_empty() {
                        return Ok(config);
                    }
                }
                Err(error) => mistakes.push(error.to_string()),
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

    fn wrong_together(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut wrong = |is_wrong: bool, text: &str| {
            if is_wrong {
                mistakes.push(text.to_owned());
            }
        };
        wrong(
            self.tls_cert.is_some() && self.tls_key.is_none(),
            "tls_key: is missing; a certificate of your own (tls_cert) needs its private key",
        );
        wrong(
            self.tls_key.is_some() && self.tls_cert.is_none(),
            "tls_cert: is missing; a private key of your own (tls_key) needs its certificate",
        );
        wrong(
            self.tls_key_password_file.is_some() && self.tls_key.is_none(),
            "tls_key_password_file: has no key to open; set tls_key and tls_cert too",
        );
        wrong(
            self.tls_cert.is_some() && !self.tls_names.is_empty(),
            "tls_names: are for a certificate that is made; yours (tls_cert) has its names in it",
        );
        wrong(
            self.sign_in_tries == 0,
            "sign_in_tries: is 0, so nobody could sign in; use 1 or more",
        );
        if let Err(error) = self.log.parse::<tracing_subscriber::filter::Targets>() {
            mistakes.push(format!(
                "log: {error}; write it as info or info,services_rooms=debug"
            ));
        }
        let limits = self.limits.mistakes().into_iter();
        mistakes.extend(limits.map(|mistake| format!("limits.{}: {}", mistake.field, mistake.fix)));
        mistakes
    }
}

/// Every value that is set, with its path.
fn leaves(keys: &Dict) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (key, value) in keys {
        if let Value::Dict(_, inner) = value
            && !inner.is_empty()
        {
            let inner = leaves(inner).into_iter();
            found.extend(inner.map(|(path, value)| (format!("{key}.{path}"), value)));
        } else {
            found.push((key.clone(), value.clone()));
        }
    }
    found
}

/// What is wrong with one key, whatever the others are.
fn wrong_by_itself(set: &Figment, defaults: &Figment, path: &str, value: Value) -> Option<String> {
    let alone = defaults.clone().merge(Serialized::global(path, value));
    let error = alone.extract::<Config>().err()?;
    Some(format!("{}: {}", named(set, path), explained(&error.kind)))
}

/// A key as whoever set it calls it.
fn named(set: &Figment, path: &str) -> String {
    let metadata = set.find_metadata(path);
    let is_variable = metadata.is_some_and(|found| found.name.contains("environment"));
    match metadata.and_then(|found| found.source.as_ref()) {
        Some(Source::File(file)) => format!("{path} in {}", file.display()),
        _ if is_variable => format!("{ENVIRONMENT}{}", path.replace('.', "__").to_uppercase()),
        _ => {
            // Flags that may be repeated are named in the singular.
            let flag = path.trim_end_matches("_names").trim_end_matches("_origins");
            let plural = flag.len() < path.len();
            let last = if path.ends_with("_names") {
                "-name"
            } else {
                "-origin"
            };
            format!(
                "--{}{}",
                flag.replace('_', "-"),
                if plural { last } else { "" }
            )
        }
    }
}

fn explained(kind: &Kind) -> String {
    if let Kind::UnknownField(_, _) = kind {
        "there is no such key; rookery serve --dump-config shows all there are".to_owned()
    } else if let Kind::UnknownVariant(found, known) = kind {
        format!("`{found}` is none of {}", known.join(", "))
    } else if let Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) = kind {
        format!("is {found}, and has to be {wanted}")
    } else {
        kind.to_string()
    }
}

#[cfg(test)]
mod tests;
