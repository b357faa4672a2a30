//! A deployment without a server: a disk in memory, or a folder, on which vaults are opened, and a key
//! file beside it.

use std::path::PathBuf;

use cluster_store::schema::{self, Row};
use cluster_store::{RowRange, Scan, Simulated, SimulatedDisk, Store, StoreError, Transaction};
use cluster_types::{AccountId, DeploymentId, Rng, RoomId, Seq, UnixMillis};
use proto::storage::v1;
use services_vault::{
    Broken, KeySource, MessageAad, OpenError, PairName, Parts, Vault, VaultError,
};
use tempfile::TempDir;

/// Noon of some day.
pub(crate) const NOON: UnixMillis = UnixMillis(20_000 * DAY_MS + DAY_MS / 2);
pub(crate) const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

pub(crate) struct World {
    pub(crate) disk: SimulatedDisk,
    pub(crate) rng: Rng,
    pub(crate) deployment: DeploymentId,
    folder: TempDir,
}

/// A message as rooms would keep it.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) name: PairName,
    pub(crate) aad: MessageAad,
    pub(crate) text: String,
    pub(crate) sealed: bytes::Bytes,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let rng = Rng::seeded(seed);
        Self {
            disk: SimulatedDisk::new(),
            deployment: DeploymentId::random(&rng),
            rng,
            folder: tempfile::tempdir().expect("a folder can be made"),
        }
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.path().join("rookery.keys")
    }

    pub(crate) fn key_file_text(&self) -> String {
        std::fs::read_to_string(self.key_file()).expect("the key file reads")
    }

    pub(crate) fn store(&self) -> Store {
        let backend = Simulated::new(self.disk.clone(), self.rng.fork());
        Store::with_jitter(backend, self.rng.fork())
    }

    /// A node with nothing in its memory.
    pub(crate) async fn vault(&self) -> Vault {
        self.open(KeySource::file(self.key_file()))
            .await
            .expect("opens")
    }

    pub(crate) async fn open(&self, source: KeySource) -> Result<Vault, OpenError> {
        self.open_on(self.store(), source).await
    }

    pub(crate) async fn open_on(
        &self,
        store: Store,
        source: KeySource,
    ) -> Result<Vault, OpenError> {
        let parts = Parts {
            store,
            deployment: self.deployment,
            source,
            rng: self.rng.fork(),
        };
        Vault::open(parts).await
    }
}

/// The account of this number.
pub(crate) const fn account(number: u8) -> AccountId {
    AccountId::from_bytes([number; 16])
}

/// The room of this number.
pub(crate) const fn room(number: u8) -> RoomId {
    RoomId::from_bytes([number; 16])
}

pub(crate) async fn seal(
    vault: &Vault,
    author: AccountId,
    room: RoomId,
    time: UnixMillis,
) -> Result<Sealed, VaultError> {
    let aad = MessageAad {
        room,
        seq: Seq(7),
        author,
        schema: 1,
    };
    let text = format!("what {author} says in {room}");
    let pair = vault.sealing_pair(author, room, time).await?;
    let sealed = pair.seal(&mut vault.nonces(1), &aad, text.as_bytes());
    let sealed = sealed.expect("short");
    let name = PairName::at(author, room, time);
    Ok(Sealed {
        name,
        aad,
        text,
        sealed,
    })
}

/// What the message says; `None` if one of its keys is gone.
pub(crate) async fn opened(
    vault: &Vault,
    message: &Sealed,
) -> Result<Option<Result<String, Broken>>, VaultError> {
    let pair = vault.opening_pairs(&[message.name]).await?.remove(0);
    let open = |pair: services_vault::Pair| {
        let opened = pair.open(&message.aad, &message.sealed)?;
        Ok(String::from_utf8(opened).expect("what was sealed was text"))
    };
    Ok(pair.map(open))
}

/// Asserts that the message says what it said.
pub(crate) async fn assert_opens(vault: &Vault, message: &Sealed) {
    let opened = opened(vault, message).await.expect("the keys are read");
    assert_eq!(opened, Some(Ok(message.text.clone())));
}

/// The generations that the rows of data keys are wrapped under.
pub(crate) async fn generations(store: &Store) -> Vec<u32> {
    let rows = async |tx: Transaction| {
        let mut all = of_table::<schema::ServerKey>(&tx).await?;
        all.extend(of_table::<schema::AccountKey>(&tx).await?);
        all.extend(of_table::<schema::RoomKey>(&tx).await?);
        Ok::<_, StoreError>(all)
    };
    let tx = store.begin().await.expect("begins");
    rows(tx).await.expect("reads")
}

async fn of_table<K: Row<Value = v1::DataKey>>(tx: &Transaction) -> Result<Vec<u32>, StoreError> {
    let page = tx.scan::<K>(RowRange::all(), Scan::default()).await?;
    let rows = page.rows.into_iter();
    Ok(rows.map(|(_, row)| row.generation).collect())
}
