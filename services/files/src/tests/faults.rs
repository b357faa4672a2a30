//! Days on which both stores fail, from seeds: nothing that was acknowledged is lost, quotas stay exact, and
//! what is to go goes in the end.

use std::time::Duration;

use cluster_store::schema::{File, FileQuota, FileRemoval};
use cluster_store::{Faults, RowRange, Scan, Simulated, SimulatedDisk};

use tokio::time::{sleep, timeout};

use super::faulty::Faulty;
use super::*;
use crate::limits::{SEGMENT_BYTES, SWEEP_FAILURES_MAX};
use crate::{FinishError, Swept, WriteError};

const SEEDS: u64 = 14;
const FILES: usize = 20;

/// Calls of a million to the object store that fail on a bad day.
const BAD_DAY: u64 = 150_000;

/// Sweeps on each bad day.
const BAD_SWEEPS: usize = 5;

/// How often something is tried on a bad day before the test says that it never works.
const TRIES_MAX: usize = 500;

struct Day {
    disk: SimulatedDisk,
    objects: Faulty,
    store: Store,
    vault: Vault,
    clock: Arc<ManualClock>,
    rng: Rng,
    files: Files,
    _folder: TempDir,
}

/// Tries until it works.
macro_rules! in_the_end {
    ($try:expr) => {{
        let mut tries = 0;
        loop {
            match $try {
                Ok(done) => break done,
                Err(error) => assert!(tries < TRIES_MAX, "{error:?}"),
            }
            tries += 1;
        }
    }};
}

impl Day {
    async fn new(seed: u64) -> Self {
        let (rng, folder) = (Rng::seeded(seed), tempfile::tempdir().expect("a folder"));
        let (disk, objects) = (SimulatedDisk::new(), Faulty::new(rng.fork()));
        let store = Store::with_jitter(Simulated::new(disk.clone(), rng.fork()), rng.fork());
        let parts = services_vault::Parts {
            store: store.clone(),
            deployment: DEPLOYMENT,
            source: KeySource::file(folder.path().join("rookery.keys")),
            rng: rng.fork(),
        };
        let vault = Vault::open(parts).await.expect("opens");
        let clock = Arc::new(ManualClock::at(UnixMillis(20_000 * DAY_MS)));
        Self {
            files: node(&store, &vault, &clock, &rng, &objects),
            disk,
            objects,
            store,
            vault,
            clock,
            rng,
            _folder: folder,
        }
    }

    /// Another process on the same stores.
    fn restart(&mut self) {
        self.files = self.other();
    }

    fn other(&self) -> Files {
        node(
            &self.store,
            &self.vault,
            &self.clock,
            &self.rng,
            &self.objects,
        )
    }

    fn is_bad(&self, bad: bool) {
        let faults = if bad { Faults::ROUGH } else { Faults::NONE };
        self.disk.set_faults(faults);
        self.objects.fail(if bad { BAD_DAY } else { 0 });
    }

    /// Sends a file as a client does that never gives up, now and then over another process.
    async fn send(&mut self, sent: &[u8]) -> Descriptor {
        let new = new(sent.len(), Some(hash(sent)));
        let file = in_the_end!(self.files.start(ACCOUNT, new.clone()).await);
        let mut acknowledged = 0;
        in_the_end!({
            if self.rng.below(4) == 0 {
                self.restart();
            }
            self.go_on(file, sent, &mut acknowledged).await
        })
    }

