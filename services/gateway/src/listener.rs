//! Takes connections, for as long as the node serves.
//!
//! Invariant: the loop ends when it is told to and never because of an error. What a client does wrong
//! ends its own connection; when file descriptors or memory run out, accepting pauses and goes on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cluster_runtime::TaskKind;
use cluster_types::PeerAddr;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, Full, serve};
use crate::gateway::Shared;
use crate::limits::{ACCEPT_PAUSE_FIRST, ACCEPT_PAUSE_MAX, ConnectionLimits};
use crate::metrics::Metrics;
use crate::tls::accept;

/// Listens on `address`, with the queue that `limits` name.
///
/// # Errors
/// What the system says, such as that the address is in use.
pub fn listen(address: SocketAddr, limits: &ConnectionLimits) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A server that restarts takes its port back while old connections still fade away.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(limits.backlog_max)
}

/// Where connections come from.
#[async_trait]
pub(crate) trait Accept: Send + 'static {
    /// The next one.
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)>;
}

#[async_trait]
impl Accept for TcpListener {
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }
}

/// Takes connections from `listener` until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, listener: impl Accept, stop: CancellationToken) {
    let mut pause = ACCEPT_PAUSE_FIRST;
    loop {
        let next = async {
            let waiting = shared.slots.wait().await;
            (waiting, listener.accept().await)
        };
        let (waiting, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            next = next => next,
        };
        match accepted {
            Ok((stream, address)) => {
                pause = ACCEPT_PAUSE_FIRST;
                Metrics::count(&shared.metrics.connections_accepted);
                match shared.slots.admit(waiting, PeerAddr::of(address)) {
                    Ok((slot, unauthenticated)) => {
                        let connection = Connection::new(
                            PeerAddr::of(address),
                            slot,
                            unauthenticated,
                            shared.draining.child_token(),
                            &shared.limits,
                        );
                        start(&shared, connection, stream);
                    }
                    Err(Full::Address) => {
                        Metrics::count(&shared.metrics.connections_refused_address);
                    }
                    Err(Full::Node) => Metrics::count(&shared.metrics.connections_refused_total),
                }
            }
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                Metrics::count(&shared.metrics.accept_errors);
                if pause == ACCEPT_PAUSE_FIRST {
                    tracing::warn!(%error, "cannot accept connections; trying again");
                }
                if rest(&stop, pause).await.is_err() {
                    return;
                }
                pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
            }
        }
    }
}

/// Whether the client went away between connecting and being accepted. The queue is one shorter then,
/// so there is no need to pause.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Sleeps for `pause`; an error if it is time to stop.
async fn rest(stop: &CancellationToken, pause: Duration) -> Result<(), ()> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(()),
        () = tokio::time::sleep(pause) => Ok(()),
    }
}

/// Shakes hands in a task of its own, and serves the connection if that works.
fn start(shared: &Arc<Shared>, connection: Arc<Connection>, stream: TcpStream) {
    let tasks = shared.tasks.clone();
    let shared = Arc::clone(shared);
    let handshake = async move {
        // Frames are small and wait for nobody. Where it cannot be set, they are merely slower.
        let _ = stream.set_nodelay(true);
        let within = shared.limits.connections.handshake_within.duration();
        let handshake = accept(stream, Arc::clone(&shared.tls));
        let accepted = tokio::select! {
            biased;
            () = connection.leaving().cancelled() => return,
            accepted = tokio::time::timeout(within, handshake) => accepted,
        };
        match accepted {
            Ok(Ok(stream)) => serve(&shared, connection, stream),
            // What strangers send is counted and not logged: a log that they can fill is a weapon.
            Ok(Err(error)) => {
                Metrics::count(&shared.metrics.handshakes_failed);
                tracing::trace!(%error, "handshake failed");
            }
            Err(_) => Metrics::count(&shared.metrics.handshakes_late),
        }
    };
    drop(tasks.spawn(TaskKind::Connection, "handshake", Box::pin(handshake)));
}
