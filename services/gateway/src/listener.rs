//! Takes connections, for as long as the node serves.
//!
//! Invariant: the loop ends when it is told to and never because of an error. What a client does wrong
//! ends its own connection; when file descriptors or memory run out, accepting pauses and goes on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use cluster_runtime::TaskKind;
use cluster_types::PeerAddr;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, Full, Slot, Slots, UnauthenticatedSlot, serve};
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
pub(crate) trait Accept: Send + 'static {
    /// A connection.
    type Stream: Send;

    /// The next one.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }
}

/// A connection for which there is a place.
#[derive(Debug)]
pub(crate) struct Accepted<S> {
    stream: S,
    peer: PeerAddr,
    slot: Slot,
    unauthenticated: UnauthenticatedSlot,
}

/// Takes connections from `listener` until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, listener: TcpListener, stop: CancellationToken) {
    let next = |accepted| start(&shared, accepted);
    take_all(&listener, &shared.slots, &shared.metrics, &stop, next).await;
}

/// Hands every connection for which there is a place to `next`, until `stop`.
async fn take_all<L: Accept>(
    listener: &L,
    slots: &Slots,
    metrics: &Metrics,
    stop: &CancellationToken,
    next: impl Fn(Accepted<L::Stream>),
) {
    let mut pause = ACCEPT_PAUSE_FIRST;
    loop {
        let waited = async {
            let waiting = slots.wait().await;
            (waiting, listener.accept().await)
        };
        let (waiting, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            waited = waited => waited,
        };
        match accepted {
            Ok((stream, address)) => {
                pause = ACCEPT_PAUSE_FIRST;
                Metrics::count(&metrics.connections_accepted);
                let peer = PeerAddr::of(address);
                match slots.admit(waiting, peer) {
                    Ok((slot, unauthenticated)) => next(Accepted {
                        stream,
                        peer,
                        slot,
                        unauthenticated,
                    }),
                    Err(Full::Address) => Metrics::count(&metrics.connections_refused_address),
                    Err(Full::Node) => Metrics::count(&metrics.connections_refused_total),
                }
            }
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                Metrics::count(&metrics.accept_errors);
                if pause == ACCEPT_PAUSE_FIRST {
                    tracing::warn!(%error, "cannot accept connections; trying again");
                }
                if stop
                    .run_until_cancelled(tokio::time::sleep(pause))
                    .await
                    .is_none()
                {
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

/// Shakes hands in a task of its own, and serves the connection if that works.
fn start(shared: &Arc<Shared>, accepted: Accepted<TcpStream>) {
    let stream = accepted.stream;
    let connection = Connection::new(
        accepted.peer,
        accepted.slot,
        accepted.unauthenticated,
        shared.present.lock().child_token(),
        &shared.limits,
    );
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use cluster_types::Rng;
    use parking_lot::Mutex;
    use tokio::time::Instant;

    use super::*;

    /// A listener that has these to say and then stops the loop.
    struct Script {
        outcomes: Mutex<VecDeque<Result<(), io::Error>>>,
        stop: CancellationToken,
    }

    impl Accept for Script {
        type Stream = ();

        async fn accept(&self) -> io::Result<((), SocketAddr)> {
            let next = self.outcomes.lock().pop_front();
            match next {
                Some(outcome) => outcome.map(|()| ((), ([127, 0, 0, 1], 1).into())),
                None => {
                    self.stop.cancel();
                    std::future::pending().await
                }
            }
        }
    }

    /// Plays `outcomes`; how many connections were taken, how many errors counted, and how long it took.
    async fn play(outcomes: Vec<Result<(), io::Error>>) -> (u32, u64, Duration) {
        let stop = CancellationToken::new();
        let script = Script {
            outcomes: Mutex::new(outcomes.into()),
            stop: stop.clone(),
        };
        let metrics = Arc::new(Metrics::default());
        let slots = Slots::new(
            &ConnectionLimits::default(),
            &Rng::seeded(1),
            Arc::clone(&metrics),
        );
        let (taken, started) = (AtomicU32::new(0), Instant::now());
        let next = |_| {
            taken.fetch_add(1, Ordering::Relaxed);
        };
        take_all(&script, &slots, &metrics, &stop, next).await;
        let errors = metrics.snapshot().accept_errors;
        (taken.into_inner(), errors, started.elapsed())
    }

    fn no_descriptors() -> Result<(), io::Error> {
        // EMFILE has no kind of its own.
        Err(io::Error::from_raw_os_error(24))
    }

    #[tokio::test(start_paused = true)]
    async fn running_out_of_descriptors_pauses_and_does_not_end_the_loop() {
        let mut outcomes: Vec<_> = (0..100).map(|_| no_descriptors()).collect();
        outcomes.push(Ok(()));
        let (taken, errors, took) = play(outcomes).await;
        assert_eq!((taken, errors), (1, 100));
        // Seven pauses that double, and then the longest one each time.
        assert!(
            took > ACCEPT_PAUSE_MAX * 92 && took < ACCEPT_PAUSE_MAX * 100,
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_taken_makes_the_next_pause_short_again() {
        let outage = || (0..20).map(|_| no_descriptors());
        let (_, _, before) = play(outage().collect()).await;
        let (_, _, took) = play(outage().chain([Ok(()), no_descriptors()]).collect()).await;
        assert_eq!(took, before + ACCEPT_PAUSE_FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_went_away_costs_no_pause() {
        let gone = || Err(io::ErrorKind::ConnectionAborted.into());
        let (taken, errors, took) = play(vec![gone(), gone(), Ok(()), gone(), Ok(())]).await;
        assert_eq!((taken, errors, took), (2, 0, Duration::ZERO));
    }
}
