//! The session: one stream that stays, whatever the network does.
//!
//! Owns: [`Session`], the handle that sends commands, and [`Incoming`], the items that come in. Between
//! them stands one task (`driver`), which owns the stream, comes back when it breaks, and resumes where
//! it was.
//!
//! Invariant: of each followed room, [`Incoming`] gives every event once and in the order of `seq`,
//! however often the stream breaks; where it cannot, it says [`Item::Gap`]. A command is answered once.
//!
//! Left out: what is read here is not kept. A program that wants to resume after its own restart keeps
//! the newest `seq` and `log_id` of each room and gives them to [`Follow::after`].

mod cursors;
mod driver;
mod end;
mod heal;
mod in_flight;
mod intake;
mod item;
mod options;
mod queue;

use std::fmt;
use std::sync::Arc;

use proto::v1::client_frame::Command;
use proto::v1::{
    DeleteMessageRequest, DeleteMessageResponse, EditMessageRequest, EditMessageResponse,
    MarkReadRequest, MarkReadResponse, SendMessageResponse, SetPresence, SetTypingRequest,
    UnfollowRoom, WatchPresence, presence, reply,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

pub use item::Item;
pub use options::{Follow, SessionOptions};

use crate::tries::Tries;
use crate::{Client, Error, Outgoing, Retry, limits};
use in_flight::Ask;
use queue::Queue;

/// Sends commands on a session. Clones send on the same session.
///
/// A command waits for its answer, also while the session is reconnecting, up to the deadline of the
/// [`SessionOptions`]. What is safe to send twice is sent again by itself, under the same id; so a
/// message is in its room exactly once when [`Session::send_message`] returns, and at most once if it
/// fails. After a failure, the same [`Outgoing`] can be sent again.
#[derive(Clone)]
pub struct Session {
    asks: mpsc::Sender<Ask>,
    retry: Retry,
}

/// What comes in. Dropping it ends the session.
///
/// Keep reading: while nobody does, events wait in the rooms' logs on the server, and after some
/// thousand other items the session stands still.
pub struct Incoming {
    queue: Arc<Queue>,
    /// The session's task, which ends with this value.
    _driver: JoinSet<()>,
}

impl Client {
    /// Opens a session and waits until it stands.
    ///
    /// # Errors
    /// UNAUTHENTICATED without a good token; [`Error::Unreachable`] and the like; [`Error::TimedOut`].
    /// Later troubles are items.
    pub async fn session(&self, options: SessionOptions) -> Result<(Session, Incoming), Error> {
        if options.follow.len() > limits::FOLLOWED_ROOMS_MAX {
            return Err(Error::TooManyRooms {
                max: limits::FOLLOWED_ROOMS_MAX,
            });
        }
        let retry = Retry {
            span_max: options.command_deadline,
            ..self.server().retry()
        };
        let queue = Arc::new(Queue::new(options.items_max));
        let (asks, asked) = mpsc::channel(limits::ASKS_MAX);
        let driver = driver::start(self.clone(), options, Arc::clone(&queue), asked).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(driver);
        let incoming = Incoming {
            queue,
            _driver: tasks,
        };
        Ok((Session { asks, retry }, incoming))
    }
}

// === impl Incoming ===

impl Incoming {
    /// The next item; `None` after the last, which is [`Item::SignedOut`] or [`Item::Ended`].
    pub async fn next(&mut self) -> Option<Item> {
        self.queue.pop().await
    }

    /// The next item if one is there.
    pub fn try_next(&mut self) -> Option<Item> {
        self.queue.try_pop()
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incoming({} waiting)", self.queue.len())
    }
}

// === impl Session ===

impl Session {
    /// Sends a message; durable when it returns.
    ///
    /// # Errors
    /// What [`Client::send_message`] would have failed with; [`Error::TimedOut`] after the deadline,
    /// when it may have been sent all the same; [`Error::SignedOut`], [`Error::Ended`].
    pub async fn send_message(&self, message: &Outgoing) -> Result<SendMessageResponse, Error> {
        let command = Command::SendMessage(message.request().clone());
        let reply::Result::SendMessage(sent) = self.ask_again(command).await? else {
            return Err(OTHER_REPLY);
        };
        Ok(sent)
    }

    /// Changes one's own message.
    ///
    /// # Errors
    /// As [`Session::send_message`].
    pub async fn edit_message(
        &self,
        request: EditMessageRequest,
    ) -> Result<EditMessageResponse, Error> {
        let reply::Result::EditMessage(edited) =
            self.ask_again(Command::EditMessage(request)).await?
        else {
            return Err(OTHER_REPLY);
        };
        Ok(edited)
    }

    /// Deletes a message: one's own, or as a moderator.
    ///
    /// # Errors
    /// As [`Session::send_message`].
    pub async fn delete_message(
        &self,
        room: &str,
        seq: u64,
    ) -> Result<DeleteMessageResponse, Error> {
        let room = room.to_owned();
        let command = Command::DeleteMessage(DeleteMessageRequest { room, seq });
        let reply::Result::DeleteMessage(deleted) = self.ask_again(command).await? else {
            return Err(OTHER_REPLY);
        };
        Ok(deleted)
    }

    /// Moves one's read marker forward to `seq`.
    ///
    /// # Errors
    /// As [`Session::send_message`].
    pub async fn mark_read(&self, room: &str, seq: u64) -> Result<MarkReadResponse, Error> {
        let room = room.to_owned();
        let command = Command::MarkRead(MarkReadRequest { room, seq });
        let reply::Result::MarkRead(marked) = self.ask_again(command).await? else {
            return Err(OTHER_REPLY);
        };
        Ok(marked)
    }

    /// Tells those who look at a room that one writes. Not tried again: it is old in a moment.
    ///
    /// # Errors
    /// As [`Session::send_message`].
    pub async fn set_typing(&self, room: &str) -> Result<(), Error> {
        let room = room.to_owned();
        let command = Command::SetTyping(SetTypingRequest { room });
        self.ask(command).await.map(drop)
    }

    /// Shows oneself online, away or offline, also after reconnects.
    ///
    /// # Errors
    /// As [`Session::send_message`].
    pub async fn set_presence(&self, state: presence::State) -> Result<(), Error> {
        let state = state.into();
        let command = Command::SetPresence(SetPresence { state });
        self.ask_again(command).await.map(drop)
    }

    /// Whose presence to hear of, also after reconnects; replaces the set. At most 512 of
    /// `accounts/{account}`.
    ///
    /// # Errors
    /// As [`Session::send_message`].
    pub async fn watch_presence(&self, accounts: Vec<String>) -> Result<(), Error> {
        let command = Command::WatchPresence(WatchPresence { accounts });
        self.ask_again(command).await.map(drop)
    }

    /// From here on, gives this room's events.
    ///
    /// # Errors
    /// [`Error::TooManyRooms`]; NOT_FOUND if one is no member; else as [`Session::send_message`].
    pub async fn follow(&self, room: Follow) -> Result<(), Error> {
        let command = Command::FollowRoom(room.into());
        self.ask_again(command).await.map(drop)
    }

    /// From here on, gives this room's counters alone.
    ///
    /// # Errors
    /// As [`Session::send_message`].
    pub async fn unfollow(&self, room: &str) -> Result<(), Error> {
        let room = room.to_owned();
        let command = Command::UnfollowRoom(UnfollowRoom { room });
        self.ask_again(command).await.map(drop)
    }

    /// Asks until there is an answer that a retry would not change, or the deadline is over.
    async fn ask_again(&self, command: Command) -> Result<reply::Result, Error> {
        let deadline = Instant::now() + self.retry.span_max;
        let mut tries = Tries::of_call(self.retry);
        loop {
            let asked = timeout_at(deadline, self.ask_once(command.clone())).await;
            match asked.unwrap_or(Err(Error::TimedOut)) {
                Ok(result) => return Ok(result),
                Err(error) => tries.again(error).await?,
            }
        }
    }

    async fn ask(&self, command: Command) -> Result<reply::Result, Error> {
        let deadline = Instant::now() + self.retry.span_max;
        let asked = timeout_at(deadline, self.ask_once(command)).await;
        asked.unwrap_or(Err(Error::TimedOut))
    }

    async fn ask_once(&self, command: Command) -> Result<reply::Result, Error> {
        let (reply, answered) = oneshot::channel();
        let command = Box::new(command);
        let asked = self.asks.send(Ask { command, reply }).await;
        asked.map_err(|_| Error::Ended)?;
        answered.await.unwrap_or(Err(Error::Ended))
    }
}

/// A server that answers one command with the reply to another.
const OTHER_REPLY: Error = Error::Nonsense("a reply to another command");

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}
