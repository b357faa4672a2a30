//! The store of a cluster: FoundationDB behind the trait that the embedded store serves too.
//!
//! Owns: the client library's network and database handle, the prefix under which one deployment lives in
//! a cluster that it may share, and what each of FoundationDB's error codes means for a transaction.
//!
//! How a transaction runs. `begin` makes a transaction of the client's, with its own read-your-writes
//! switched off, and asks nobody. The first read fixes the snapshot. Reads add no conflicts; those that
//! the caller recorded are added at the commit. Nothing is tried again in here: the loop is
//! [`Store::run`](cluster_store::Store::run), which tells its body that an earlier run may have committed.
//!
//! **Invariant: a commit that may have happened is never called one that has not.** What is certain not to
//! have happened is a list of codes; every other failure of a commit is
//! [`StoreError::CommitUnknown`](cluster_store::StoreError), logged with its code. After a timeout the
//! commit may even arrive later, as long as its snapshot is young enough (5 s). It then fails if a retry
//! wrote what it had read; so what must happen once reads, in the same transaction, the row that says it did.
//!
//! **Invariant: nothing waits without an end.** Each transaction ends after
//! [`limits::TRANSACTION_TIME_MAX`]. What may be on its way to the cluster, and what may wait for that, is
//! bounded in number, bytes and time.
//!
//! Without the feature `client` there is no backend here, only what needs neither the client library nor
//! its headers; the default build of the server leaves out the whole crate.
//!
//! Leaves out: limits and read-your-writes (`cluster_store::Transaction`), access control (FoundationDB has
//! none: see `ops/foundationdb.md`), and what rows mean.

#![cfg_attr(
    not(feature = "client"),
    allow(
        dead_code,
        reason = "the pure part is compiled and tested without its user"
    )
)]

#[cfg(feature = "client")]
mod client;
mod error;
pub mod limits;
mod options;
mod outcome;
mod prefix;
mod size;

#[cfg(feature = "client")]
pub use client::Fdb;
pub use error::OpenError;
pub use options::{FdbOptions, TlsFiles};
pub use prefix::{Prefix, PrefixError};
