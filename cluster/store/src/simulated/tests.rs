//! The contract under no faults, the same run for the same seed, and each fault by itself.

use std::time::Duration;

use super::*;
use crate::{MaybeCommitted, Store, contract};

fn store(disk: &SimulatedDisk, seed: u64) -> Store {
    Store::new(Simulated::new(disk.clone(), Rng::seeded(seed)))
}

#[tokio::test(start_paused = true)]
async fn the_contract_holds() {
    for case in contract::CASES {
        let store = Store::new(Simulated::reliable());
        case.run(&store).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_contract_holds_while_calls_take_their_time() {
    for (seed, case) in (0..).zip(contract::CASES) {
        let disk = SimulatedDisk::new();
        disk.set_faults(Faults {
            delay: 500_000,
            delay_max: Duration::from_millis(5),
            ..Faults::NONE
        });
        case.run(&store(&disk, seed)).await;
    }
}

#[derive(Debug, Eq, PartialEq)]
struct Counted {
    acked: u64,
    unknown: u64,
    faults: FaultCounts,
    contents: Vec<(Bytes, Bytes)>,
}

/// Counts up under faults, exactly once each, and tells what happened.
async fn counting(seed: u64) -> Counted {
    let disk = SimulatedDisk::new();
    disk.set_faults(Faults::ROUGH);
    let store = store(&disk, seed);
    let (mut acked, mut unknown) = (0, 0);
    for id in 0..200_u32 {
        let count_once = |tx: crate::Transaction, maybe: MaybeCommitted| async move {
            let trace = [b"done/", &id.to_be_bytes()[..]].concat();
            if tx.get(&trace).await?.is_some() {
                assert!(maybe.is_yes(), "nobody else leaves this trace");
                return Ok::<_, StoreError>(());
            }
            let count = tx.get(b"count").await?.map_or(0, |value| value[0]);
            tx.set(b"count", &[count + 1])?;
            tx.set(&trace, b"")
        };
        match store.run(count_once).await {
            Ok(()) => acked += 1,
            Err(StoreError::CommitUnknown) => unknown += 1,
            Err(StoreError::Unavailable | StoreError::Contended) => {}
            Err(error) => panic!("{error}"),
        }
    }
    Counted {
        acked,
        unknown,
        faults: disk.faults_injected(),
        contents: disk.contents(),
    }
}

#[tokio::test(start_paused = true)]
async fn work_with_a_trace_is_done_exactly_once_whatever_the_commits_say() {
    let mut injected = FaultCounts::default();
    for seed in 0..20 {
        let Counted {
            acked,
            unknown,
            faults: counts,
            contents,
        } = counting(seed).await;
        let count = contents
            .iter()
            .find(|(key, _)| key == "count")
            .expect("counted")
            .1[0];
        let traces = contents
            .iter()
            .filter(|(key, _)| key.starts_with(b"done/"))
            .count() as u64;
        assert_eq!(
            u64::from(count),
            traces,
            "seed {seed}: every count has its trace"
        );
        assert!(
            (acked..=acked + unknown).contains(&traces),
            "seed {seed}: {acked} acked"
        );
        injected.unknown_committed += counts.unknown_committed;
        injected.unknown_lost += counts.unknown_lost;
        injected.conflict += counts.conflict;
        injected.too_old += counts.too_old;
    }
    assert!(injected.unknown_committed > 50, "{injected:?}");
    assert!(injected.unknown_lost > 50, "{injected:?}");
    assert!(
        injected.conflict > 50 && injected.too_old > 10,
        "{injected:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_seed_gives_one_run() {
    assert_eq!(counting(7).await, counting(7).await);
    assert_ne!(counting(7).await.faults, counting(8).await.faults);
}

#[tokio::test(start_paused = true)]
async fn a_restart_finds_what_the_crashed_process_committed() {
    let disk = SimulatedDisk::new();
    let before = store(&disk, 1);
    let tx = before.begin().await.expect("begins");
    tx.set(b"kept", b"1").expect("sets");
    tx.commit().await.expect("commits");
    let lost = before.begin().await.expect("begins");
    lost.set(b"lost", b"1").expect("sets");
    drop((lost, before));

    let after = store(&disk, 2);
    let tx = after.begin().await.expect("begins");
    assert_eq!(tx.get(b"kept").await, Ok(Some(Bytes::from_static(b"1"))));
    assert_eq!(tx.get(b"lost").await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_writes_and_answers_reads() {
    let disk = SimulatedDisk::new();
    let store = store(&disk, 1);
    let write = |tx: crate::Transaction, _| async move { tx.set(b"a", b"1") };
    disk.set_full(true);
    assert_eq!(store.run(write).await, Err(StoreError::Full));
    let read = |tx: crate::Transaction| async move { tx.get(b"a").await };
    assert_eq!(store.read(read).await, Ok(None));
    disk.set_full(false);
    assert_eq!(store.run(write).await, Ok(()));
    assert_eq!(disk.faults_injected().full, 1);
}

#[tokio::test(start_paused = true)]
async fn old_versions_are_let_go_once_nobody_reads_them() {
    let disk = SimulatedDisk::new();
    let store = store(&disk, 1);
    let reader = store.begin().await.expect("begins");
    for value in 0..10_u8 {
        let write = |tx: crate::Transaction, _| async move { tx.set(b"a", &[value]) };
        store.run(write).await.expect("commits");
    }
    assert_eq!(disk.state.lock().data.versions_kept(), 10);
    assert_eq!(reader.get(b"a").await, Ok(None));
    drop(reader);
    assert_eq!(disk.state.lock().data.versions_kept(), 1);
    let clear = |tx: crate::Transaction, _| async move { tx.clear(b"a") };
    store.run(clear).await.expect("commits");
    assert_eq!(disk.state.lock().data.versions_kept(), 0);
}

/// What was written: by whom, over what, and whether that had been read.
#[derive(Debug, Default)]
struct Diary(Mutex<Vec<(u32, Option<Bytes>, bool)>>);

impl Witness for Diary {
    fn committed(&self, commit: &Commit<'_>) {
        let key = Bytes::from_static(b"key");
        let (before, depends) = (commit.before(&key), commit.depends_on(&key));
        self.0.lock().push((commit.client, before, depends));
    }
}

#[tokio::test(start_paused = true)]
async fn a_witness_sees_who_commits_over_what_and_on_what_it_depends() {
    let (disk, diary) = (SimulatedDisk::new(), Arc::new(Diary::default()));
    disk.show(Arc::clone(&diary) as Arc<dyn Witness>);
    for client in [4, 7] {
        let store = Simulated::numbered(disk.clone(), client, Rng::seeded(0));
        let store = Store::new(store);
        let write = |tx: crate::Transaction, _| async move {
            if client == 7 {
                tx.get(b"key").await?;
            }
            tx.set(b"key", &[1])
        };
        store.run(write).await.expect("written");
    }
    let expected = [(4, None, false), (7, Some(Bytes::from_static(&[1])), true)];
    assert_eq!(*diary.0.lock(), expected);
}

#[tokio::test(start_paused = true)]
async fn one_client_alone_can_be_cut_off_and_goes_on_where_it_was() {
    let disk = SimulatedDisk::new();
    let store = |client| Store::new(Simulated::numbered(disk.clone(), client, Rng::seeded(0)));
    let (near, far) = (store(0), store(1));
    disk.set_cut_off(1, true);
    let write = |tx: crate::Transaction, _| async move { tx.set(b"key", &[1]) };
    let mut waits = std::pin::pin!(far.run(write));
    let span = Duration::from_secs(1);
    let outcome = tokio::time::timeout(span, &mut waits).await;
    assert!(outcome.is_err(), "nothing arrives");
    near.run(write).await.expect("nobody else is cut off");
    disk.set_cut_off(1, false);
    waits.await.expect("it arrives now");
}
