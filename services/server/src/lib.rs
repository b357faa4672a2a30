//! The server: puts the services together, and takes them apart again.
//!
//! Owns: the configuration ([`config`]), the wiring of the services ([`app`]), the Administration
//! service, which is about all of them, what is printed at a start, and the order of a stop.
//!
//! Invariant: this is the only crate that knows all others, and the only one that chooses a store.
//!
//! Leaves out: what any service does.

mod adapters;
mod administration;
pub mod app;
mod backup;
pub mod cli;
mod cluster;
pub mod config;
mod demo;
mod descriptors;
mod dev_cluster;
pub mod files;
mod greeting;
mod job;
mod key_files;
pub mod keys;
mod logging;
pub mod nodes;
mod restore;
mod rotation;
mod serve;
mod stop;
pub mod stores;
mod upgrade;
mod waiting;

pub use backup::{BackupArgs, backup};
pub use cluster::{ClusterArgs, cluster};
pub use demo::{DemoArgs, demo};
pub use dev_cluster::{DevCluster, DevClusterArgs, DevError, NodeStatus, Standing, dev_cluster};
pub use job::{StoreOptions, TellOptions};
pub use key_files::{KeysArgs, key_files};
pub use restore::{RestoreArgs, restore};
pub use serve::serve;
pub use stop::Stopped;
