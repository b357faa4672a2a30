//! Carrying a link from the moment both sides know each other to its end.
//!
//! Invariant: for each node `linked` and `unlinked` alternate, and what it says lies between them, in
//! order: whatever ends a link, a panic of the handler too, and however soon the next one comes.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cluster_types::NodeId;
use proto::cluster::v1::frame::Kind;
use proto::cluster::v1::{Farewell, FarewellReason, Frame, Hello};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::books::Flood;
use super::complaints::bottom;
use super::hello::Greeting;
use super::limits::{DETAIL_BYTES_MAX, FAREWELL_WITHIN, SILENCE_MAX};
use super::line::{Answer, Line};
use super::shared::{Place, Shared};

/// Two nodes that know each other.
pub(super) struct Meeting {
    pub(super) line: Arc<Line>,
    pub(super) greeting: Greeting,
    /// What the other says.
    pub(super) incoming: Streaming<Frame>,
    /// What is still to be said, by who has accepted.
    pub(super) hello: Option<Hello>,
}

/// Why a link has ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the node is no member any more, or not in that life")]
    Gone,
    #[error("this node stops")]
    Stopped,
    #[error("there is a newer link")]
    Superseded,
    #[error("nothing was heard for a second")]
    Silent,
    #[error("the connection ended")]
    Closed,
    #[error("the connection broke: {}", bottom(.0))]
    Broken(Status),
    #[error("it said farewell ({reason:?}) {detail}")]
    Farewell {
        reason: FarewellReason,
        detail: String,
    },
    #[error(transparent)]
    Flooded(#[from] Flood),
}

/// A link in use. Dropped, it is out of use, and everybody knows.
struct Standing<'a> {
    shared: &'a Shared,
    place: &'a Place,
    peer: NodeId,
    line: &'a Arc<Line>,
}

/// Carries a link to its end, once the one before it has ended. `gone` is cancelled when the other node is no
/// member in this life any more.
pub(super) async fn hold(shared: &Shared, meeting: Meeting, gone: &CancellationToken) {
    let Meeting {
        line,
        greeting,
        mut incoming,
        hello,
    } = meeting;
    let peer = greeting.life.node;
    let place = shared.place(peer);
    place.supersede(&line);
    let ended = {
        let _turn = place.turn.lock().await;
        let standing = Standing::begin(shared, &place, peer, &line, greeting, hello);
        tracing::info!(%peer, version = greeting.version, "linked");
        let ended = carry(shared, peer, &line, gone, &mut incoming).await;
        if let Some(reason) = ended.told() {
            line.with(|books| books.part(reason, ended.to_string()));
        }
        drop(standing);
        ended
    };
    if ended.is_trouble() {
        tracing::warn!(%peer, why = %ended, "link ended");
    } else {
        tracing::info!(%peer, why = %ended, "link ended");
    }
    if ended.told().is_some() {
        // The other ends the stream once it has read why.
        let rest = async { while matches!(incoming.message().await, Ok(Some(_))) {} };
        let _ = timeout(FAREWELL_WITHIN, rest).await;
    }
}

/// Last words as they may stand in the log: one line, and not a long one.
pub(super) fn last_words(farewell: &Farewell) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let mut text: String = farewell.detail.chars().map(visible).collect();
    text.truncate(text.floor_char_boundary(DETAIL_BYTES_MAX));
    text
}

async fn carry(
    shared: &Shared,
    peer: NodeId,
    line: &Arc<Line>,
    gone: &CancellationToken,
    incoming: &mut Streaming<Frame>,
) -> Ended {
    let mut cut = pin!(async {
        tokio::select! {
            biased;
            () = line.superseded().cancelled() => Ended::Superseded,
            () = shared.ended.cancelled() => Ended::Stopped,
            () = gone.cancelled() => Ended::Gone,
        }
    });
    loop {
        let heard = tokio::select! {
            biased;
            ended = &mut cut => return ended,
            heard = timeout(SILENCE_MAX, incoming.message()) => heard,
        };
        let frame = match heard {
            Ok(Ok(Some(frame))) => frame,
            Ok(Ok(None)) => return Ended::Closed,
            Ok(Err(status)) => return Ended::Broken(status),
            Err(_) => return Ended::Silent,
        };
        // No kind, or one of a later version: a sign of life.
        if let Some(kind) = frame.kind
            && let Err(ended) = hear(shared, peer, line, kind)
        {
            return ended;
        }
    }
}

fn hear(shared: &Shared, peer: NodeId, line: &Arc<Line>, kind: Kind) -> Result<(), Ended> {
    match kind {
        Kind::Tell(tell) => {
            let bytes = tell.body.len();
            line.with(|books| books.arrived(bytes))?;
            shared.handler.told(peer, tell.body);
            line.with(|books| books.dealt_with(bytes));
        }
        Kind::Ask(ask) => {
            let bytes = ask.body.len();
            let taken = line.with(|books| {
                books.arrived(bytes)?;
                Ok::<_, Flood>(books.owe(ask.id, bytes))
            })?;
            if taken {
                let deadline = Instant::now() + Duration::from_millis(ask.deadline_millis.into());
                let answer = Answer::new(Arc::clone(line), peer, ask.id, bytes, deadline);
                shared.handler.asked(peer, ask.body, answer);
            }
        }
        Kind::Answer(answer) => line.with(|books| books.answered(answer)),
        Kind::Credit(credit) => line.with(|books| books.grant(credit)),
        Kind::Farewell(farewell) => {
            return Err(Ended::Farewell {
                reason: farewell.reason(),
                detail: last_words(&farewell),
            });
        }
        // It has been said; a second one changes nothing.
        Kind::Hello(_) => {}
    }
    Ok(())
}

// === impl Ended ===

impl Ended {
    /// What the other node is told; nothing if it knows, or cannot hear it.
    const fn told(&self) -> Option<FarewellReason> {
        match self {
            Self::Gone => Some(FarewellReason::NotAMember),
            Self::Stopped => Some(FarewellReason::Stopping),
            Self::Superseded => Some(FarewellReason::Superseded),
            Self::Flooded(_) => Some(FarewellReason::Flooded),
            Self::Silent | Self::Closed | Self::Broken(_) | Self::Farewell { .. } => None,
        }
    }

    /// Whether it should not have ended like this.
    const fn is_trouble(&self) -> bool {
        match self {
            Self::Silent | Self::Closed | Self::Broken(_) | Self::Flooded(_) => true,
            Self::Farewell { reason, .. } => !matches!(
                reason,
                FarewellReason::Stopping | FarewellReason::Superseded
            ),
            Self::Gone | Self::Stopped | Self::Superseded => false,
        }
    }
}

// === impl Standing ===

impl<'a> Standing<'a> {
    fn begin(
        shared: &'a Shared,
        place: &'a Place,
        peer: NodeId,
        line: &'a Arc<Line>,
        greeting: Greeting,
        hello: Option<Hello>,
    ) -> Self {
        line.with(|books| {
            books.grant(greeting.credit);
            if let Some(hello) = hello {
                books.greet(hello);
            }
        });
        shared.link(peer, line);
        let standing = Self {
            shared,
            place,
            peer,
            line,
        };
        shared.handler.linked(peer);
        standing
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.shared.unlink(self.peer);
        self.line.with(|books| books.close());
        self.place.release(self.line);
        self.shared.handler.unlinked(self.peer);
    }
}
