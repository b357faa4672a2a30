//! The command line. Every flag of `serve` is a key of the configuration, and is checked there.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use serde::Serialize;

/// Exit code for mistakes in flags, environment or configuration file (`EX_USAGE` of sysexits.h).
pub const EXIT_USAGE: u8 = 64;

/// Exit code for an address that cannot be listened on (`EX_UNAVAILABLE`).
pub const EXIT_UNAVAILABLE: u8 = 69;

/// Exit code for a defect or a system that refuses what it should not (`EX_SOFTWARE`).
pub const EXIT_SOFTWARE: u8 = 70;

/// Exit code for a store or certificate that cannot be used (`EX_IOERR`).
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
}

/// How to serve. Flags win over `ROOKERY_*` in the environment, which win over the file.
#[derive(Args, Clone, Debug, Default, Serialize)]
pub struct ServeOptions {
    /// A TOML file with the same keys as the flags, with `_` for `-`, and all limits.
    #[arg(long, value_name = "FILE")]
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

    /// What to log, as tracing's EnvFilter reads it [default: info]
    #[arg(long, value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,

    /// How to log: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<String>,
}
