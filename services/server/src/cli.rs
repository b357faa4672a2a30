//! The command line. Every flag of `serve` is a key of the configuration, and is checked there.
//!
//! Invariant: what is wrong with the flags of `serve` themselves is found all at once, and told with the
//! mistakes in what they say ([`ServeOptions::mistakes`]). clap by itself stops at the first.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, Parser, Subcommand};
use serde::Serialize;

use crate::backup::BackupArgs;
use crate::cluster::ClusterArgs;
use crate::demo::DemoArgs;
use crate::dev_cluster::DevClusterArgs;
use crate::key_files::KeysArgs;
use crate::restore::RestoreArgs;

/// Exit code for mistakes in flags, environment or configuration file (`EX_USAGE` of sysexits.h).
pub const EXIT_USAGE: u8 = 64;

/// Exit code for a file whose content cannot be used (`EX_DATAERR`).
pub const EXIT_DATA: u8 = 65;

/// Exit code for an address that cannot be listened on (`EX_UNAVAILABLE`).
pub const EXIT_UNAVAILABLE: u8 = 69;

/// Exit code for a defect, at the start or later, or a system that refuses what it should not
/// (`EX_SOFTWARE`).
pub const EXIT_SOFTWARE: u8 = 70;

/// Exit code for something that is in the way (`EX_CANTCREAT`).
pub const EXIT_CONFLICT: u8 = 73;

/// Exit code for what works later (`EX_TEMPFAIL`).
pub const EXIT_TEMPORARY: u8 = 75;

/// Exit code for a store, key or certificate that cannot be used (`EX_IOERR`).
pub const EXIT_IO: u8 = 74;

/// A messenger's backend that you host yourself.
#[derive(Debug, Parser)]
#[command(name = "rookery", version, args_conflicts_with_subcommands = true)]
#[command(after_help = "Without a command: serve.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Without a command: how to serve.
    #[command(flatten)]
    pub serve: ServeOptions,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server.
    Serve(ServeOptions),
    /// Chat in this terminal.
    Chat(proto_clients_terminal::ChatArgs),
    /// Look after a server: accounts, invitations, rooms.
    Admin(proto_clients_terminal::AdminArgs),
    /// Keep the key file apart, encrypted.
    Keys(KeysArgs),
    /// Make an encrypted backup, also while the server runs.
    Backup(BackupArgs),
    /// Make the store of a server from a backup.
    Restore(RestoreArgs),
    /// Run several nodes in one process, to try a cluster and to break it.
    DevCluster(DevClusterArgs),
    /// Show in a minute what a cluster promises: nodes go, and nothing that was said does.
    Demo(DemoArgs),
    /// Make certificates for the nodes of a cluster.
    Cluster(ClusterArgs),
}

impl Cli {
    /// Reads a command line, the name of the program first.
    ///
    /// # Errors
    /// A wish for help, or what is wrong. With the flags of `serve` that is in its options instead.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut args: Vec<_> = args.into_iter().collect();
        let mut errors = Vec::new();
        let mut cli = loop {
            match Self::try_parse_from(&args) {
                Ok(cli) => break cli,
                Err(help) if !help.use_stderr() => return Err(help),
                Err(error) => {
                    let before = args.len();
                    remove(&mut args, &error);
                    let removed = args.len() < before;
                    errors.push(error);
                    if !removed {
                        return Err(errors.swap_remove(0));
                    }
                }
            }
        };
        let serve = match &mut cli.command {
            None => &mut cli.serve,
            Some(Command::Serve(options)) => options,
            Some(
                Command::Chat(_)
                | Command::Admin(_)
                | Command::Keys(_)
                | Command::Backup(_)
                | Command::Restore(_)
                | Command::DevCluster(_)
                | Command::Demo(_)
                | Command::Cluster(_),
            ) => {
                return errors.into_iter().next().map_or(Ok(cli), Err);
            }
        };
        serve.mistakes = errors.iter().map(told).collect();
        Ok(cli)
    }
}

/// The argument that `error` is about, as it was typed.
fn culprit(error: &clap::Error) -> Option<&str> {
    let ContextValue::String(text) = error.get(ContextKind::InvalidArg)? else {
        return None;
    };
    // It is followed by what its value is, if it should have one.
    text.split([' ', '=']).next()
}

/// Takes the argument that `error` is about out of `args`, with the values of a flag.
fn remove(args: &mut Vec<OsString>, error: &clap::Error) {
    let Some(culprit) = culprit(error) else {
        return;
    };
    let mut removing = false;
    let mut is_first = true;
    args.retain(|arg| {
        let text = arg.to_string_lossy();
        if std::mem::take(&mut is_first) {
            return true;
        }
        let is_culprit = text.split('=').next() == Some(culprit);
        if text.starts_with('-') {
            removing = is_culprit;
        }
        !(removing || is_culprit)
    });
}

/// A mistake on one line, with its fix.
fn told(error: &clap::Error) -> String {
    let culprit = culprit(error).unwrap_or("the command line");
    if error.kind() == ErrorKind::UnknownArgument {
        let known = match error.get(ContextKind::SuggestedArg) {
            Some(ContextValue::String(known)) => format!("did you mean {known}?"),
            _ => "rookery serve --help shows all there are".to_owned(),
        };
        return format!("{culprit}: there is no such flag; {known}");
    }
    let text = error.to_string();
    let what = text.lines().next().unwrap_or_default();
    let what = what.trim_start_matches("error: ");
    format!("{culprit}: {what}; rookery serve --help shows how it is used")
}

