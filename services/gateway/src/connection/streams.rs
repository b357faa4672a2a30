//! Runs the streams of an HTTP/2 connection, each as a task.
//!
//! Invariant: the stream of a unary call ends in bounded time, even if the client never fetches the
//! answer. HTTP/2's flow control would let it keep answers waiting for as long as it likes, and hyper
//! does not look at an answer again before there is room for it, so the limit is on the whole task.

use std::sync::Arc;
use std::time::Duration;

use cluster_runtime::{TaskKind, Tasks};

use super::Connection;

/// Starts the streams of one connection.
#[derive(Clone)]
pub(super) struct Streams {
    tasks: Tasks,
    connection: Arc<Connection>,
    /// From the headers of a unary call to the last byte of its answer.
    unary_within: Duration,
}

impl Streams {
    pub(super) fn new(tasks: Tasks, connection: Arc<Connection>, unary_within: Duration) -> Self {
        Self {
            tasks,
            connection,
            unary_within,
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
        if self.connection.last_call_is_unary() {
            let bounded = tokio::time::timeout(self.unary_within, stream);
            drop(self.tasks.spawn(TaskKind::Connection, "call", async {
                // A stream that is dropped is reset: the client hears that it is too late.
                let _ = bounded.await;
            }));
        } else {
            drop(self.tasks.spawn(TaskKind::Connection, "stream", stream));
        }
    }
}
