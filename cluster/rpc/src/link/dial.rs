//! Opening links: to each member with a higher id than this node's, again and again.
//!
//! Invariant: the first attempt after a link broke is made at once, and later ones with jitter, never more
//! than [`BACKOFF_MAX`] apart.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cluster_runtime::TaskKind;
use cluster_types::{NodeId, Rng};
use proto::cluster::v1::frame::Kind;
use proto::cluster::v1::{Farewell, FarewellReason, Frame};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Streaming;

use super::carry::{Meeting, hold, last_words};
use super::complaints::{bottom, chain};
use super::error::Refused;
use super::hello::{Expected, Greeting, check};
use super::http::{CallError, call};
use super::limits::{BACKOFF_FIRST, BACKOFF_MAX, DIAL_WITHIN, HELLO_WITHIN};
use super::line::Line;
use super::shared::Shared;

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("it cannot be reached")]
    Unreachable(#[source] io::Error),
    #[error("it does not answer")]
    Silent,
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the connection ended before its hello: {0}")]
    Ended(String),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("it refuses this node ({reason:?}): {detail}")]
    Refuses {
        reason: FarewellReason,
        detail: String,
    },
}

/// Pauses between attempts.
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
}

/// Keeps this node linked with `peer`, until `gone`.
pub(super) async fn keep_linked(shared: Arc<Shared>, peer: NodeId, gone: CancellationToken) {
    let mut backoff = Backoff::default();
    while let Some(address) = shared.address(peer) {
        let began = Instant::now();
        let stop = async {
            tokio::select! {
                biased;
                () = gone.cancelled() => {}
                () = shared.leaving.cancelled() => {}
            }
        };
        let met = tokio::select! {
            biased;
            () = stop => return,
            met = meet(&shared, peer, &address) => met,
        };
        match met {
            Ok((meeting, connection)) => {
                let (shared, gone) = (Arc::clone(&shared), gone.clone());
                let tasks = shared.tasks.clone();
                // In a task of its own: a handler that panics ends the link, and not all later ones.
                let held = tasks.spawn(TaskKind::Link, "link held", async move {
                    hold(&shared, meeting, &gone).await;
                });
                let _ = held.await;
                drop(connection);
            }
            Err(error) => complain(&shared, peer, &error),
        }
        if began.elapsed() >= BACKOFF_MAX {
            backoff = Backoff::default();
        }
        tokio::select! {
            biased;
            () = gone.cancelled() => return,
            () = shared.leaving.cancelled() => return,
            () = sleep(backoff.next(&shared.rng)) => {}
        }
    }
}

/// Connects and says hello. The connection ends with the guard.
async fn meet(
    shared: &Shared,
    peer: NodeId,
    address: &str,
) -> Result<(Meeting, DropGuard), DialError> {
    let dialled = timeout(DIAL_WITHIN, shared.network.dial(peer, address)).await;
    let stream = dialled
        .map_err(|_| DialError::Silent)?
        .map_err(DialError::Unreachable)?;
    let severed = CancellationToken::new();
    let connection = severed.clone().drop_guard();
    let line = Line::new(shared.limits);
    line.with(|books| books.greet(shared.hello()));
    let greeted = timeout(HELLO_WITHIN, async {
        let mut incoming = call(stream, &severed, &shared.tasks, &line).await?;
        let greeting = greeted(shared, peer, &mut incoming).await?;
        // Who accepts has made sure that this node is a member. The other way round, a new life of the
        // other may be known here a little later.
        shared.member(greeting.life).await?;
        Ok::<_, DialError>((greeting, incoming))
    });
    let (greeting, incoming) = greeted.await.map_err(|_| DialError::Silent)??;
    let meeting = Meeting {
        line,
        greeting,
        incoming,
        hello: None,
    };
    Ok((meeting, connection))
}

/// The hello of whoever was dialled.
async fn greeted(
    shared: &Shared,
    peer: NodeId,
    incoming: &mut Streaming<Frame>,
) -> Result<Greeting, DialError> {
    let first = incoming.message().await;
    match first.map_err(|status| DialError::Ended(bottom(&status)))? {
        Some(Frame {
            kind: Some(Kind::Hello(hello)),
        }) => {
            let expected = Expected {
                dialled: Some(peer),
                ..Expected::default()
            };
            Ok(check(&hello, shared.deployment, expected)?)
        }
        Some(Frame {
            kind: Some(Kind::Farewell(farewell)),
        }) => Err(refuses(&farewell)),
        Some(_) => Err(Refused::NoHello.into()),
        None => Err(DialError::Ended("without a word".to_owned())),
    }
}

fn refuses(farewell: &Farewell) -> DialError {
    DialError::Refuses {
        reason: farewell.reason(),
        detail: last_words(farewell),
    }
}

fn complain(shared: &Shared, peer: NodeId, error: &DialError) {
    let why = chain(error);
    if shared.complaints.is_news(&format!("{peer}: {why}")) {
        tracing::warn!(%peer, why, "no link");
    }
}

// === impl Backoff ===

impl Backoff {
    /// Before the next attempt: hardly any time after the first failure.
    fn next(&mut self, rng: &Rng) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let span = BACKOFF_FIRST.saturating_mul(doubled).min(BACKOFF_MAX);
        let jitter = rng.jitter(span / 2);
        let first = self.failures == 0;
        self.failures = self.failures.saturating_add(1);
        if first { jitter } else { span / 2 + jitter }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_no_further() {
        let (mut backoff, rng) = (Backoff::default(), Rng::seeded(1));
        assert!(backoff.next(&rng) < BACKOFF_FIRST / 2, "almost at once");
        let pauses: Vec<_> = (0..40).map(|_| backoff.next(&rng)).collect();
        assert!(pauses[0] >= BACKOFF_FIRST && pauses[0] <= 2 * BACKOFF_FIRST);
        let late = &pauses[5..];
        assert!(late.iter().all(|pause| *pause >= BACKOFF_MAX / 2));
        assert!(late.iter().all(|pause| *pause <= BACKOFF_MAX));
        assert!(late.iter().any(|pause| *pause != late[0]), "jitter");
    }
}
