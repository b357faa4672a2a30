//! A whole store, with writes and with changes of hands between the steps.

use std::collections::BTreeMap;

use cluster_store::schema::{Account, ClientMessage, File, RoomDeletion, SignIn};
use cluster_store::{Simulated, Table};
use cluster_types::{AccountId, SignInId};
use proptest::prelude::*;

use super::*;
use crate::testing::{Files, Op, Rows, World, dump, op};

/// Rows as a restore would lay them down.
#[derive(Default)]
struct Laid {
    rows: Rows,
    ended: BTreeMap<RoomId, Seq>,
}

impl Laid {
    fn lay(&mut self, record: Record) {
        match record {
            Record::Row(RawRow { key, value }) => drop(self.rows.insert(key, value)),
            Record::RoomEnd(room, head) => drop(self.ended.insert(room, head)),
            Record::RoomGone(room) => {
                let is_of = |key: &Bytes| key.get(2..18) == Some(room.as_bytes().as_slice());
                self.rows.retain(|key, _| !is_of(key));
            }
            Record::File(..) | Record::FileBytes(_) | Record::FileGone(_) => {
                panic!("there are no files")
            }
        }
    }
}

/// Accounts, and rows that are not to be copied.
async fn people(store: &Store) {
    let tx = store.begin().await.expect("begins");
    let sign_in = SignInId::from_bytes([3; 16]);
    for number in 0..4 {
        let account = AccountId::from_bytes([number; 16]);
        tx.set_row(&Account { account }, &Default::default())
            .expect("sets");
        tx.set_row(&SignIn { account, sign_in }, &Default::default())
            .expect("sets");
    }
    let room = RoomId::from_bytes([1; 16]);
    tx.set_row(&RoomDeletion { room }, &Default::default())
        .expect("sets");
    tx.commit().await.expect("commits");
}

/// Collects all, with operations between the steps, each step by a collector of its own that knows what
/// the one before said of its progress.
async fn collect(store: &Store, worlds: &mut [World], ops: &[(usize, Op)], at_once: usize) -> Laid {
    let (mut laid, mut said) = (Laid::default(), Vec::new());
    let (mut ops, mut records) = (ops.iter(), 0);
    loop {
        let progress = Progress::decode(&said).expect("was encoded");
        let mut collector = Collector::new(store.clone(), Files::default().sealed(), progress);
        let Some(found) = collector.step().await.expect("reads") else {
            assert_eq!(collector.progress().records, records);
            return laid;
        };
        records += found.len() as u64;
        for record in found {
            laid.lay(Record::decode(record.encode()).expect("was encoded"));
        }
        said = collector.progress().encode();
        for (world, op) in ops.by_ref().take(at_once) {
            let count = worlds.len();
            worlds[world % count].apply(*op).await;
        }
    }
}

