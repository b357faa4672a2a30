//! Why the store of a cluster did not open. An unreachable cluster is no such reason: it may come.

use std::path::PathBuf;

/// Why the store of a cluster did not open. Each text says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The cluster file or a file for TLS cannot be read.
    #[error(
        "{} cannot be read: name a file that the user who runs the server can read \
         (a cluster file is in /etc/foundationdb of every machine of the cluster)",
        path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The cluster file names no cluster.
    #[error(
        "{} names no cluster: it has one line like name:id@10.0.0.1:4500,10.0.0.2:4500; \
         copy it from a machine of the cluster",
        path.display()
    )]
    NoCluster {
        /// The file.
        path: PathBuf,
    },
    /// A path that the client library cannot be given.
    #[error("{} is no UTF-8, which the client library needs: use another path", path.display())]
    NotText {
        /// The path.
        path: PathBuf,
    },
    /// The client library on this machine is older than the cluster's interface that is used.
    #[error(
        "the client library of FoundationDB on this machine knows its interface up to {found}, \
         and {needed} is needed: install the library of FoundationDB 7.3 or newer"
    )]
    ClientTooOld {
        /// The newest version that the library knows.
        found: i32,
        /// The version that is needed.
        needed: i32,
    },
    /// The client library refused.
    #[error("FoundationDB's client library refused {what}: {message} (code {code})")]
    Client {
        /// What it was asked to do.
        what: &'static str,
        /// Its code.
        code: i32,
        /// Its words.
        message: &'static str,
    },
    /// The network of the client library runs once in the life of a process.
    #[error(
        "the network of FoundationDB's client was stopped in this process, and it starts only once: \
         start the process again"
    )]
    NetworkEnded,
    /// Another store of this process was opened with other certificates.
    #[error(
        "another store of this process uses FoundationDB with other TLS files: use the same for both"
    )]
    OtherTls,
}
