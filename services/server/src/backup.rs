//! `rookery backup`: a store becomes an encrypted file, is looked through, and keys for it are made.
//!
//! Invariant: store and files are only read. One that a server has open is read by that server, over the socket in
//! its data directory; any other is opened here.
//!
//! Leaves out: what an archive is (`services-backup`), and when to make one (`ops/backup.md`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use cluster_store::OpenError;
use cluster_store::embedded::FILE_NAME;
use cluster_types::Rng;
use serde_json::json;
use services_backup::archive::BackupId;
use services_backup::collect::Scope;
use services_backup::file::back_up;
use services_backup::keys::{self, Identities, Recipients};
use services_backup::origin::Origin;
use services_backup::restore::verify;
use services_backup::socket;
use services_files::SealedFiles;

use crate::app::StartError;
use crate::config::Config;
use crate::files;
use crate::job::{self, Bar, Done, Failure, StoreOptions, TellOptions};
use crate::stores::{self, StoreAt};

/// Arguments of `backup`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(
    after_help = "A backup that was interrupted goes on when the same command is given again. \
    Exit codes: 0 done; 64 usage; 65 the backup is damaged, of another kind or of a newer release; 69 the server \
    is not reachable; 73 a file is in the way; 74 a file or the store cannot be used; 75 another backup or a rotation of keys is under way."
)]
pub struct BackupArgs {
    #[command(subcommand)]
    command: Option<BackupCommand>,
    #[command(flatten)]
    make: MakeArgs,

    /// Leave out the files that come with messages; when it is restored, they are gone
    #[arg(long)]
    without_files: bool,
}

#[derive(Debug, Subcommand)]
enum BackupCommand {
    /// Read a backup to its end, and say what is in it
    Verify(VerifyArgs),
    /// Make a key for backups; its recipient, to encrypt to, is printed
    Keygen(KeygenArgs),
    /// Write down what was erased, for the restore of an older backup
    Erasures(MakeArgs),
}

/// What is backed up, to where, for whom.
#[derive(Args, Debug)]
struct MakeArgs {
    /// The file to make. Until it is whole it is called FILE.partial.
    // Always there: clap sees to it, unless there is a subcommand instead.
    #[arg(long, value_name = "FILE", required = true)]
    to: Option<PathBuf>,

    /// Whom it is encrypted to; may be repeated. `rookery backup keygen` or age-keygen makes one.
    #[arg(long = "recipient", value_name = "age1...", required = true)]
    recipients: Vec<String>,

    #[command(flatten)]
    store: StoreOptions,

    #[command(flatten)]
    tell: TellOptions,
}

#[derive(Args, Debug)]
struct VerifyArgs {
    /// The backup.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// The file with the key that opens it.
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,

    #[command(flatten)]
    tell: TellOptions,
}

#[derive(Args, Debug)]
struct KeygenArgs {
    /// The file to make.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    #[command(flatten)]
    tell: TellOptions,
}

/// By how much a backup steps back for whoever else needs a processor. It compresses and encrypts all of a store,
/// mostly on the machine that serves, and nobody waits for it.
const NICE: i32 = 10;

/// Does what `backup` is asked for. Returns the code to exit with.
pub fn backup(arguments: BackupArgs) -> ExitCode {
    match arguments.command {
        Some(BackupCommand::Verify(arguments)) => job::run(arguments.tell, look_through(arguments)),
        Some(BackupCommand::Keygen(arguments)) => {
            job::run(arguments.tell, async move { keygen(&arguments.to) })
        }
        Some(BackupCommand::Erasures(arguments)) => {
            job::run(arguments.tell, make(arguments, Scope::Erasures))
        }
        None => {
            // Before there are threads, which take it over. A system that refuses it only lets others wait longer.
            let _refused = rustix::process::nice(NICE);
            let scope = if arguments.without_files {
                Scope::Rows
            } else {
                Scope::All
            };
            job::run(arguments.make.tell, make(arguments.make, scope))
        }
    }
}

