//! What links stand on: connections from node to node.

use std::fmt;
use std::io;

use async_trait::async_trait;
use cluster_types::NodeId;
use tokio::io::{AsyncRead, AsyncWrite};

/// The bytes of a connection, both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A connection that somebody else has opened.
pub struct Incoming {
    /// Its bytes.
    pub stream: Box<dyn Stream>,
    /// The node whose certificate was shown; `None` where there are no certificates.
    pub proven: Option<NodeId>,
}

/// Opens and takes connections: over TLS, or in memory.
#[async_trait]
pub trait Network: fmt::Debug + Send + Sync {
    /// Connects to `peer` at `address`, and is sure that it is that node, where nodes can prove it. The
    /// caller sets the deadline, and drops this.
    ///
    /// # Errors
    /// If it cannot be reached, or is somebody else.
    async fn dial(&self, peer: NodeId, address: &str) -> io::Result<Box<dyn Stream>>;

    /// The next connection of somebody who may be who it says. One call is under way at a time; it may be
    /// dropped and called again.
    ///
    /// # Errors
    /// If this node cannot take connections for now. A stranger is refused without an error here.
    async fn accept(&self) -> io::Result<Incoming>;
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("proven", &self.proven)
            .finish_non_exhaustive()
    }
}
