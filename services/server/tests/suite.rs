//! Tests of the whole server, in this process, over real sockets and TLS. One binary: linking is most
//! of what such tests cost.

#[path = "suite/authorization.rs"]
mod authorization;
#[path = "suite/backups.rs"]
mod backups;
#[path = "suite/bad_input.rs"]
mod bad_input;
#[cfg(feature = "s3")]
#[path = "suite/bucket.rs"]
mod bucket;
#[path = "suite/canaries.rs"]
mod canaries;
#[cfg(feature = "foundationdb")]
#[path = "suite/cluster.rs"]
mod cluster;
#[path = "suite/dev_cluster.rs"]
mod dev_cluster;
#[path = "suite/erased.rs"]
mod erased;
#[path = "suite/files.rs"]
mod files;
#[path = "suite/golden.rs"]
mod golden;
#[path = "suite/keys.rs"]
mod keys;
#[path = "suite/lifecycle.rs"]
mod lifecycle;
#[path = "suite/matrix.rs"]
mod matrix;
#[path = "suite/payloads.rs"]
mod payloads;
#[path = "suite/process.rs"]
mod process;
#[path = "suite/rotation.rs"]
mod rotation;
#[path = "suite/support.rs"]
mod support;
#[path = "suite/traces.rs"]
mod traces;
#[path = "suite/transfers.rs"]
mod transfers;
#[path = "suite/world.rs"]
mod world;
