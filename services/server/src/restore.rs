//! `rookery restore`: a backup becomes the store of a server that does not run yet.
//!
//! Moving house is this: a backup of the one store, restored into another.
//!
//! Invariant: the store has to be empty, and opens only once the restore is done. No port opens before. **Where there is
//! no store, none is made before the backup has been verified.**

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cluster_store::Store;
use cluster_store::embedded::FILE_NAME;
use cluster_types::Rng;
use serde_json::json;
use services_backup::keys::Identities;
use services_backup::restore::{self, Source, Target};
use services_files::SealedFiles;

use crate::app::StartError;
use crate::backup::{length, part};
use crate::config::Config;
use crate::files;
use crate::job::{self, Bar, Done, Failure, StoreOptions, TellOptions};
use crate::stores::{self, StoreAt};

/// Arguments of `restore`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 done; 64 usage; 65 the backup is damaged, of another kind or of a newer release; \
    73 the store or the place for files is not empty; 74 a file or the store cannot be used."
)]
pub struct RestoreArgs {
    /// The backup.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// The file with the key that opens it.
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,

    /// What was erased since: the newest backup, or what `rookery backup erasures` wrote. It is encrypted to the
    /// same key.
    #[arg(long, value_name = "FILE")]
    erasures: Option<PathBuf>,

    #[command(flatten)]
    store: StoreOptions,

    #[command(flatten)]
    tell: TellOptions,
}

/// Restores. Returns the code to exit with.
pub fn restore(arguments: RestoreArgs) -> ExitCode {
    job::run(arguments.tell, run(arguments))
}

async fn run(arguments: RestoreArgs) -> Result<Done, Failure> {
    let RestoreArgs {
        from,
        identity,
        erasures,
        store,
        tell,
    } = arguments;
    let source = Source {
        identities: Identities::read(&identity)?,
        from,
        erasures,
    };
    let (config, rng) = (store.load()?, Rng::from_os());
    let early = there(&config, &rng).await?;
    let mut bar = Bar::new(tell);
    let length = length(&source.from);
    // A verification is quick beside the writing.
    let verifying = |bytes| bar.set("verified", part(bytes, length) / 4.0, bytes);
    let prepared = restore::prepare(source, verifying).await?;
    let store = match early {
        Some(store) => store,
        None => stores::open(&config, &rng).await?,
    };
    let objects = files::open(&config).await.map_err(StartError::from)?;
    let files = SealedFiles::new(objects);
    let target = Target { store, files };
    let writing = |bytes| bar.set("restored", 0.25 + part(bytes, length) * 0.75, bytes);
    let done = prepared.write(&target, &rng, writing).await;
    let seconds = bar.seconds();
    drop(bar);
    let location = target.store.location();
    target.store.close().await;
    let done = done?;
    let rate = job::rate(done.bytes + done.file_bytes, seconds);
    let missing = match done.files_missing {
        0 => String::new(),
        missing => format!("; {missing} files are not in the backup"),
    };
    Ok(Done {
        text: format!(
            "{location}: {} rooms, {} accounts and {} files restored{missing}; {} rooms and {} accounts were erased \
             since, and left out; {:.1} MB, {rate:.1} MB/s",
            done.rooms,
            done.accounts,
            done.files,
            done.rooms_erased,
            done.accounts_erased,
            (done.bytes + done.file_bytes) as f64 / 1e6,
        ),
        json: json!({
            "store": location,
            "rooms": done.rooms,
            "accounts": done.accounts,
            "files": done.files,
            "file_bytes": done.file_bytes,
            "files_missing": done.files_missing,
            "rooms_erased": done.rooms_erased,
            "accounts_erased": done.accounts_erased,
            "rows": done.rows,
            "bytes": done.bytes,
            "seconds": seconds,
            "mb_per_s": rate,
        }),
    })
}

/// The store that is there already. What it and the files are is looked at before the backup is verified.
async fn there(config: &Config, rng: &Rng) -> Result<Option<Store>, Failure> {
    let files = files::look(config).map_err(StartError::from)?;
    restore::check_files(&SealedFiles::new(files)).await?;
    let is_file = config.store == StoreAt::Embedded;
    if is_file && !config.data_dir.join(FILE_NAME).exists() {
        return Ok(None);
    }
    let store = stores::open(config, rng).await?;
    restore::check_store(&store).await?;
    Ok(Some(store))
}
