//! The service Messages, and [`Outgoing`], a message on its way out.

use proto::v1::list_events_request::{Direction, Start};
use proto::v1::messages_client::MessagesClient;
use proto::v1::{
    DeleteMessageRequest, DeleteMessageResponse, EditMessageRequest, EditMessageResponse, Event,
    Format, GetEventRequest, ListEventsRequest, ListEventsResponse, ListReadersRequest,
    ListReadersResponse, MarkReadRequest, MarkReadResponse, Priority, SendMessageRequest,
    SendMessageResponse, SetTypingRequest,
};

use super::{call, pages};
use crate::{Client, Error, new_request_id};

/// Readers of a page where all are wanted: the largest that a server gives.
const READERS_PAGE_SIZE: i32 = 1_000;

/// A message to send. It carries its id, so sending the same value again is safe: whatever happened to
/// the first attempt, the room holds the message once.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing(SendMessageRequest);

impl Outgoing {
    /// A plain text for `rooms/{room}`, under a new id.
    pub fn new(room: impl Into<String>, body: impl Into<String>) -> Self {
        Self(SendMessageRequest {
            room: room.into(),
            client_message_id: new_request_id(),
            body: body.into(),
            format: Format::Plain.into(),
            priority: Priority::Normal.into(),
            reply_to_seq: 0,
            attachments: Vec::new(),
        })
    }

    /// How the body is meant to be shown.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.0.format = format.into();
        self
    }

    /// How loudly it asks for attention.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.0.priority = priority.into();
        self
    }

    /// The message that it answers.
    #[must_use]
    pub const fn reply_to(mut self, seq: u64) -> Self {
        self.0.reply_to_seq = seq;
        self
    }

    /// One more file that it carries: a finished [upload](Client::upload) of one's own for this room,
    /// `files/{file}`. With one the body may be empty.
    #[must_use]
    pub fn attach(mut self, file: impl Into<String>) -> Self {
        self.0.attachments.push(file.into());
        self
    }

    /// The id by which the sender recognises it, in events as well.
    pub fn id(&self) -> &str {
        &self.0.client_message_id
    }

    /// What goes on the wire.
    pub const fn request(&self) -> &SendMessageRequest {
        &self.0
    }
}

impl From<SendMessageRequest> for Outgoing {
    /// A message with an id of the program's own choice.
    fn from(request: SendMessageRequest) -> Self {
        Self(request)
    }
}

/// Where a page of a room's log begins, and which way it goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// The newest event, backward.
    Newest,
    /// This event, backward.
    Before(u64),
    /// This event, forward.
    After(u64),
    /// The last event at or before this time, backward.
    TimeBackward(prost_types::Timestamp),
    /// The first event at or after this time, forward.
    TimeForward(prost_types::Timestamp),
}

impl Client {
    /// Sends a message; durable when it returns. Tried again under the same id as the policy says.
    ///
    /// # Errors
    /// PERMISSION_DENIED to a muted member; FAILED_PRECONDITION in an archived room; INVALID_ARGUMENT
    /// about the body; ALREADY_EXISTS if the id was used for other content.
    pub async fn send_message(&self, message: &Outgoing) -> Result<SendMessageResponse, Error> {
        let request = message.request().clone();
        call!(self, again, MessagesClient, send_message, request)
    }

    /// Changes one's own message.
    ///
    /// # Errors
    /// NOT_FOUND for a message that is not there or not one's own.
    pub async fn edit_message(
        &self,
        request: EditMessageRequest,
    ) -> Result<EditMessageResponse, Error> {
        call!(self, again, MessagesClient, edit_message, request)
    }

    /// Deletes a message: one's own, or as a moderator. A tombstone keeps its place.
    ///
    /// # Errors
    /// PERMISSION_DENIED for somebody else's.
    pub async fn delete_message(
        &self,
        room: &str,
        seq: u64,
    ) -> Result<DeleteMessageResponse, Error> {
        let room = room.to_owned();
        let request = DeleteMessageRequest { room, seq };
        call!(self, again, MessagesClient, delete_message, request)
    }

    /// One event of a room's log.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub async fn event(&self, room: &str, seq: u64) -> Result<Event, Error> {
        let room = room.to_owned();
        let request = GetEventRequest { room, seq };
        call!(self, again, MessagesClient, get_event, request)
    }

    /// The first page of a room's log from somewhere, with at most `page_size` events (0: as the server
    /// likes). For the next page, ask [`Client::list_events`] with the token.
    ///
    /// # Errors
    /// As any call.
    pub async fn events(
        &self,
        room: &str,
        from: Place,
        page_size: i32,
    ) -> Result<ListEventsResponse, Error> {
        let (direction, start) = match from {
            Place::Newest => (Direction::Backward, None),
            Place::Before(seq) => (Direction::Backward, Some(Start::FromSeq(seq))),
            Place::After(seq) => (Direction::Forward, Some(Start::FromSeq(seq))),
            Place::TimeBackward(time) => (Direction::Backward, Some(Start::FromTime(time))),
            Place::TimeForward(time) => (Direction::Forward, Some(Start::FromTime(time))),
        };
        self.list_events(ListEventsRequest {
            parent: room.to_owned(),
            page_size,
            page_token: String::new(),
            direction: direction.into(),
            start,
        })
        .await
    }

    /// A page of a room's log.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a page token of another call.
    pub async fn list_events(
        &self,
        request: ListEventsRequest,
    ) -> Result<ListEventsResponse, Error> {
        call!(self, again, MessagesClient, list_events, request)
    }

    /// Moves one's read marker forward to `seq`.
    ///
    /// # Errors
    /// As any call.
    pub async fn mark_read(&self, room: &str, seq: u64) -> Result<MarkReadResponse, Error> {
        let room = room.to_owned();
        let request = MarkReadRequest { room, seq };
        call!(self, again, MessagesClient, mark_read, request)
    }

    /// A page of those who have read up to a message.
    ///
    /// # Errors
    /// As any call.
    pub async fn list_readers(
        &self,
        request: ListReadersRequest,
    ) -> Result<ListReadersResponse, Error> {
        call!(self, again, MessagesClient, list_readers, request)
    }

    /// All who have read up to a message, `accounts/{account}`.
    ///
    /// # Errors
    /// As any call.
    pub async fn all_readers(&self, room: &str, seq: u64) -> Result<Vec<String>, Error> {
        pages::all(|page_token| async move {
            let request = ListReadersRequest {
                parent: room.to_owned(),
                seq,
                page_size: READERS_PAGE_SIZE,
                page_token,
            };
            let page = self.list_readers(request).await?;
            Ok((page.accounts, page.next_page_token))
        })
        .await
    }

    /// Tells those who look at a room that one writes. Forgotten after 6 seconds.
    ///
    /// # Errors
    /// As any call.
    pub async fn set_typing(&self, room: &str) -> Result<(), Error> {
        let room = room.to_owned();
        let request = SetTypingRequest { room };
        call!(self, once, MessagesClient, set_typing, request)
    }
}
