//! [`Outbox`]: what one client is to be sent, bounded; and where it stands in each of its rooms.
//!
//! For each followed room there is a cursor. Live: the next event goes into the queue. Behind: events
//! are left in the log, and the session's actor reads them from there once the queue has room. A cursor
//! falls behind when the queue is full or when an event is not the next one, and becomes live again
//! under the same lock that events come in under: so nothing is skipped and nothing is sent twice.
//!
//! [`State`] is the pure part; [`Outbox`] is the lock around it, and who is to be woken.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use cluster_types::{AccountId, RoomId, Seq};
use parking_lot::Mutex;
use proto::v1;
use tonic::Status;

use crate::items::Frame;

mod state;

pub(crate) use state::{Behind, Filled, Note, State, Want};

/// The shared outbox of one session. Clones are the same outbox.
#[derive(Clone, Debug)]
pub(crate) struct Outbox(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    state: State,
    connection: Option<Waker>,
    // Why the stream ends, where that is a fault.
    failure: Option<Status>,
}

/// What the connection finds in an outbox.
#[derive(Debug)]
pub(crate) enum Next {
    /// Send this message.
    Message(Bytes),
    /// All has been sent, and nothing will follow.
    End(Status),
}

impl Outbox {
    pub(crate) fn new(account: AccountId) -> Self {
        Self(Arc::new(Mutex::new(Shared {
            state: State::new(account),
            connection: None,
            failure: None,
        })))
    }

    /// Changes the state, and wakes the connection if there is something to send by it.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (value, waker) = {
            let mut shared = self.0.lock();
            let value = change(&mut shared.state);
            let waker = if shared.state.is_idle() {
                None
            } else {
                shared.connection.take()
            };
            (value, waker)
        };
        // Outside of the lock: the one that wakes up wants it.
        if let Some(waker) = waker {
            waker.wake();
        }
        value
    }

    /// The connection asks for the next message. `wants` is called when the session's actor has to read
    /// on from the log.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>, wants: impl FnOnce()) -> Poll<Next> {
        let (next, want) = {
            let mut shared = self.0.lock();
            let frames = shared.state.take();
            let want = shared.state.want();
            let next = match Frame::join(frames) {
                Some(message) => Poll::Ready(Next::Message(message)),
                None if shared.state.is_over() => {
                    let status = shared.failure.take();
                    Poll::Ready(Next::End(status.unwrap_or_else(|| Status::ok(""))))
                }
                None => {
                    shared.connection = Some(context.waker().clone());
                    Poll::Pending
                }
            };
            (next, want)
        };
        if want == Want::ReadOn {
            wants();
        }
        next
    }

    /// Ends the stream with an error.
    pub(crate) fn fail(&self, status: Status) {
        self.0.lock().failure = Some(status);
        self.with(|state| state.close(None, true));
    }

    pub(crate) fn push(&self, item: v1::server_item::Item) {
        self.with(|state| state.push(Frame::of(item)));
    }
}

/// One event on its way to many outboxes.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) room: RoomId,
    pub(crate) seq: Seq,
    pub(crate) message_count: u64,
    pub(crate) actor: AccountId,
    /// `None`: not a message.
    pub(crate) priority: Option<v1::Priority>,
    pub(crate) frame: Frame,
}