    async fn go_on(
        &self,
        file: FileId,
        sent: &[u8],
        acknowledged: &mut u64,
    ) -> Result<Descriptor, WriteError> {
        let stands = self.files.upload(ACCOUNT, file).await?;
        let stands = stands.expect("what was begun is there");
        assert!(stands.received >= *acknowledged, "lost: {stands:?}");
        if !stands.finished {
            let mut writer = self.files.writer(ACCOUNT, file).await?;
            while let Some(rest) = rest(sent, writer.taken()) {
                let piece = &rest[..rest.len().min(1_000_000)];
                writer.write(writer.taken(), piece).await?;
                *acknowledged = writer.received();
                if self.rng.below(3) == 0 {
                    // The line breaks.
                    *acknowledged = writer.keep().await?;
                    return Err(WriteError::Moved);
                }
            }
        }
        match self.files.finish(ACCOUNT, file).await {
            Ok(of) => Ok(of),
            Err(FinishError::Store(error)) => Err(error.into()),
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn take(&self, file: FileId) {
        let take =
            |tx: Transaction, _| async move { Files::take(&tx, ACCOUNT, ROOM, &[file]).await };
        in_the_end!(match self.store.run(take).await {
            // The try before was committed, and could not say so.
            Err(TakeError::Taken { .. }) => Ok(()),
            tried => tried,
        });
    }

    async fn release(&self, file: FileId) {
        let release = |tx: Transaction, _| async move { Files::release(&tx, file).await };
        in_the_end!(self.store.run(release).await);
    }

    async fn read(&self, of: &Descriptor) -> Result<Vec<u8>, ReadError> {
        let (mut reader, mut read) = (self.files.reader(of, 0..of.size)?, Vec::new());
        while let Some(bytes) = reader.next().await? {
            read.extend_from_slice(&bytes);
        }
        Ok(read)
    }

    /// The account's quota is what its files are, and what is left to remove. Returns their bytes.
    async fn quota_is_exact(&self) -> u64 {
        let read = |tx: Transaction| async move {
            let rows = tx.scan(RowRange::<File>::all(), Scan::default()).await?;
            let removals = RowRange::<FileRemoval>::all();
            let removals = tx.scan(removals, Scan::default()).await?;
            let used = tx.row(&FileQuota { account: ACCOUNT }).await?;
            Ok::<_, StoreError>((rows.rows, removals.rows, used.unwrap_or_default()))
        };
        let (rows, removals, used) = self.store.read(read).await.expect("reads");
        let there = rows.iter().map(|(_, row)| row.size);
        let going = removals.iter().map(|(_, row)| row.size);
        let bytes = there.chain(going).sum();
        let uploads = rows.iter().filter(|(_, row)| row.uses == 0).count();
        assert_eq!((used.bytes, used.uploads as usize), (bytes, uploads));
        bytes
    }
}

/// A node on these stores.
fn node(
    store: &Store,
    vault: &Vault,
    clock: &Arc<ManualClock>,
    rng: &Rng,
    objects: &Faulty,
) -> Files {
    Files::new(Parts {
        store: store.clone(),
        deployment: DEPLOYMENT,
        vault: vault.clone(),
        clock: clock.clone(),
        rng: rng.fork(),
        objects: Arc::new(objects.clone()),
        people: Arc::new(Gone::default()),
        policy: Policy::default(),
        tasks: Tasks::new(),
    })
}

/// What is left to send, if there is anything.
fn rest(sent: &[u8], taken: u64) -> Option<&[u8]> {
    let taken = usize::try_from(taken).expect("small");
    Some(&sent[taken..]).filter(|rest| !rest.is_empty())
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_nothing_acknowledged_is_lost_and_quotas_stay_exact() {
    let (mut objects_failed, mut commits_unknown, mut failures) = (0, 0, 0);
    let all = bytes(2 * SEGMENT_BYTES + 100_000);
    for seed in 0..SEEDS {
        let mut day = Day::new(seed).await;
        day.is_bad(true);
        let mut kept = Vec::new();
        for number in 0..FILES {
            let size_max = if number < 2 { all.len() } else { 100_000 };
            let size = day.rng.below((size_max - number) as u64);
            let end = number + 1 + usize::try_from(size).expect("small");
            let sent = &all[number..end.min(all.len())];
            let of = day.send(sent).await;
            match day.rng.below(4) {
                0 => {
                    in_the_end!(day.files.give_up(ACCOUNT, of.file).await);
                }
                1 => {
                    day.take(of.file).await;
                    day.release(of.file).await;
                }
                _ => {
                    day.take(of.file).await;
                    kept.push((of, sent));
                }
            }
        }
        for (of, sent) in &kept {
            assert!(in_the_end!(day.read(of).await) == *sent, "seed {seed}");
        }
        // Uploads whose beginning was not heard of are swept with the day that follows theirs.
        day.clock.set(FAR_FUTURE);
        day.is_bad(false);
        day.quota_is_exact().await;
        day.is_bad(true);
        let mut swept = Swept::default();
        for _ in 0..BAD_SWEEPS {
            let Swept {
                files, failures, ..
            } = day.files.sweep().await;
            swept.files += files;
            swept.failures += failures;
        }
        assert!(swept.files > 0, "seed {seed}: {swept:?}");
        failures += swept.failures;
        day.is_bad(false);
        assert_eq!(day.files.sweep().await.failures, 0);
        let left: u64 = kept.iter().map(|(of, _)| of.size).sum();
        assert_eq!(day.quota_is_exact().await, left, "seed {seed}");
        assert_eq!(day.files.sweep().await, Swept::default());
        let segments = |of: &Descriptor| crate::layout::segments(of.size);
        let segments: u64 = kept.iter().map(|(of, _)| segments(of)).sum();
        assert_eq!(day.objects.names().await.len() as u64, segments);
        for (of, sent) in &kept {
            assert!(day.read(of).await.expect("reads") == *sent, "seed {seed}");
        }
        objects_failed += day.objects.failed();
        let injected = day.disk.faults_injected();
        commits_unknown += injected.unknown_committed + injected.unknown_lost;
    }
    assert!(
        objects_failed > 100 && commits_unknown > 100 && failures > 100,
        "{objects_failed}, {commits_unknown} and {failures} are no bad days"
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_keeps_nothing_else_from_going() {
    let mut day = Day::new(1).await;
    let mut sent = Vec::new();
    for _ in 0..2 * SWEEP_FAILURES_MAX {
        let of = day.send(&[7]).await;
        day.take(of.file).await;
        day.release(of.file).await;
        sent.push(of.file);
    }
    day.clock.set(FAR_FUTURE);
    let stray = FileId::random(&day.rng);
    let copy = day.files.sealed().writer(stray, 1);
    let copied = copy.expect("a writer").write(&[0; 8 + 1 + 16]).await;
    copied.expect("is taken");
    // Rows are swept in the order of their ids.
    sent.sort();
    day.objects.stick(&sent[0].to_string());
    for rest in [sent.len() as u64 - 1, 0] {
        let swept = day.files.sweep().await;
        assert_eq!((swept.files, swept.failures), (rest, 1));
    }
    assert_eq!(day.objects.names().await, [format!("{}/0", sent[0])]);
    day.objects.stick("nothing");
    assert_eq!(day.files.sweep().await.files, 1);
    assert!(day.objects.names().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_dropped_call_has_begun_to_write_is_written_to_its_end() {
    let day = Day::new(1).await;
    let file = day.files.start(ACCOUNT, new(5, None)).await;
    let file = file.expect("begins");
    let before = day.objects.puts_begun();
    let held = day.objects.hold().await;
    let moment = Duration::from_secs(1);
    let mut first = day.files.writer(ACCOUNT, file).await.expect("a writer");
    let dropped = timeout(moment, first.write(0, b"first")).await;
    assert!(dropped.is_err(), "it waits for the object store");
    drop(first);
    let mut second = day.files.writer(ACCOUNT, file).await.expect("a writer");
    let early = timeout(moment, second.write(0, b"other")).await;
    assert!(early.is_err());
    assert_eq!(day.objects.puts_begun(), before + 1, "it has not begun");
    drop((held, second));
    let stands = || async { day.files.upload(ACCOUNT, file).await.expect("reads") };
    while stands().await.expect("is there").received < 5 {
        sleep(moment).await;
    }
    let of = day.files.finish(ACCOUNT, file).await.expect("finishes");
    assert_eq!(day.read(&of).await.expect("reads"), b"first");
    assert_eq!(day.objects.puts_begun(), before + 1, "it was overtaken");
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_begun_once_whatever_became_of_the_commits() {
    let mut unknown = 0;
    for seed in 0..SEEDS {
        let mut day = Day::new(seed).await;
        day.is_bad(true);
        let mut begun = BTreeSet::new();
        for size in 1..=FILES {
            let new = new(size, None);
            begun.insert(in_the_end!(day.files.start(ACCOUNT, new.clone()).await));
            day.restart();
            begun.insert(in_the_end!(day.files.start(ACCOUNT, new.clone()).await));
        }
        day.is_bad(false);
        assert_eq!(begun.len(), FILES, "seed {seed}");
        let bytes: u64 = (1..=FILES as u64).sum();
        assert_eq!(day.quota_is_exact().await, bytes, "seed {seed}");
        let injected = day.disk.faults_injected();
        unknown += injected.unknown_committed + injected.unknown_lost;
    }
    assert!(unknown > 20, "{unknown} are no bad days");
}

#[tokio::test]
async fn of_two_nodes_that_write_one_upload_the_slower_one_is_told_and_counts_nothing() {
    let day = Day::new(1).await;
    let other = day.other();
    let sent = bytes(2 * SEGMENT_BYTES + 5);
    let new = new(sent.len(), Some(hash(&sent)));
    let file = day.files.start(ACCOUNT, new).await.expect("begins");
    let mut slow = day.files.writer(ACCOUNT, file).await.expect("a writer");
    let mut fast = other.writer(ACCOUNT, file).await.expect("another");
    slow.write(0, &sent[..10]).await.expect("is taken");
    fast.write(0, &sent[..SEGMENT_BYTES])
        .await
        .expect("is taken");
    fast.settle().await.expect("is durable");
    let late = slow.write(10, &sent[10..SEGMENT_BYTES]).await;
    late.expect("is taken");
    let overtaken = slow.settle().await;
    assert!(matches!(overtaken, Err(WriteError::Moved)), "{overtaken:?}");
    // It asks where the upload stands, and is the one that goes on.
    let mut slow = day.files.writer(ACCOUNT, file).await.expect("a writer");
    assert_eq!(slow.received(), SEGMENT_BYTES as u64);
    let more = SEGMENT_BYTES..2 * SEGMENT_BYTES;
    slow.write(more.start as u64, &sent[more.clone()])
        .await
        .expect("is taken");
    slow.settle().await.expect("is durable");
    let late = fast.write(more.start as u64, &sent[more]).await;
    late.expect("is taken");
    let overtaken = fast.settle().await;
    assert!(matches!(overtaken, Err(WriteError::Moved)), "{overtaken:?}");
    slow.write(slow.taken(), &sent[2 * SEGMENT_BYTES..])
        .await
        .expect("is taken");
    let of = other.finish(ACCOUNT, file).await.expect("on either node");
    assert!(day.read(&of).await.expect("reads") == sent);
}
