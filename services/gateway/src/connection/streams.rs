//! Runs the streams of an HTTP/2 connection, each as a task.
//!
//! Invariant: the stream of a unary call ends in bounded time, and one that is only taken moves, or the connection
//! ends. HTTP/2's flow
//! control would let a client keep answers waiting for as long as it likes; hyper does not look at an
//! answer again before there is room for it, and h2 keeps what it was given of a stream that was
//! dropped. So a client that does not fetch its answers loses the connection.

use std::sync::Arc;
use std::time::Duration;

use cluster_runtime::{TaskKind, Tasks};

use super::{Connection, Received};
use crate::metrics::Metrics;

/// Starts the streams of one connection.
#[derive(Clone)]
pub(super) struct Streams {
    tasks: Tasks,
    connection: Arc<Connection>,
    metrics: Arc<Metrics>,
    /// From the headers of a unary call to the last byte of its answer.
    unary_within: Duration,
    /// For each piece of a stream that is only taken.
    taken_within: Duration,
}

impl Streams {
    pub(super) fn new(
        tasks: Tasks,
        connection: Arc<Connection>,
        metrics: Arc<Metrics>,
        unary_within: Duration,
        taken_within: Duration,
    ) -> Self {
        Self {
            tasks,
            connection,
            metrics,
            unary_within,
            taken_within,
        }
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    /// hyper hands over a stream right after it gave the request to the service, within the same poll
    /// of the connection, so the last call received is the one that this stream belongs to.
    fn execute(&self, stream: F) {
        // Boxed, since a task keeps what it is given twice over while it is wrapped.
        let stream = Box::pin(stream);
        let (connection, metrics) = (Arc::clone(&self.connection), Arc::clone(&self.metrics));
        let not_fetching = move || {
            if !connection.is_cut() {
                Metrics::count(&metrics.connections_not_fetching);
                connection.cut();
            }
        };
        match self.connection.last_call() {
            Received::Unary => {
                let bounded = tokio::time::timeout(self.unary_within, stream);
                let call = async move {
                    if bounded.await.is_err() {
                        not_fetching();
                    }
                };
                drop(self.tasks.spawn(TaskKind::Connection, "call", call));
            }
            Received::Taken(moving) => {
                let within = self.taken_within;
                let call = async move {
                    tokio::select! {
                        biased;
                        () = stream => {}
                        () = moving.stands_still(within) => not_fetching(),
                    }
                };
                drop(self.tasks.spawn(TaskKind::Connection, "download", call));
            }
            Received::Stream => {
                drop(self.tasks.spawn(TaskKind::Connection, "stream", stream));
            }
        }
    }
}
