//! `rookery restore`: a backup becomes the store of a server that does not run yet.
//!
//! Moving house is this: a backup of the one store, restored into another.
//!
//! Invariant: the store has to be empty, and opens only once the restore is done. No port opens before.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cluster_types::Rng;
use serde_json::json;
use services_backup::keys::Identities;
use services_backup::restore::{self, Source, Stage};

use crate::backup::{length, part};
use crate::job::{self, Bar, Done, Failure, StoreOptions, TellOptions};
use crate::stores;

/// Arguments of `restore`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 done; 64 usage; 65 the backup is damaged, of another kind or of a newer release; \
    73 the store is not empty; 74 a file or the store cannot be used."
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
    let rng = Rng::from_os();
    let store = stores::open(&store.load()?, &rng).await?;
    let mut bar = Bar::new(tell);
    let length = length(&source.from);
    // A verification is quick beside the writing.
    let done = restore::restore(&store, &source, &rng, |stage| match stage {
        Stage::Verifying(bytes) => bar.set("verified", part(bytes, length) / 4.0, bytes),
        Stage::Writing(bytes) => bar.set("restored", 0.25 + part(bytes, length) * 0.75, bytes),
    });
    let done = done.await;
    let seconds = bar.seconds();
    drop(bar);
    let location = store.location();
    store.close().await;
    let done = done?;
    let rate = job::rate(done.bytes, seconds);
    Ok(Done {
        text: format!(
            "{location}: {} rooms and {} accounts restored; {} rooms and {} accounts were erased since, and left \
             out; {:.1} MB, {rate:.1} MB/s",
            done.rooms,
            done.accounts,
            done.rooms_erased,
            done.accounts_erased,
            done.bytes as f64 / 1e6,
        ),
        json: json!({
            "store": location,
            "rooms": done.rooms,
            "accounts": done.accounts,
            "rooms_erased": done.rooms_erased,
            "accounts_erased": done.accounts_erased,
            "rows": done.rows,
            "bytes": done.bytes,
            "seconds": seconds,
            "mb_per_s": rate,
        }),
    })
}
