//! Commands that do one thing and end: what they have in common.
//!
//! Invariant: the result goes to standard output, everything else to standard error; a failure says what to
//! do, and has an exit code that a script can act on.
//!
//! Leaves out: what the commands do ([`backup`](crate::backup), [`restore`](crate::restore)).

mod bar;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cluster_rpc::link::certificates::CertificateError;
use cluster_store::StoreError;
use serde_json::{Value, json};
use services_backup::envelope::EnvelopeError;
use services_backup::file::BackupError;
use services_backup::keys::KeyError;
use services_backup::origin::SourceError;
use services_backup::restore::{RestoreError, VerifyError};
use services_vault::OpenError;

pub(crate) use bar::Bar;

use crate::app::StartError;
use crate::cli::{
    EXIT_CONFLICT, EXIT_DATA, EXIT_IO, EXIT_SOFTWARE, EXIT_TEMPORARY, EXIT_UNAVAILABLE, EXIT_USAGE,
    ServeOptions,
};
use crate::config::{Config, Mistakes};
use crate::{cluster, logging, serve};

/// Which store a command is about, said as to `serve`.
#[derive(Args, Clone, Debug)]
pub struct StoreOptions {
    /// The configuration file of the server.
    #[arg(
        long,
        value_name = "FILE",
        env = "ROOKERY_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,

    /// The data directory of the server [default: rookery-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,

    /// Where it keeps history: embedded (in the data directory) or fdb:CLUSTER_FILE [default: embedded]
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
}

/// How a command tells what it has done.
#[derive(Args, Clone, Copy, Debug)]
pub struct TellOptions {
    /// End with one object on standard output, and no progress bar
    #[arg(long)]
    pub(crate) json: bool,
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] Mistakes),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] StartError),
    /// There is none.
    #[error("there is no store in {}: name another --data-dir or --store", path.display())]
    NoStore {
        /// The data directory.
        path: PathBuf,
    },
    /// The backup was not made.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The backup is not whole.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The backup was not restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The key does not lie in a file.
    #[error(
        "the key of this server lies in no file: it is made from a passphrase, or nothing is sealed; \
         keep the passphrase instead, or name a --key-file"
    )]
    NoKeyFile,
    /// The key file cannot be read or made.
    #[error(transparent)]
    KeyFile(#[from] OpenError),
    /// What was exported cannot be read or made.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// A certificate of a node cannot be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The system gives no threads.
    #[error("the command cannot be run")]
    Threads(#[source] io::Error),
}

impl Failure {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Key(KeyError::Recipient { .. }) => EXIT_USAGE,
            Self::NoKeyFile => EXIT_USAGE,
            Self::Key(_) | Self::NoStore { .. } => EXIT_IO,
            Self::KeyFile(OpenError::KeyFileIo { source, .. }) => write_code(source),
            Self::KeyFile(OpenError::KeyFileMalformed { .. }) => EXIT_DATA,
            Self::KeyFile(_) => EXIT_IO,
            Self::Envelope(error) => envelope_code(error),
            Self::Open(error) => serve::code(error),
            Self::Backup(error) => backup_code(error),
            Self::Verify(error) => verify_code(error),
            Self::Restore(error) => restore_code(error),
            Self::Certificate(error) => cluster::code(error),
            Self::Threads(_) => EXIT_SOFTWARE,
        }
    }
}

fn envelope_code(error: &EnvelopeError) -> u8 {
    match error {
        EnvelopeError::Write { source, .. } => write_code(source),
        EnvelopeError::Read { .. } => EXIT_IO,
        EnvelopeError::WrongIdentity { .. } | EnvelopeError::Damaged { .. } => EXIT_DATA,
    }
}

fn write_code(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::AlreadyExists {
        EXIT_CONFLICT
    } else {
        EXIT_IO
    }
}

const fn backup_code(error: &BackupError) -> u8 {
    match error {
        BackupError::Exists { .. } | BackupError::Partial { .. } => EXIT_CONFLICT,
        BackupError::UnderWay { .. } => EXIT_TEMPORARY,
        BackupError::Write { .. } => EXIT_IO,
        BackupError::Source { source, .. } => match source {
            SourceError::Socket(_) | SourceError::Store(StoreError::Unavailable) => {
                EXIT_UNAVAILABLE
            }
            SourceError::Refused { passes: true, .. } | SourceError::Rotating => EXIT_TEMPORARY,
            SourceError::OtherDeployment => EXIT_CONFLICT,
            SourceError::Refused { passes: false, .. }
            | SourceError::File { .. }
            | SourceError::Store(_)
            | SourceError::OtherRelease => EXIT_IO,
        },
    }
}

const fn verify_code(error: &VerifyError) -> u8 {
    match error {
        VerifyError::Open { .. } => EXIT_IO,
        VerifyError::Archive { .. }
        | VerifyError::Unknown { .. }
        | VerifyError::NotWhole { .. }
        | VerifyError::NewerSchema { .. }
        | VerifyError::NoDeployment { .. } => EXIT_DATA,
    }
}

const fn restore_code(error: &RestoreError) -> u8 {
    match error {
        RestoreError::File(error) => verify_code(error),
        RestoreError::OnlyErasures { .. } | RestoreError::OtherErasures { .. } => EXIT_DATA,
        RestoreError::NotEmpty { .. } | RestoreError::FilesNotEmpty { .. } => EXIT_CONFLICT,
        RestoreError::Place(error) if !error.may_pass() => EXIT_CONFLICT,
        RestoreError::Place(_)
        | RestoreError::FilesUnread { .. }
        | RestoreError::Files { .. }
        | RestoreError::Store { .. }
        | RestoreError::Changed { .. } => EXIT_IO,
    }
}

impl StoreOptions {
    /// The configuration of the server that has the store. A command says less than a server does.
    pub(crate) fn load(self) -> Result<Config, Failure> {
        let options = ServeOptions {
            config: self.config,
            data_dir: self.data_dir,
            store: self.store,
            ..ServeOptions::default()
        };
        let mut config = Config::load(&options)?;
        "warn".clone_into(&mut config.log);
        logging::start(&config);
        Ok(config)
    }
}

/// What a command has done, for people and for programs.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) text: String,
    pub(crate) json: Value,
}

/// Runs a command to its end.
pub(crate) fn run(
    tell: TellOptions,
    work: impl Future<Output = Result<Done, Failure>>,
) -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let done = match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(Failure::Threads(error)),
    };
    match done {
        Ok(Done { text, json }) => {
            let text = if tell.json { json.to_string() } else { text };
            // It fails only if nobody reads what would be said.
            let _unread = writeln!(io::stdout().lock(), "{text}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let _unread = writeln!(io::stderr().lock(), "{}", told(&failure, tell));
            ExitCode::from(failure.code())
        }
    }
}

fn told(failure: &Failure, tell: TellOptions) -> String {
    let mut causes = Vec::new();
    let mut cause = failure.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    if tell.json {
        let error = json!({
            "exit_code": failure.code(),
            "message": failure.to_string(),
            "causes": causes,
        });
        return json!({ "error": error }).to_string();
    }
    let causes = causes.iter().map(|cause| format!("\n  because: {cause}"));
    format!("rookery: {failure}{}", causes.collect::<String>())
}

/// Megabytes a second, over so many seconds.
pub(crate) fn rate(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / 1e6 / seconds.max(1e-3)
}
