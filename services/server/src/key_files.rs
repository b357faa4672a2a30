//! `rookery keys`: the key file leaves this machine encrypted, and comes back.
//!
//! Invariant: no file is overwritten, and what is exported is a key file that opens a store: it has been read.
//!
//! Leaves out: where the key comes from at a start (`keys`), and its rotation, which is for a server that runs
//! (`rookery admin keys`).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use services_backup::envelope;
use services_backup::keys::{self as recipients, Identities, Recipients};
use services_vault::KeyFile;

use crate::job::{self, Done, Failure, StoreOptions, TellOptions};
use crate::keys;

/// Arguments of `keys`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 done; 64 usage; 65 the file is damaged, or encrypted to others; 73 a file is in the \
    way; 74 a file cannot be used."
)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Encrypt the key file of a server, to be kept apart from its backups
    Export(ExportArgs),
    /// Make a key file of what was exported
    Import(ImportArgs),
}

#[derive(Args, Debug)]
struct ExportArgs {
    /// The file to make.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// Whom it is encrypted to; may be repeated. `rookery backup keygen` or age-keygen makes one.
    #[arg(long = "recipient", value_name = "age1...", required = true)]
    recipients: Vec<String>,

    /// The key file [default: that of the server]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    #[command(flatten)]
    store: StoreOptions,

    #[command(flatten)]
    tell: TellOptions,
}

#[derive(Args, Debug)]
struct ImportArgs {
    /// What was exported.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// The file with the key that opens it.
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,

    /// The key file to make.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    #[command(flatten)]
    tell: TellOptions,
}

/// Does what `keys` is asked for. Returns the code to exit with.
pub fn key_files(arguments: KeysArgs) -> ExitCode {
    match arguments.command {
        KeysCommand::Export(arguments) => {
            job::run(arguments.tell, async move { export(arguments) })
        }
        KeysCommand::Import(arguments) => {
            job::run(arguments.tell, async move { import(&arguments) })
        }
    }
}

fn export(arguments: ExportArgs) -> Result<Done, Failure> {
    let to = arguments.recipients.iter();
    let to = to.map(|text| recipients::recipient(text));
    let to = to.collect::<Result<Recipients, _>>()?;
    let from = match arguments.key_file {
        Some(file) => file,
        None => keys::key_file(&arguments.store.load()?).ok_or(Failure::NoKeyFile)?,
    };
    let text = KeyFile::new(from.clone()).text()?;
    envelope::put(&arguments.to, text.as_bytes(), &to)?;
    let made = arguments.to;
    Ok(Done {
        text: format!(
            "{}: the key of {}, encrypted. Keep it apart from the backups, and export again after each rotation.",
            made.display(),
            from.display()
        ),
        json: json!({ "file": made, "key_file": from }),
    })
}

fn import(arguments: &ImportArgs) -> Result<Done, Failure> {
    let identities = Identities::read(&arguments.identity)?;
    let text = envelope::get(&arguments.from, &identities)?;
    let made = KeyFile::new(arguments.to.clone());
    made.create(&text, &arguments.from)?;
    let made = &arguments.to;
    Ok(Done {
        text: format!("{}: start the server with --key-file", made.display()),
        json: json!({ "key_file": made }),
    })
}