/// How to serve. Flags win over `ROOKERY_*` in the environment, which win over the file.
#[derive(Args, Clone, Debug, Default, Serialize)]
pub struct ServeOptions {
    /// What is wrong with the flags themselves, a line each.
    #[arg(skip)]
    #[serde(skip)]
    pub mistakes: Vec<String>,

    /// A TOML file with the same keys as the flags, with `_` for `-`, and all limits.
    #[arg(
        long,
        value_name = "FILE",
        env = "ROOKERY_CONFIG",
        hide_env_values = true
    )]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// Print the configuration that results, as TOML, and exit.
    #[arg(long)]
    #[serde(skip)]
    pub dump_config: bool,

    /// Where to listen [default: 127.0.0.1:7443]
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,

    /// Where to keep everything [default: rookery-data]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<String>,

    /// Where to keep history: embedded (in the data directory) or fdb:CLUSTER_FILE [default: embedded]
    #[arg(long, value_name = "STORE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,

    /// The file with the key that all stored data is sealed under; made at the first start
    /// [default: rookery.keys in the data directory]
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,

    /// A file with a passphrase instead, from which that key is derived.
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_passphrase_file: Option<String>,

    /// A file with the passphrase that was used before, until a rotation has replaced it.
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_passphrase_previous_file: Option<String>,

    /// Seal nothing: for disks that are encrypted. Cannot be changed once a store is made.
    #[arg(long, action = ArgAction::SetTrue)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unsealed: bool,

    /// The certificate and those that vouch for it, as PEM; without one, one is made.
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<String>,

    /// Its private key, as PEM.
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<String>,

    /// The password of the private key, in a file.
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key_password_file: Option<String>,

    /// A further host name or address for the certificate that is made; may be repeated.
    #[arg(long = "tls-name", value_name = "NAME")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tls_names: Vec<String>,

    /// The oldest version of TLS to speak: 1.3 or 1.2 [default: 1.3]
    #[arg(long, value_name = "VERSION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_min: Option<String>,

    /// Which passwords may be set: composed or nist [default: composed]
    #[arg(long, value_name = "POLICY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_policy: Option<String>,

    /// Let anybody register without an invitation.
    #[arg(long, action = ArgAction::SetTrue)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub self_registration: bool,

    /// Let tools ask what the API looks like (gRPC reflection).
    #[arg(long, action = ArgAction::SetTrue)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reflection: bool,

    /// The origin of a page that may call over gRPC-Web; may be repeated.
    #[arg(long = "web-origin", value_name = "ORIGIN")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub web_origins: Vec<String>,

    /// What to log: a level, or parts of the program with theirs, as in info,services_rooms=debug
    /// [default: info]
    #[arg(long, value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,

    /// How to log: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Cli, clap::Error> {
        Cli::read(line.split_whitespace().map(OsString::from))
    }

    fn mistakes(line: &str) -> Vec<String> {
        let cli = read(line).expect("all of it is understood somehow");
        match cli.command {
            Some(Command::Serve(options)) => options.mistakes,
            _ => cli.serve.mistakes,
        }
    }

    #[test]
    fn every_flag_that_is_wrong_is_told_with_its_fix() {
        for command in ["rookery", "rookery serve"] {
            let told = mistakes(&format!(
                "{command} --lisen 127.0.0.1:1 --nope=7 --log --reflection=yes --tls-min 1.2 \
                 --data-dir a --data-dir b"
            ));
            let begins = |begin: &str| told.iter().any(|text| text.starts_with(begin));
            assert_eq!(told.len(), 5, "{told:#?}");
            assert!(
                begins("--lisen: there is no such flag; did you mean --listen?"),
                "{told:#?}"
            );
            assert!(begins("--nope: there is no such flag; "), "{told:#?}");
            assert!(begins("--log: a value is required"), "{told:#?}");
            assert!(begins("--reflection: unexpected value 'yes'"), "{told:#?}");
            assert!(begins("--data-dir: the argument"), "{told:#?}");
        }
    }

    #[test]
    fn what_is_right_is_read_beside_what_is_wrong() {
        let cli = read("rookery serve --nope --tls-min 1.2").expect("understood");
        let Some(Command::Serve(options)) = cli.command else {
            panic!("not the command");
        };
        assert_eq!(options.tls_min.as_deref(), Some("1.2"));
        assert_eq!(mistakes("rookery --reflection"), [""; 0]);
    }

    #[test]
    fn other_commands_and_help_are_left_to_clap() {
        for (line, kind) in [
            ("rookery chat --nope", ErrorKind::UnknownArgument),
            ("rookery serf", ErrorKind::InvalidSubcommand),
            ("rookery serve --help", ErrorKind::DisplayHelp),
            ("rookery --version", ErrorKind::DisplayVersion),
        ] {
            assert_eq!(read(line).expect_err("clap's").kind(), kind, "{line}");
        }
    }
}
