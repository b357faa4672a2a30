//! Prints what the embedded store can do on this machine: `cargo run --release -p cluster-store
//! --features testing --example group_commit [FOLDER]`.

use std::time::Duration;

use cluster_store::bench::{GroupCommit, group_commit, point_reads};
use cluster_store::{Embedded, EmbeddedOptions};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "its figures are its purpose")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    for writers in [1, 16, 256, 2_048, 8_192] {
        let folder = tempfile::tempdir_in(&parent)?;
        let embedded = Embedded::open(folder.path(), EmbeddedOptions::default())?;
        let load = GroupCommit {
            writers,
            value_bytes: 300,
            span: Duration::from_secs(5),
        };
        let figures = group_commit(&embedded, load).await?;
        println!("{writers:>5} writers: {figures:?}");
        if writers == 16 {
            println!(
                "      reads: {:?}",
                point_reads(&embedded, 16, 1_000).await?
            );
        }
    }
    Ok(())
}
