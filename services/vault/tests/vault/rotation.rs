//! A rotation leaves nothing under the old key, is seen by nobody, and survives being cut off anywhere.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use cluster_store::{Embedded, EmbeddedOptions, Faults, Store};
use cluster_types::UnixMillis;
use futures::future::{join, join_all};
use services_vault::{
    Generation, KeySource, OldGenerations, RotateError, Rotated, Rotation, Vault,
};

use crate::harness::{DAY_MS, NOON, World, account, assert_opens, generations, room, seal};

/// Seals and opens until the rotation has ended; nothing may fail. Returns how often.
async fn work_until(vault: &Vault, done: &Cell<bool>, worker: u8) -> usize {
    let said = RefCell::new(Vec::new());
    let mut rounds = 0_usize;
    while !done.get() {
        // New periods all the time, so that keys are made under whatever generation is current.
        let time = UnixMillis(NOON.0 + (rounds as u64 % 400) * 7 * DAY_MS);
        let who = account(worker);
        let message = seal(vault, who, room(worker), time).await.expect("seals");
        said.borrow_mut().push(message);
        // And old ones, which are read again from rows that are being wrapped anew.
        vault.forget_account(who);
        vault.forget_room(room(worker));
        let old = said.borrow()[rounds / 2].clone();
        assert_opens(vault, &old).await;
        rounds += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    rounds
}

/// Rotates on one node while it and another work. Returns how often they did.
async fn rotate_under_load(rotating: &Vault, other: &Vault) -> usize {
    let done = Cell::new(false);
    let rotation = async {
        let rotated = rotating.rotate().await.expect("rotates");
        done.set(true);
        rotated
    };
    let work = join_all((0..4).map(|worker| {
        let vault = if worker % 2 == 0 { rotating } else { other };
        work_until(vault, &done, worker)
    }));
    let (rotated, rounds) = join(rotation, work).await;
    let (to, old) = (rotating.generation(), OldGenerations::Dropped);
    assert_eq!(rotated, Rotated { to, old });
    rounds.into_iter().sum()
}

#[tokio::test(start_paused = true)]
async fn nothing_fails_while_the_key_is_rotated_on_a_store_that_stumbles() {
    let stumbling = Faults {
        unavailable: 0,
        stall: 0,
        ..Faults::ROUGH
    };
    for seed in 0..10 {
        let world = World::new(seed);
        let (one, other) = (world.vault().await, world.vault().await);
        for week in 0..200 {
            let time = UnixMillis(NOON.0 + week * 7 * DAY_MS);
            seal(&one, account(9), room(9), time).await.expect("seals");
        }
        world.disk.set_faults(stumbling);
        let rounds = rotate_under_load(&one, &other).await;
        world.disk.set_faults(Faults::NONE);
        assert!(rounds > 10, "{rounds} rounds prove little");
        let left = generations(&world.store()).await;
        assert!(left.len() > 200 && left.iter().all(|generation| *generation == 2));
        let text = world.key_file_text();
        assert!(!text.contains("\n1 ") && text.contains("\n2 "));
    }
}

#[tokio::test]
async fn nothing_fails_while_the_key_is_rotated_on_a_disk() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let embedded = Embedded::open(folder.path(), EmbeddedOptions::default()).expect("opens");
    let store = Store::new(embedded);
    let world = World::new(1);
    let open = || world.open_on(store.clone(), KeySource::file(world.key_file()));
    let (one, other) = (open().await.expect("opens"), open().await.expect("opens"));
    for week in 0..300 {
        let time = UnixMillis(NOON.0 + week * 7 * DAY_MS);
        seal(&one, account(9), room(9), time).await.expect("seals");
    }
    let rounds = rotate_under_load(&one, &other).await;
    assert!(rounds > 10, "{rounds} rounds prove little");
    let left = generations(&store).await;
    assert!(left.len() > 300 && left.iter().all(|generation| *generation == 2));
    drop((one, other));
    store.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_is_cut_off_anywhere_is_finished_by_the_next_process() {
    let slow = Faults {
        delay: 500_000,
        delay_max: Duration::from_millis(20),
        unknown_committed: 50_000,
        unknown_lost: 50_000,
        ..Faults::NONE
    };
    let mut cut_off = 0;
    for seed in 0..60 {
        let world = World::new(seed);
        let vault = world.vault().await;
        let mut said = Vec::new();
        for week in 0..150 {
            let time = UnixMillis(NOON.0 + week * 7 * DAY_MS);
            said.push(
                seal(&vault, account(1), room(1), time)
                    .await
                    .expect("seals"),
            );
        }
        drop(vault);
        world.disk.set_faults(slow);
        let mut rotated = None;
        while rotated.is_none() {
            let vault = world.vault().await;
            let span = world.rng.jitter(Duration::from_millis(150));
            let work = async {
                match vault.resume().await {
                    Ok(None) if vault.generation() == Generation::FIRST => {
                        vault.rotate().await.map(Some)
                    }
                    Ok(None) => Ok(Some(Rotated {
                        to: vault.generation(),
                        old: OldGenerations::Dropped,
                    })),
                    other => other,
                }
            };
            rotated = match tokio::time::timeout(span, work).await {
                Ok(ended) => ended.unwrap_or_default(),
                Err(_) => {
                    cut_off += 1;
                    None
                }
            };
        }
        world.disk.set_faults(Faults::NONE);
        let vault = world.vault().await;
        assert_eq!(vault.generation(), Generation(2), "seed {seed}");
        let left = generations(&world.store()).await;
        assert!(
            left.iter().all(|generation| *generation == 2),
            "seed {seed}"
        );
        assert!(!world.key_file_text().contains("\n1 "), "seed {seed}");
        for message in &said {
            assert_opens(&vault, message).await;
        }
    }
    assert!(cut_off > 60, "{cut_off} interruptions prove little");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_heard_of_no_rotation_makes_its_keys_under_the_new_generation() {
    let world = World::new(1);
    let (one, other) = (world.vault().await, world.vault().await);
    one.rotate().await.expect("rotates");
    assert_eq!(other.generation(), Generation::FIRST, "as far as it knows");
    let message = seal(&other, account(1), room(1), NOON).await;
    assert_opens(&one, &message.expect("seals")).await;
    let left = generations(&world.store()).await;
    assert!(left.iter().all(|generation| *generation == 2), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn progress_can_be_watched_to_the_end() {
    let world = World::new(1);
    let vault = world.vault().await;
    for week in 0..200 {
        let time = UnixMillis(NOON.0 + week * 7 * DAY_MS);
        seal(&vault, account(1), room(1), time)
            .await
            .expect("seals");
    }
    let rows = generations(&world.store()).await.len() as u64;
    let mut status = vault.rotation();
    assert_eq!(*status.borrow_and_update(), Rotation::Idle);
    let watch = async {
        let mut seen = Vec::new();
        loop {
            status.changed().await.expect("the vault is there");
            match *status.borrow_and_update() {
                Rotation::Running { to, done, total } => {
                    assert_eq!((to, total), (Generation(2), Some(rows)));
                    seen.push(done);
                }
                Rotation::Finished(rotated) => return (seen, rotated),
                other @ (Rotation::Idle
                | Rotation::Interrupted { .. }
                | Rotation::Stopped { .. }) => panic!("{other:?}"),
            }
        }
    };
    let (rotated, (seen, told)) = join(vault.rotate(), watch).await;
    assert_eq!(rotated.expect("rotates"), told);
    assert!(seen.is_sorted() && seen.len() > 2, "{seen:?}");
    assert_eq!((seen[0], seen[seen.len() - 1]), (0, rows));
}

#[tokio::test(start_paused = true)]
async fn a_start_after_an_interruption_says_so() {
    let world = World::new(1);
    let vault = world.vault().await;
    let mut status = vault.rotation();
    let begun = status.wait_for(|at| matches!(at, Rotation::Running { .. }));
    tokio::select! {
        biased;
        _ = begun => {}
        ended = vault.rotate() => panic!("{ended:?}"),
    }
    let again = world.vault().await;
    let to = Generation(2);
    assert_eq!(*again.rotation().borrow(), Rotation::Interrupted { to });
    let old = OldGenerations::Dropped;
    let resumed = again.resume().await.expect("resumes");
    assert_eq!(resumed, Some(Rotated { to, old }));
    assert_eq!(again.resume().await.expect("nothing to do"), None);
}

#[tokio::test(start_paused = true)]
async fn one_process_rotates_once_at_a_time() {
    let world = World::new(1);
    let vault = world.vault().await;
    let (one, other) = join(vault.rotate(), vault.rotate()).await;
    one.expect("rotates");
    assert!(matches!(other, Err(RotateError::UnderWay)), "{other:?}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_says_keep_keeps_the_old_generation() {
    let world = World::new(1);
    let vault = world.vault().await;
    let text = world
        .key_file_text()
        .replace("deployment ", "keep-old\ndeployment ");
    std::fs::write(world.key_file(), text).expect("writes");
    let rotated = vault.rotate().await.expect("rotates");
    assert_eq!(rotated.old, OldGenerations::Kept);
    let text = world.key_file_text();
    assert!(text.contains("\n1 ") && text.contains("\n2 ") && text.contains("\nkeep-old\n"));
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_the_rows_from_before_opens_no_more() {
    let world = World::new(1);
    let vault = world.vault().await;
    let message = seal(&vault, account(1), room(1), NOON)
        .await
        .expect("seals");
    let stolen = world.disk.contents();
    vault.destroy_account(account(1)).await.expect("destroys");
    vault.rotate().await.expect("rotates");
    // The rows as they were, put back under the keys that there are now.
    let tx = world.store().begin().await.expect("begins");
    for (key, value) in stolen {
        if key.starts_with(&[3, 3]) {
            tx.set(&key, &value).expect("sets");
        }
    }
    tx.commit().await.expect("commits");
    let opened = crate::harness::opened(&vault, &message).await;
    let error = opened.expect_err("is refused").to_string();
    assert_eq!(error, "generation 1 of the key-encryption key is not here");
}
