//! Where servers and baselines keep their files: below the folder of this program, which cargo puts below
//! `target/`. A system's folder for temporary files is often in memory, where a sync costs nothing and
//! figures of durability mean nothing.
//!
//! Invariant: a folder is removed with its handle, and what kind of file system it is on can be said.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::stats::Latencies;

/// Beside this program.
const SCRATCH: &str = "scratch";

/// A page of the store's file.
const SYNCED_BYTES: usize = 4_096;

/// What Linux calls file systems that forget when the power goes.
const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// A new folder, gone when it is dropped.
///
/// # Errors
/// If it cannot be made.
pub(crate) fn new() -> anyhow::Result<TempDir> {
    let scratch = scratch()?;
    tempfile::Builder::new()
        .prefix("rookery-load-")
        .tempdir_in(&scratch)
        .with_context(|| format!("no folder in {}", scratch.display()))
}

/// The kind of file system that folders are on, as Linux calls it.
///
/// # Errors
/// If it cannot be found out.
pub(crate) fn file_system() -> anyhow::Result<String> {
    let scratch = scratch()?;
    let mounts = fs::read_to_string("/proc/self/mounts").context("no list of file systems")?;
    let found = kind_at(&mounts, &scratch).map(str::to_owned);
    found.with_context(|| format!("nothing is mounted at {}", scratch.display()))
}

/// How long the disk takes to make a changed page durable, with nothing else to do: no acknowledgement
/// of a durable message comes sooner. Blocks for as long as `count` syncs take.
///
/// # Errors
/// If a file cannot be written there.
pub(crate) fn syncs(count: u32) -> anyhow::Result<Latencies> {
    let folder = new()?;
    let path = folder.path().join("synced");
    let failed = || format!("cannot write {}", path.display());
    let file = fs::File::create_new(&path).with_context(failed)?;
    let mut took = Latencies::new();
    for number in 0..=count {
        file.write_all_at(&[1; SYNCED_BYTES], 0)
            .with_context(failed)?;
        let began = Instant::now();
        file.sync_data().with_context(failed)?;
        // The first one makes the file longer, which is more than the others do.
        if number > 0 {
            took.record(began.elapsed());
        }
    }
    Ok(took)
}

/// Whether this kind of file system is in memory.
pub(crate) fn is_in_memory(kind: &str) -> bool {
    IN_MEMORY.contains(&kind)
}

fn scratch() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let path = own.with_file_name(SCRATCH);
    let made = fs::create_dir_all(&path).and_then(|()| path.canonicalize());
    made.with_context(|| format!("cannot make {}", path.display()))
}

/// The kind of what is mounted over `path`: the deepest mount, and of several at one place the last.
fn kind_at<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let over = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let place = PathBuf::from(words.next()?.replace("\\040", " "));
        let kind = words.next()?;
        let depth = place.components().count();
        path.starts_with(&place).then_some((depth, kind))
    });
    over.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
/dev/vda / ext4 rw,relatime 0 0
tmpfs /tmp tmpfs rw 0 0
proc /proc proc rw 0 0
/dev/vdb /tmp/a\\040disk xfs rw 0 0
overlay /srv overlay rw 0 0
tmpfs /srv tmpfs rw 0 0
";

    #[test]
    fn the_deepest_and_last_mount_decides() {
        for (path, kind) in [
            ("/opt/x/target", "ext4"),
            ("/tmp/x", "tmpfs"),
            ("/tmpx", "ext4"),
            ("/tmp/a disk/x", "xfs"),
            ("/srv/x", "tmpfs"),
        ] {
            assert_eq!(kind_at(MOUNTS, Path::new(path)), Some(kind), "{path}");
        }
    }

    #[test]
    fn folders_are_beside_the_program_and_gone_afterwards() {
        let folder = new().expect("a folder");
        let own = std::env::current_exe().and_then(|own| own.canonicalize());
        let own = own.expect("a test is a program");
        assert!(
            own.parent()
                .is_some_and(|beside| folder.path().starts_with(beside))
        );
        assert!(!file_system().expect("a kind").is_empty());
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn memory_is_known_from_a_disk() {
        assert!(is_in_memory("tmpfs") && is_in_memory("ramfs"));
        assert!(!is_in_memory("ext4") && !is_in_memory("overlay"));
    }
}
