//! [`Line`]: one link while it stands, as all who use it share it; and [`Answer`], what an ask is answered by.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use cluster_types::NodeId;
use futures::Stream;
use parking_lot::Mutex;
use proto::cluster::v1::{Frame, Refusal};
use tokio::sync::oneshot;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout_at};
use tokio_util::sync::CancellationToken;

use super::books::{Books, Next};
use super::error::AskError;
use super::limits::{ASK_WITHIN_MAX, Limits, SIGN_EVERY};

/// One link.
#[derive(Debug)]
pub(super) struct Line {
    books: Mutex<Books>,
    superseded: CancellationToken,
}

/// An ask of another node, to be answered once. If it is dropped, the other node learns that there will be
/// no answer, and that the ask may have had an effect.
pub struct Answer {
    line: Arc<Line>,
    peer: NodeId,
    id: u64,
    asked_bytes: usize,
    deadline: Instant,
    answered: bool,
}

/// What goes out on a link: a stream of frames that ends with the link.
pub(super) struct Outgoing {
    line: Arc<Line>,
    sign: Interval,
    /// Nothing was said since the last tick.
    quiet: bool,
    /// Something has been said.
    greeted: bool,
}

/// An ask under way. Dropped, it is forgotten.
struct Asked<'a> {
    line: &'a Line,
    id: u64,
}

// === impl Line ===

impl Line {
    /// A link on which nothing has been said.
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            books: Mutex::new(Books::new(limits)),
            superseded: CancellationToken::new(),
        })
    }

    /// Does something to the books, and wakes whoever sends if it has something to send now.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut Books) -> R) -> R {
        let (outcome, sleeper) = {
            let mut books = self.books.lock();
            (change(&mut books), books.sleeper())
        };
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
        outcome
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(&self, body: Bytes, within: Duration) -> Result<Bytes, AskError> {
        let deadline = Instant::now() + within.min(ASK_WITHIN_MAX);
        let (asker, mut answer) = oneshot::channel();
        let id = self.with(|books| books.ask(body, deadline, asker))?;
        let asked = Asked { line: self, id };
        if let Ok(outcome) = timeout_at(deadline, &mut answer).await {
            return outcome.unwrap_or(Err(AskError::Broken));
        }
        match (asked.forget(), answer.try_recv()) {
            (_, Ok(outcome)) => outcome,
            (true, Err(_)) => Err(AskError::TimedOut),
            (false, Err(_)) => Err(AskError::NotSent),
        }
    }

    /// Cancelled once there is a newer link to the same node: this one has to end.
    pub(super) const fn superseded(&self) -> &CancellationToken {
        &self.superseded
    }
}

// === impl Answer ===

impl Answer {
    pub(super) const fn new(
        line: Arc<Line>,
        peer: NodeId,
        id: u64,
        asked_bytes: usize,
        deadline: Instant,
    ) -> Self {
        Self {
            line,
            peer,
            id,
            asked_bytes,
            deadline,
            answered: false,
        }
    }

    /// Answers. A body of more than [`BODY_BYTES_MAX`](super::BODY_BYTES_MAX) is no answer: it is as if this had
    /// been dropped.
    pub fn send(mut self, body: Bytes) {
        self.conclude(Ok(body));
    }

    /// Who asks.
    pub const fn peer(&self) -> NodeId {
        self.peer
    }

    /// After this nobody waits any more.
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether nobody waits any more. What has not been started need not be.
    pub fn is_abandoned(&self) -> bool {
        self.line.books.lock().is_closed() || self.deadline <= Instant::now()
    }

    fn conclude(&mut self, outcome: Result<Bytes, Refusal>) {
        if !std::mem::replace(&mut self.answered, true) {
            let (id, asked_bytes) = (self.id, self.asked_bytes);
            self.line
                .with(|books| books.answer(id, asked_bytes, outcome));
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.conclude(Err(Refusal::Dropped));
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("peer", &self.peer)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

// === impl Outgoing ===

impl Outgoing {
    pub(super) fn new(line: Arc<Line>) -> Self {
        let mut sign = interval_at(Instant::now() + SIGN_EVERY, SIGN_EVERY);
        sign.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            line,
            sign,
            quiet: true,
            greeted: false,
        }
    }
}

impl Stream for Outgoing {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        let next = {
            let mut books = self.line.books.lock();
            let next = books.take(Instant::now);
            if next == Next::Wait {
                books.sleep(context.waker());
            }
            next
        };
        match next {
            Next::Frame(kind) => {
                (self.quiet, self.greeted) = (false, true);
                return Poll::Ready(Some(Frame { kind: Some(kind) }));
            }
            Next::End => return Poll::Ready(None),
            Next::Wait => {}
        }
        loop {
            ready!(self.sign.poll_tick(context));
            // Nothing comes before a hello.
            if std::mem::replace(&mut self.quiet, true) && self.greeted {
                return Poll::Ready(Some(Frame { kind: None }));
            }
        }
    }
}

// === impl Asked ===

impl Asked<'_> {
    /// Returns whether it may have happened.
    fn forget(&self) -> bool {
        self.line.books.lock().forget(self.id)
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.forget();
    }
}
