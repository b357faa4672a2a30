//! [`Tasks`]: every task has a kind, and a kind has a policy.
//!
//! A task is cancelled by its own reading of the token: nothing is aborted in the middle of what it
//! does, except when a deadline for stopping has passed and the runtime itself goes down.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the node does when a task of some kind panics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnPanic {
    /// One client is affected: log it and go on.
    Log,
    /// The node cannot do its work without this task: log it and stop the node.
    Stop,
}

/// What a task is for. The list is closed, so that it can be read as the list of all that runs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TaskKind {
    /// Takes connections. On stop: ends at once.
    Accept,
    /// Serves one connection. On stop: finishes what its client has asked for.
    Connection,
    /// Carries the link to another node, or looks after it. On stop: says farewell.
    Link,
    /// Hands published events to the sessions of one shard. On stop: ends when its queue is closed.
    Relay,
    /// Renews this node's place in the cluster, watches the others, and hands shards over. On stop: ends at
    /// once; what the node still owns is claimed by others.
    Membership,
    /// Does something small from time to time: reloads certificates, forgets old limits. On stop: ends
    /// at once.
    Housekeeping,
    /// Clears the rows of a deleted room. On stop: ends after the batch at hand, and goes on at the
    /// next start.
    Clearing,
    /// Wraps the stored keys anew. On stop: ends after the batch at hand, and goes on at the next start.
    KeyRotation,
    /// Rewrites rows of an earlier release. On stop: ends after the batch at hand, and goes on at the next
    /// start.
    Upgrade,
    /// Finishes a change that was begun for a client, whether or not the client still waits: ending
    /// sign-ins, with the streams that hang on them; making rooms, whose members have to be told. On
    /// stop: finishes.
    Completion,
}

impl TaskKind {
    /// The policy for panics.
    pub const fn on_panic(self) -> OnPanic {
        match self {
            Self::Accept | Self::Relay | Self::Membership => OnPanic::Stop,
            Self::Connection
            | Self::Link
            | Self::Housekeeping
            | Self::Clearing
            | Self::KeyRotation
            | Self::Upgrade
            | Self::Completion => OnPanic::Log,
        }
    }
}

/// Spawns tasks, and knows when all of them have ended. Clones are the same group.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// A group without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `work` as a task of its own, under the policy of `kind`. `name` is for the log.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn(
        &self,
        kind: TaskKind,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let stop = self.stop.clone();
        let watched = async move {
            if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
                let text = panic_text(panic.as_ref());
                tracing::error!(?kind, name, text, "task panicked");
                if kind.on_panic() == OnPanic::Stop {
                    stop.cancel();
                }
            }
        };
        self.tracker.spawn(watched)
    }

    /// Cancelled when the node stops. Tasks watch it.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Asks all tasks to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// How many tasks are under way.
    pub fn count(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until all tasks have ended, for `deadline` at most. Returns how many are still under way.
    pub async fn ended(&self, deadline: Duration) -> usize {
        self.tracker.close();
        match tokio::time::timeout(deadline, self.tracker.wait()).await {
            Ok(()) => 0,
            Err(_) => self.tracker.len(),
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_vital_task_stops_the_node() {
        let tasks = Tasks::new();
        tasks
            .spawn(TaskKind::Connection, "client", async {
                panic!("one client")
            })
            .await
            .expect("caught");
        assert!(!tasks.stopping().is_cancelled());
        tasks
            .spawn(TaskKind::Accept, "accept", async { panic!("all clients") })
            .await
            .expect("caught");
        assert!(tasks.stopping().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_counted() {
        let tasks = Tasks::new();
        tasks.spawn(TaskKind::Housekeeping, "stuck", std::future::pending());
        let stopping = tasks.stopping().clone();
        tasks.spawn(TaskKind::Housekeeping, "obedient", async move {
            stopping.cancelled().await
        });
        tasks.stop();
        assert_eq!(tasks.ended(Duration::from_secs(1)).await, 1);
    }
}
