//! [`Outbox`]: what one client is to be sent, bounded; and where it stands in each of its rooms.
//!
//! For each followed room there is a cursor. Live: the next event goes into the queue. Behind: events
//! are left in the log, and the session's actor reads them from there once the queue has room. A cursor
//! falls behind when the queue is full or when an event is not the next one, and becomes live again
//! under the same lock that events come in under: so nothing is skipped and nothing is sent twice.
//!
//! [`State`] is the pure part; [`Outbox`] is the lock around it, and who is to be woken.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use cluster_types::AccountId;
use parking_lot::Mutex;

mod event;
mod hints;
mod queue;
mod room;
mod state;

pub(crate) use event::{Event, Missed, Run};
pub(crate) use hints::Hint;
pub(crate) use room::{Counts, Cursor, Read, Stay, ToRead};
pub(crate) use state::{End, Filled, Followed, State};

/// What one client is to be sent.
#[derive(Debug)]
pub(crate) struct Outbox(Mutex<Shared>);

#[derive(Debug)]
struct Shared {
    state: State,
    // The connection, while it waits.
    connection: Option<Waker>,
}

/// Who has something to do.
#[derive(Debug)]
#[must_use]
pub(crate) struct Wakes {
    pub(crate) connection: Option<Waker>,
    pub(crate) actor: bool,
}

/// What the connection finds.
#[derive(Debug)]
pub(crate) enum Next {
    /// Send this message.
    Message(Bytes),
    /// All has been sent, and nothing will follow.
    End(End),
}

impl Outbox {
    pub(crate) fn new(account: AccountId) -> Self {
        Self(Mutex::new(Shared {
            state: State::new(account),
            connection: None,
        }))
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> (T, Wakes) {
        let mut shared = self.0.lock();
        let value = change(&mut shared.state);
        let wakes = Wakes {
            connection: if shared.state.is_idle() {
                None
            } else {
                shared.connection.take()
            },
            actor: shared.state.wants_actor(),
        };
        (value, wakes)
    }

    pub(crate) fn poll_next(&self, context: &Context<'_>) -> (Poll<Next>, Wakes) {
        let mut shared = self.0.lock();
        let next = match shared.state.take() {
            Some(message) => Poll::Ready(Next::Message(message)),
            None => match shared.state.take_end() {
                Some(end) => Poll::Ready(Next::End(end)),
                None => {
                    shared.connection = Some(context.waker().clone());
                    Poll::Pending
                }
            },
        };
        let wakes = Wakes {
            connection: None,
            actor: shared.state.wants_actor(),
        };
        (next, wakes)
    }

    pub(crate) fn takes_input(&self) -> bool {
        self.0.lock().state.takes_input()
    }
}
