//! Files and store belong together: nothing is taken away where they do not.

use cluster_store::schema::File;
use object_store::memory::InMemory;

use super::*;
use crate::limits::STRAY_FILES_FEW;
use crate::{PlaceError, ReadError, SealedFiles, StartError, WriteError};

/// Another server, with the store and the clock of this one.
async fn server(
    world: &World,
    store: &Store,
    deployment: DeploymentId,
    objects: Arc<dyn object_store::ObjectStore>,
) -> Files {
    let parts = services_vault::Parts {
        store: store.clone(),
        deployment,
        source: KeySource::file(world.folder.path().join("others.keys")),
        rng: world.rng.fork(),
    };
    Files::new(Parts {
        store: store.clone(),
        deployment,
        vault: Vault::open(parts).await.expect("opens"),
        clock: world.clock.clone(),
        rng: world.rng.fork(),
        objects,
        people: world.gone.clone(),
        policy: Policy::default(),
        tasks: Tasks::new(),
    })
}

fn folder(world: &World) -> Arc<dyn object_store::ObjectStore> {
    let folder = LocalFileSystem::new_with_prefix(world.folder.path().join("objects"));
    Arc::new(folder.expect("a folder"))
}

#[tokio::test(start_paused = true)]
async fn the_files_of_another_deployment_are_refused_by_name_and_left() {
    let world = World::new(Policy::default()).await;
    let of = world.upload(b"hello").await;
    world.far_future();
    let other = DeploymentId::from_bytes([5; 16]);
    let store = Store::new(Simulated::reliable());
    let files = server(&world, &store, other, folder(&world)).await;
    let error = files.check_place().await.expect_err("it is not its own");
    assert!(!error.may_pass());
    let text = error.to_string();
    for name in [DEPLOYMENT.to_string(), other.to_string()] {
        assert!(text.contains(&name), "{text}");
    }
    let begun = files.start(ACCOUNT, new(5, None)).await;
    assert_eq!(begun, Err(StartError::Place));
    let swept = files.sweep().await;
    assert!(swept.failures > 0 && swept.strays == 0, "{swept:?}");
    assert_eq!(world.read(&of, 0, 5).await.expect("reads"), b"hello");
    let marked = SealedFiles::new(folder(&world)).mark(other).await;
    assert!(
        matches!(marked, Err(PlaceError::Foreign { .. })),
        "{marked:?}"
    );
}

/// The store knows of files, and the place that is named is empty: its disk is not mounted.
#[tokio::test(start_paused = true)]
async fn a_disk_that_is_not_mounted_is_refused_and_nothing_counts_as_removed() {
    let mut world = World::new(Policy::default()).await;
    let (of, gone) = (world.upload(b"hello").await, world.upload(b"bye").await);
    let begun = world.begin(5).await;
    world.files.give_up(ACCOUNT, gone.file).await.expect("asks");
    let used = world.used().await;
    let (disk, away) = (
        world.folder.path().join("objects"),
        world.folder.path().join("away"),
    );
    std::fs::rename(&disk, &away).expect("unmounts");
    std::fs::create_dir(&disk).expect("where it was mounted");

    // While the server runs, and at the next start.
    for restarted in [false, true] {
        if restarted {
            world.restart();
            let error = world.files.check_place().await.expect_err("is empty");
            assert!(matches!(error, PlaceError::Unmarked { .. }), "{error}");
            let writer = world.files.writer(ACCOUNT, begun).await;
            assert!(matches!(writer, Err(WriteError::Objects(_))));
        }
        assert!(world.files.sweep().await.failures > 0);
        assert_eq!(world.used().await, used, "it is not removed");
        let read = world.read(&of, 0, 5).await;
        assert!(matches!(read, Err(ReadError::Objects(_))), "{read:?}");
    }
    std::fs::remove_dir(&disk).expect("is empty");
    std::fs::rename(&away, &disk).expect("mounts");
    assert_eq!(world.files.sweep().await.files, 1);
    assert_eq!(world.read(&of, 0, 5).await.expect("reads"), b"hello");
}

#[tokio::test(start_paused = true)]
async fn files_that_say_not_whose_they_are_are_not_taken_over() {
    let world = World::new(Policy::default()).await;
    let objects = Arc::new(InMemory::new());
    let copy = SealedFiles::new(objects.clone());
    let mut writer = copy.writer(FileId::from_bytes([1; 16]), 1).expect("fits");
    writer.write(&[0; 25]).await.expect("is taken");
    let store = Store::new(Simulated::reliable());
    let files = server(&world, &store, DEPLOYMENT, objects).await;
    let error = files.check_place().await.expect_err("they are nobody's");
    assert!(matches!(error, PlaceError::Strange { .. }), "{error}");
    assert!(!copy.is_empty().await.expect("lists"));
}

/// As where a store is restored without files, and the old folder put beside it: all in it is without a row.
#[tokio::test(start_paused = true)]
async fn where_most_files_are_strays_none_is_removed() {
    let mut world = World::new(Policy::default()).await;
    let of = world.upload(b"hello").await;
    world.take(ROOM, of.file).await.expect("is carried");
    for _ in 0..=STRAY_FILES_FEW {
        let of = world.upload(b"hello").await;
        world.take(ROOM, of.file).await.expect("is carried");
        let lose = |tx: Transaction, _| async move { tx.clear_row(&File { file: of.file }) };
        world.store.run(lose).await.expect("is lost");
    }
    world.far_future();
    let all = world.objects();
    world.restart();
    let swept = world.files.sweep().await;
    assert_eq!((swept.strays, swept.failures), (0, 1));
    assert_eq!(world.objects(), all);
}
