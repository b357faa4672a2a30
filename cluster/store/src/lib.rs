//! The store: serializable transactions over ordered byte keys, on one machine or a cluster.
//!
//! Owns: [`Store`] and [`Transaction`], which are the same over every backend; the [`schema`], the
//! only place that knows bytes; the backends [`embedded`] (one file, the default) and
//! [`simulated`] (in memory, from a seed, with everything that can go wrong).
//!
//! Invariant: a transaction that was acknowledged is durable, and all transactions behave as if they
//! had run one after the other. The limits are FoundationDB's on every backend.
//!
//! Leaves out: what rows mean (the services), and where the server gets its data directory from.
//!
//! ```
//! use cluster_store::{Simulated, Store, StoreError, Transaction};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), StoreError> {
//! let store = Store::new(Simulated::reliable());
//! store.run(|tx: Transaction, _| async move { tx.set(b"greeting", b"hello") }).await?;
//! let read = store.read(|tx: Transaction| async move { tx.get(b"greeting").await }).await?;
//! assert_eq!(read.as_deref(), Some(&b"hello"[..]));
//! # Ok(())
//! # }
//! ```

mod backend;
#[cfg(any(test, feature = "testing"))]
pub mod bench;
mod conflicts;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
mod deployment;
pub mod embedded;
pub mod erasures;
mod error;
pub mod limits;
#[cfg(any(test, feature = "testing"))]
pub mod power;
mod runner;
pub mod schema;
pub mod simulated;
mod transaction;
mod upgrade;

pub use backend::{
    Backend, Mutation, Page, PageFill, RangeQuery, Snapshot, Span, Version, WriteSet,
};
pub use deployment::{is_empty, open_deployment};
pub use embedded::{Embedded, EmbeddedOptions, GroupCounts, OnFatal};
pub use error::{AsStoreError, OpenError, StoreError};
pub use runner::{MaybeCommitted, Store};
pub use schema::{Row, Table};
pub use simulated::{Commit, FaultCounts, Faults, Simulated, SimulatedDisk, Witness};
pub use transaction::{Lookup, RowPage, RowRange, Scan, Transaction};
pub use upgrade::Upgrade;
