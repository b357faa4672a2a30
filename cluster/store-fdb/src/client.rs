//! [`Fdb`]: the database handle, what may be on its way to the cluster, and how it ends.
//!
//! Invariant: a transaction holds a place while it asks the cluster, and [`Fdb::close`](Backend::close) takes
//! all places before the network may stop. So nothing waits for an answer that nobody can give any more.
//!
//! Leaves out: one transaction (`view`).

mod network;
mod places;
mod reach;
mod view;

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cluster_store::limits::TRANSACTION_BYTES_MAX;
use cluster_store::{Backend, Snapshot, StoreError};
use foundationdb::options::{DatabaseOption, TransactionOption};
use foundationdb::{Database, FdbError, Transaction};
use parking_lot::Mutex;

use crate::limits::TRANSACTION_TIME_MAX;
use crate::{FdbOptions, OpenError, Prefix};
use network::Network;
use places::Places;
use reach::Reach;
use view::View;

/// The store of a cluster. A cheap handle; clones share the connection.
///
/// The client's network starts with the first store of a process and stops with the last, when it is closed
/// or its last handle goes, and cannot start again: a process that opens several stores one after another
/// keeps one open throughout. A process must not end with the network running, so close the store, or let
/// its handles go, before `main` returns.
#[derive(Clone)]
pub struct Fdb {
    shared: Arc<Shared>,
}

/// What handles and transactions share.
struct Shared {
    /// `None` once closed.
    open: Mutex<Option<Open>>,
    location: String,
    prefix: Prefix,
    places: Places,
    reach: Reach,
}

/// What lives until the store is closed, in the order in which it goes.
struct Open {
    database: Database,
    _network: Arc<Network>,
}

impl Fdb {
    /// Opens the store of a cluster. Returns at once, also if the cluster cannot be reached: reads then
    /// fail with [`StoreError::Unavailable`] after [`TRANSACTION_TIME_MAX`], until it comes.
    ///
    /// # Errors
    /// What keeps this process from ever reaching a cluster: files that do not read, a client library that
    /// is too old or refuses, a network that has run and stopped.
    pub fn open(options: FdbOptions) -> Result<Self, OpenError> {
        let file = cluster_file(&options.cluster_file)?;
        let network = Network::run(options.tls.as_ref())?;
        let database = Database::from_path(file).map_err(|e| refused("the cluster file", e))?;
        let time = i32::try_from(TRANSACTION_TIME_MAX.as_millis())
            .expect("seven seconds are fewer milliseconds than 2^31");
        let size = i32::try_from(TRANSACTION_BYTES_MAX)
            .expect("FoundationDB's limit of 10 MB is below 2^31");
        for option in [
            DatabaseOption::TransactionTimeout(time),
            DatabaseOption::TransactionSizeLimit(size),
        ] {
            let set = database.set_option(option);
            set.map_err(|error| refused("a limit for transactions", error))?;
        }
        let shared = Shared {
            open: Mutex::new(Some(Open {
                database,
                _network: network,
            })),
            location: options.location(),
            prefix: options.prefix,
            places: Places::new(),
            reach: Reach::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Which part of the cluster it keeps its rows in.
    pub fn prefix(&self) -> &Prefix {
        &self.shared.prefix
    }
}

impl fmt::Debug for Fdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shared, f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fdb")
            .field("location", &self.location)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Backend for Fdb {
    async fn begin(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let transaction = self.shared.transaction()?;
        Ok(Box::new(View::new(Arc::clone(&self.shared), transaction)))
    }

    fn location(&self) -> String {
        self.shared.location.clone()
    }

    async fn close(&self) {
        let open = self.shared.open.lock().take();
        // Whoever closes second waits as the first does, so that both return when it is over.
        self.shared.places.end().await;
        if let Some(open) = open {
            // Stopping the network waits for its thread, which is short but blocks. Should the runtime go
            // down meanwhile, the work is done all the same.
            let stopped = tokio::task::spawn_blocking(move || drop(open)).await;
            if let Err(error) = stopped {
                tracing::error!(%error, "the network of the cluster's client did not stop");
            }
        }
    }
}

impl Shared {
    fn transaction(&self) -> Result<Transaction, StoreError> {
        let open = self.open.lock();
        let open = open.as_ref().ok_or(StoreError::Closed)?;
        let begun = open.database.create_trx().and_then(|transaction| {
            transaction.set_option(TransactionOption::ReadYourWritesDisable)?;
            Ok(transaction)
        });
        begun.map_err(|error| {
            let (code, error) = (error.code(), error.message());
            tracing::error!(location = %self.location, code, error, "no transaction begins");
            StoreError::Unavailable
        })
    }
}

/// The path of a cluster file that reads and names a cluster.
fn cluster_file(path: &Path) -> Result<&str, OpenError> {
    let text = fs::read_to_string(path).map_err(|source| OpenError::File {
        path: path.to_owned(),
        source,
    })?;
    if !names_a_cluster(&text) {
        let path = path.to_owned();
        return Err(OpenError::NoCluster { path });
    }
    as_text(path)
}

/// Whether a cluster file has a line like `name:id@coordinator`. What else it must have the client says.
fn names_a_cluster(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    lines.any(|line| {
        let (before, coordinators) = line.split_once('@').unwrap_or_default();
        !line.starts_with('#') && before.contains(':') && coordinators.contains(':')
    })
}

/// A path as the client's interface takes it.
fn as_text(path: &Path) -> Result<&str, OpenError> {
    let text = path.to_str().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| OpenError::NotText {
        path: path.to_owned(),
    })
}

fn refused(what: &'static str, error: FdbError) -> OpenError {
    OpenError::Client {
        what,
        code: error.code(),
        message: error.message(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_file_names_a_cluster_and_its_coordinators() {
        assert!(names_a_cluster(
            "# made by fdbcli\nchat:4f2a@10.0.0.1:4500:tls,10.0.0.2:4500:tls\n"
        ));
        for text in [
            "",
            "# a:b@c:1",
            "chat:4f2a",
            "10.0.0.1:4500",
            "@10.0.0.1:4500",
        ] {
            assert!(!names_a_cluster(text), "{text}");
        }
    }

    #[test]
    fn a_missing_cluster_file_is_named() {
        let options = FdbOptions::new("/no/such/fdb.cluster");
        let error = Fdb::open(options).expect_err("refused").to_string();
        assert!(error.contains("/no/such/fdb.cluster"), "{error}");
    }
}