async fn make(arguments: MakeArgs, scope: Scope) -> Result<Done, Failure> {
    let MakeArgs {
        to,
        recipients,
        store,
        tell,
    } = arguments;
    let to = to.expect("the command line is refused without it");
    let recipients = recipients.iter().map(|text| keys::recipient(text));
    let recipients = recipients.collect::<Result<Recipients, _>>()?;
    let rng = Rng::from_os();
    let from = origin(&store.load()?, &rng).await?;
    let mut bar = Bar::new(tell);
    let id = BackupId(rng.bytes());
    let (mut first, mut last) = (None, 0);
    let progress = back_up(from, scope, &to, id, recipients, |progress, bytes| {
        first.get_or_insert(bytes);
        last = bytes;
        bar.set("written", progress.part_done(), bytes);
    })
    .await?;
    let seconds = bar.seconds();
    drop(bar);
    let bytes = std::fs::metadata(&to).map_or(last, |about| about.len());
    let rate = job::rate(bytes - first.unwrap_or(0).min(bytes), seconds);
    let file = to.display();
    let what = match scope {
        Scope::All => {
            let gone = match progress.count("files_gone") {
                0 => String::new(),
                gone => format!(" ({gone} more went meanwhile)"),
            };
            format!("{}{gone}", summary(&progress.counts))
        }
        Scope::Rows => format!("{}, left out as asked for", summary(&progress.counts)),
        Scope::Erasures => format!("{} erasures", progress.count("Erasure")),
    };
    Ok(Done {
        text: format!(
            "{file}: {what}, {:.1} MB, {rate:.1} MB/s",
            bytes as f64 / 1e6
        ),
        json: json!({
            "file": to,
            "bytes": bytes,
            "records": progress.records,
            "counts": progress.counts,
            "without_files": scope == Scope::Rows,
            "seconds": seconds,
            "mb_per_s": rate,
        }),
    })
}

/// The store of the configuration, or the server that has it open.
async fn origin(config: &Config, rng: &Rng) -> Result<Origin, Failure> {
    let data_dir = &config.data_dir;
    if config.store == StoreAt::Embedded && !data_dir.join(FILE_NAME).exists() {
        let path = data_dir.clone();
        return Err(Failure::NoStore { path });
    }
    match stores::open(config, rng).await {
        Ok(store) => {
            let files = files::look(config).map_err(StartError::from)?;
            Ok(Origin::Store(store, SealedFiles::new(files)))
        }
        Err(StartError::Open(OpenError::InUse { .. })) => {
            Ok(Origin::Server(socket::path_in(data_dir)))
        }
        Err(error) => Err(error.into()),
    }
}

async fn look_through(arguments: VerifyArgs) -> Result<Done, Failure> {
    let VerifyArgs {
        from,
        identity,
        tell,
    } = arguments;
    let identities = Identities::read(&identity)?;
    let mut bar = Bar::new(tell);
    let length = length(&from);
    let found = verify(&from, &identities, |bytes| {
        bar.set("verified", part(bytes, length), bytes);
    });
    let found = found.await?;
    let seconds = bar.seconds();
    drop(bar);
    let rate = job::rate(length, seconds);
    let what = match found.scope {
        Scope::All => match found.files_missing {
            0 => summary(&found.counts),
            gone => format!(
                "{} ({gone} more went while it was made)",
                summary(&found.counts)
            ),
        },
        Scope::Rows => format!("{}, left out", summary(&found.counts)),
        Scope::Erasures => format!("{} erasures, and nothing else", found.erasures),
    };
    Ok(Done {
        text: format!("{}: whole; {what}; {rate:.1} MB/s", from.display()),
        json: json!({
            "file": from,
            "bytes": length,
            "chunks": found.chunks,
            "records": found.records,
            "counts": found.counts,
            "erasures": found.erasures,
            "files": found.files,
            "files_missing": found.files_missing,
            "without_files": found.scope == Scope::Rows,
            "only_erasures": found.scope == Scope::Erasures,
            "schema_version": found.schema_version,
            "seconds": seconds,
            "mb_per_s": rate,
        }),
    })
}

fn keygen(to: &Path) -> Result<Done, Failure> {
    let recipient = keys::generate(to)?;
    Ok(Done {
        text: format!(
            "{recipient}\n\n{} opens what is encrypted to it. Keep it, and a copy, away from the server.",
            to.display()
        ),
        json: json!({ "recipient": recipient, "file": to }),
    })
}

/// How long a file is; 0 if it cannot be told.
pub(crate) fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |about| about.len())
}

/// The part that so many bytes are.
pub(crate) fn part(bytes: u64, length: u64) -> f64 {
    bytes as f64 / length.max(1) as f64
}

fn summary(counts: &std::collections::BTreeMap<String, u64>) -> String {
    format!(
        "{} rooms, {} events, {} accounts, {} files",
        count(counts, "rooms"),
        count(counts, "events"),
        count(counts, "Account"),
        count(counts, "files"),
    )
}

fn count(counts: &std::collections::BTreeMap<String, u64>, what: &str) -> u64 {
    counts.get(what).copied().unwrap_or(0)
}
