//! Files over a store in memory and a folder, through the public handle.

mod belonging;
mod copying;
mod faults;
mod faulty;
mod refusals;
mod sweeping;
mod tails;
mod travelling;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cluster_membership::Membership;
use cluster_runtime::Tasks;
use cluster_store::{Simulated, Store, StoreError, Transaction};
use cluster_types::{
    AccountId, Clock as _, DeploymentId, FileId, ManualClock, NodeId, Rng, RoomId, UnixMillis,
};
use object_store::local::LocalFileSystem;
use parking_lot::Mutex;
use services_vault::{KeySource, Vault};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::objects::MARK;
use crate::{
    Descriptor, FileName, Files, NewUpload, Parts, People, Policy, ReadError, RequestId, TakeError,
};

pub(crate) const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
pub(crate) const OTHER: AccountId = AccountId::from_bytes([2; 16]);
pub(crate) const ROOM: RoomId = RoomId::from_bytes([3; 16]);
const DEPLOYMENT: DeploymentId = DeploymentId::from_bytes([4; 16]);
/// Long after the machine's clock, which objects have their time of.
const FAR_FUTURE: UnixMillis = UnixMillis(100_000 * DAY_MS);
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// What the name of each file has in it.
const NAME: &str = "canary-name-4711.bin";

/// Everybody exists but those who are gone.
#[derive(Debug, Default)]
struct Gone(Mutex<BTreeSet<AccountId>>);

#[async_trait]
impl People for Gone {
    async fn exists(&self, account: AccountId) -> Result<bool, StoreError> {
        Ok(!self.0.lock().contains(&account))
    }
}

/// A node, its store and its folder.
pub(crate) struct World {
    folder: TempDir,
    store: Store,
    vault: Vault,
    clock: Arc<ManualClock>,
    rng: Rng,
    gone: Arc<Gone>,
    policy: Policy,
    pub(crate) files: Files,
}

impl World {
    pub(crate) async fn new(policy: Policy) -> Self {
        let (rng, folder) = (Rng::seeded(1), tempfile::tempdir().expect("a folder"));
        let store = Store::new(Simulated::reliable());
        let parts = services_vault::Parts {
            store: store.clone(),
            deployment: DEPLOYMENT,
            source: KeySource::file(folder.path().join("rookery.keys")),
            rng: rng.fork(),
        };
        let vault = Vault::open(parts).await.expect("opens");
        std::fs::create_dir(folder.path().join("objects")).expect("a folder");
        let clock = Arc::new(ManualClock::at(UnixMillis(20_000 * DAY_MS)));
        let gone = Arc::new(Gone::default());
        let files = start(&folder, &store, &vault, &clock, &rng, &gone, &policy);
        Self {
            folder,
            store,
            vault,
            clock,
            rng,
            gone,
            policy,
            files,
        }
    }

    /// The node that these files are on, which is the only one.
    pub(crate) async fn alone(&self) -> Membership {
        let (node, tasks) = (NodeId::from_bytes([1; 16]), Tasks::new());
        let parts = cluster_membership::Parts::unreachable(
            self.store.clone(),
            node,
            self.rng.fork(),
            tasks,
        );
        Membership::alone(parts).await.expect("is alone")
    }

    /// Another process on the same store and folder, after the first has gone.
    fn restart(&mut self) {
        let Self {
            folder,
            store,
            vault,
            clock,
            rng,
            gone,
            policy,
            files,
        } = self;
        *files = start(folder, store, vault, clock, rng, gone, policy);
    }

    /// Begins an upload of as many bytes for [`ROOM`].
    async fn begin(&self, size: usize) -> FileId {
        let begun = self.files.start(ACCOUNT, new(size, None)).await;
        begun.expect("an upload")
    }

    /// Uploads these bytes.
    pub(crate) async fn upload(&self, bytes: &[u8]) -> Descriptor {
        let file = self.begin(bytes.len()).await;
        let mut writer = self.files.writer(ACCOUNT, file).await.expect("a writer");
        writer.write(0, bytes).await.expect("is taken");
        self.files.finish(ACCOUNT, file).await.expect("finishes")
    }

    /// What a message in `room` finds of a file.
    async fn descriptor(
        &self,
        account: AccountId,
        room: RoomId,
        file: FileId,
    ) -> Result<Descriptor, TakeError> {
        let find = |tx: Transaction| async move {
            self.files.descriptors(&tx, account, room, &[file]).await
        };
        let mut found = self.store.read(find).await?;
        Ok(found.pop().expect("one for each"))
    }

    /// Has a message carry a file.
    pub(crate) async fn take(&self, room: RoomId, file: FileId) -> Result<(), TakeError> {
        let take =
            |tx: Transaction, _| async move { Files::take(&tx, ACCOUNT, room, &[file]).await };
        self.store.run(take).await
    }

    /// Has the message that carries a file be deleted.
    async fn release(&self, file: FileId) {
        let release = |tx: Transaction, _| async move { Files::release(&tx, file).await };
        self.store.run(release).await.expect("is released");
    }

    async fn read(&self, of: &Descriptor, from: usize, to: usize) -> Result<Vec<u8>, ReadError> {
        let mut reader = self.files.reader(of, from as u64..to as u64)?;
        let mut read = Vec::new();
        while let Some(bytes) = reader.next().await? {
            let bytes: Bytes = bytes;
            read.extend_from_slice(&bytes);
        }
        Ok(read)
    }

    /// What the account has used of its quota: bytes, and uploads.
    async fn used(&self) -> (u64, u32) {
        let read = |tx: Transaction| async move { crate::store::quota(&tx, ACCOUNT).await };
        let used = self.store.read(read).await.expect("reads");
        (used.bytes, used.uploads)
    }

    /// Every object of a file, in the order of their names.
    pub(crate) fn objects(&self) -> Vec<PathBuf> {
        let (mut found, mut folders) = (Vec::new(), vec![self.folder.path().join("objects")]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path)
                } else if !path.ends_with(MARK) {
                    found.push(path)
                }
            }
        }
        found.sort();
        found
    }

    /// So late that all that lies in the folder is old.
    fn far_future(&self) {
        self.clock.set(FAR_FUTURE);
    }

    fn next_day(&self) {
        let later = UnixMillis(self.clock.now().0 + DAY_MS);
        self.clock.set(later);
    }
}

fn start(
    folder: &TempDir,
    store: &Store,
    vault: &Vault,
    clock: &Arc<ManualClock>,
    rng: &Rng,
    gone: &Arc<Gone>,
    policy: &Policy,
) -> Files {
    let objects = LocalFileSystem::new_with_prefix(folder.path().join("objects"));
    Files::new(Parts {
        store: store.clone(),
        deployment: DEPLOYMENT,
        vault: vault.clone(),
        clock: clock.clone(),
        rng: rng.fork(),
        objects: Arc::new(objects.expect("a folder").with_fsync(true)),
        people: gone.clone(),
        policy: policy.clone(),
        tasks: Tasks::new(),
    })
}

fn new(size: usize, sha256: Option<[u8; 32]>) -> NewUpload {
    NewUpload {
        request: RequestId(Rng::from_os().bytes()),
        room: ROOM,
        name: FileName::new(NAME.to_owned()).expect("a name"),
        size: size as u64,
        sha256,
    }
}

/// So many bytes that repeat nowhere near.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Rng::seeded(7).fill(&mut bytes);
    bytes
}

pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
