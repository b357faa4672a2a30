//! Taking links: whoever connects says who it is, and is let in or told why not.
//!
//! Invariant: who has not said hello costs one of [`STRANGERS_MAX`] places, for [`HELLO_WITHIN`] at most.

use std::sync::Arc;

use cluster_runtime::TaskKind;
use proto::cluster::v1::Frame;
use proto::cluster::v1::frame::Kind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::carry::{Meeting, hold};
use super::complaints::chain;
use super::error::Refused;
use super::hello::{Expected, check};
use super::http::serve;
use super::limits::{ACCEPT_PAUSE, FAREWELL_WITHIN, HELLO_WITHIN, STRANGERS_MAX};
use super::line::Line;
use super::network::Incoming;
use super::shared::Shared;

/// Takes connections until this node stops.
pub(super) async fn accept_all(shared: Arc<Shared>) {
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
    loop {
        let next = async {
            let place = Arc::clone(&strangers).acquire_owned().await;
            (place, shared.network.accept().await)
        };
        let (place, incoming) = tokio::select! {
            biased;
            () = shared.leaving.cancelled() => return,
            next = next => next,
        };
        match (place, incoming) {
            (Ok(place), Ok(incoming)) => {
                let met = accepted(Arc::clone(&shared), incoming, place);
                drop(shared.tasks.spawn(TaskKind::Link, "link accepted", met));
            }
            (Ok(_), Err(error)) => {
                let why = chain(&error);
                if shared.complaints.is_news(&why) {
                    tracing::error!(why, "cannot take links");
                }
                sleep(ACCEPT_PAUSE).await;
            }
            // Nobody closes the semaphore.
            (Err(_), _) => return,
        }
    }
}

/// Serves one connection to its end.
async fn accepted(shared: Arc<Shared>, incoming: Incoming, place: OwnedSemaphorePermit) {
    let Incoming { stream, proven } = incoming;
    let severed = CancellationToken::new();
    let line = Line::new(shared.limits);
    let (opened, incoming) = oneshot::channel();
    let served = serve(stream, &severed, &shared.tasks, Arc::clone(&line), opened);
    let held = async {
        let _severed = severed.clone().drop_guard();
        let expected = Expected {
            proven,
            dialled: None,
        };
        greet(&shared, &line, expected, incoming, place).await;
    };
    tokio::join!(served, held);
}

/// Lets in whoever says hello as it should.
async fn greet(
    shared: &Shared,
    line: &Arc<Line>,
    expected: Expected,
    incoming: oneshot::Receiver<Streaming<Frame>>,
    place: OwnedSemaphorePermit,
) {
    let greeted = timeout(HELLO_WITHIN, async {
        let mut incoming = incoming.await.ok()?;
        let first = incoming.message().await.ok().flatten();
        Some((first, incoming))
    });
    let Ok(Some((first, mut incoming))) = greeted.await else {
        complain(shared, expected, &Refused::NoHello);
        return;
    };
    let greeting = match first.and_then(|frame| frame.kind) {
        Some(Kind::Hello(hello)) => check(&hello, shared.deployment, expected),
        _ => Err(Refused::NoHello),
    };
    let met = match greeting {
        Ok(greeting) => shared
            .member(greeting.life)
            .await
            .map(|gone| (greeting, gone)),
        Err(refused) => Err(refused),
    };
    drop(place);
    match met {
        Ok((greeting, gone)) => {
            let meeting = Meeting {
                line: Arc::clone(line),
                greeting,
                incoming,
                hello: Some(shared.hello()),
            };
            hold(shared, meeting, &gone).await;
        }
        Err(refused) => {
            complain(shared, expected, &refused);
            line.with(|books| books.part(refused.reason(), refused.to_string()));
            // The other ends the stream once it has read why.
            let rest = async { while matches!(incoming.message().await, Ok(Some(_))) {} };
            let _ = timeout(FAREWELL_WITHIN, rest).await;
        }
    }
}

fn complain(shared: &Shared, expected: Expected, refused: &Refused) {
    let why = refused.to_string();
    if !shared
        .complaints
        .is_news(&format!("{:?}: {why}", expected.proven))
    {
        return;
    }
    match expected.proven {
        Some(peer) => tracing::warn!(%peer, why, "refused a node"),
        None => tracing::warn!(why, "refused a node"),
    }
}