fn is_copied(key: &Bytes) -> bool {
    Table::of_key(key).is_some_and(|table| Plan::of(table) != Plan::Never)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_there_before_is_in_the_records(
        before in prop::collection::vec((0..3_usize, op()), 0..40),
        during in prop::collection::vec((0..3_usize, op()), 0..40),
        at_once in 0..6_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("starts");
        runtime.block_on(async {
            let store = Store::new(Simulated::reliable());
            people(&store).await;
            let mut worlds = Vec::new();
            for number in [2, 4, 6] {
                worlds.push(World::new(store.clone(), RoomId::from_bytes([number; 16])).await);
            }
            for (world, op) in before {
                worlds[world].apply(op).await;
            }
            let heads: Vec<_> = worlds.iter().map(|world| (world.room, Seq(world.head))).collect();
            let before = dump(&store).await;
            let laid = collect(&store, &mut worlds, &during, at_once).await;
            for (room, head) in heads {
                prop_assert!(laid.ended[&room] >= head, "what was acknowledged is there");
            }
            if during.is_empty() || at_once == 0 {
                let copied: Rows = before.into_iter().filter(|(key, _)| is_copied(key)).collect();
                prop_assert_eq!(laid.rows, copied);
            } else {
                prop_assert!(laid.rows.keys().all(is_copied));
            }
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn rows_after_the_rooms_speak_of_all_events_that_were_copied() {
    let store = Store::new(Simulated::reliable());
    people(&store).await;
    let mut world = World::new(store.clone(), RoomId::from_bytes([2; 16])).await;
    let mut collector = Collector::new(
        store.clone(),
        Files::default().sealed(),
        Progress::default(),
    );
    let mut laid = Laid::default();
    let mut sent = 0;
    while let Some(records) = collector.step().await.expect("reads") {
        records.into_iter().for_each(|record| laid.lay(record));
        if sent < 3 {
            sent += 1;
            let tx = store.begin().await.expect("begins");
            let account = AccountId::from_bytes([1; 16]);
            let client_message_id = [sent; 16];
            let row = ClientMessage {
                account,
                client_message_id,
            };
            tx.set_row(&row, &Default::default()).expect("sets");
            tx.commit().await.expect("commits");
            world.apply(Op::Send).await;
        }
    }
    let known = laid
        .rows
        .keys()
        .filter(|key| Table::of_key(key) == Some(Table::ClientMessage));
    let messages = laid.ended.values().next().expect("a room").0;
    assert!(
        known.count() as u64 >= messages,
        "never less than what is in the log"
    );
}

#[tokio::test(start_paused = true)]
async fn a_room_that_goes_on_the_way_leaves_nothing() {
    let store = Store::new(Simulated::reliable());
    let mut world = World::new(store.clone(), RoomId::from_bytes([2; 16])).await;
    world.apply(Op::Send).await;
    let place = Place::Room(world.room, Seq(1));
    let progress = Progress {
        place,
        ..Progress::default()
    };
    world.info.deleted = true;
    world.apply(Op::Link(1)).await;
    let mut collector = Collector::new(store.clone(), Files::default().sealed(), progress);
    let records = collector.step().await.expect("reads");
    assert_eq!(records, Some(vec![Record::RoomGone(world.room)]));
    assert!(!collector.progress().counts.contains_key("rooms"));
}

/// Collects the files of a store, each step by a collector of its own. What each came to: its size, how many
/// bytes it lies in, whether it was said to have gone.
async fn collect_files(
    store: &Store,
    files: &Files,
    mut between: impl AsyncFnMut(&Record),
) -> (BTreeMap<FileId, (u64, usize, bool)>, Progress) {
    let (mut said, mut laid) = (Vec::new(), BTreeMap::new());
    let mut current = None;
    loop {
        let progress = Progress::decode(&said).expect("was encoded");
        let mut collector = Collector::new(store.clone(), files.sealed(), progress);
        let Some(records) = collector.step().await.expect("reads") else {
            return (laid, collector.progress().clone());
        };
        for record in records {
            let record = Record::decode(record.encode()).expect("was encoded");
            match &record {
                Record::File(file, size) => {
                    current = Some(*file);
                    laid.insert(*file, (*size, 0, false));
                }
                Record::FileBytes(bytes) => {
                    let file = laid.get_mut(&current.expect("a file")).expect("begun");
                    file.1 += bytes.len();
                }
                Record::FileGone(file) => laid.get_mut(file).expect("begun").2 = true,
                Record::Row(_) | Record::RoomEnd(..) | Record::RoomGone(_) => {}
            }
            between(&record).await;
        }
        said = collector.progress().encode();
    }
}

#[tokio::test(start_paused = true)]
async fn files_that_messages_carry_come_last_in_steps() {
    let (store, files) = (Store::new(Simulated::reliable()), Files::default());
    World::new(store.clone(), RoomId::from_bytes([2; 16])).await;
    let [small, upload, large] = [1, 2, 3].map(|number| FileId::from_bytes([number; 16]));
    files.put(&store, small, 1, 1).await;
    files.put(&store, upload, 10, 0).await;
    files.put(&store, large, 5_000_000, 1).await;
    let (mut begun, mut steps) = (false, 0);
    let (found, progress) = collect_files(&store, &files, async |record: &Record| {
        begun |= matches!(record, Record::File(..));
        steps += usize::from(matches!(record, Record::FileBytes(_)));
        assert_eq!(
            begun,
            !matches!(record, Record::Row(_) | Record::RoomEnd(..))
        );
    })
    .await;
    let lies_in = |size| {
        let bytes = SealedFiles::bytes(size).expect("a file has this size");
        usize::try_from(bytes).expect("is small")
    };
    let whole = |size| (size, lies_in(size), false);
    assert_eq!(
        found,
        BTreeMap::from([(small, whole(1)), (large, whole(5_000_000))])
    );
    assert!(steps > 10, "{steps}");
    let counts = ["files", "file_bytes", "files_gone"].map(|what| progress.count(what));
    assert_eq!(counts, [2, 5_000_001, 0]);
    assert!(progress.is_at_end());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_goes_on_the_way_is_counted_and_the_next_one_comes() {
    let (store, files) = (Store::new(Simulated::reliable()), Files::default());
    let [first, released, last] = [1, 2, 3].map(|number| FileId::from_bytes([number; 16]));
    for file in [first, released, last] {
        files.put(&store, file, 600_000, 1).await;
    }
    let (found, progress) = collect_files(&store, &files, async |record: &Record| {
        if *record == Record::File(first, 600_000) {
            let tx = store.begin().await.expect("begins");
            tx.clear_row(&File { file: released }).expect("clears");
            tx.commit().await.expect("commits");
        }
        if matches!(record, Record::File(file, _) if *file == last) {
            use object_store::ObjectStoreExt as _;
            for object in files
                .dump()
                .await
                .into_keys()
                .filter(|name| name.contains(&last.to_string()))
            {
                let path = object_store::path::Path::from(object);
                files.objects.delete(&path).await.expect("is removed");
            }
        }
    })
    .await;
    let gone: Vec<_> = found.iter().map(|(file, about)| (*file, about.2)).collect();
    assert_eq!(gone, [(first, false), (last, true)]);
    assert_eq!(
        (progress.count("files"), progress.count("files_gone")),
        (1, 1)
    );
}
