//! A room's log, read from its first event to its last, as any member can.

use anyhow::Context as _;
use rookery_client::Client;
use rookery_client::v1::event::Kind;
use rookery_client::v1::list_events_request::{Direction, Start};
use rookery_client::v1::{Event, ListEventsRequest, Message};

/// Events of a page: the most that a server gives.
const PAGE: i32 = 256;

/// All events of a room, in their order.
///
/// # Errors
/// If a page cannot be read.
pub(crate) async fn read(client: &Client, room: &str) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = client
            .list_events(ListEventsRequest {
                parent: room.to_owned(),
                page_size: PAGE,
                page_token,
                direction: Direction::Forward.into(),
                start: Some(Start::FromSeq(1)),
            })
            .await
            .with_context(|| format!("the log of {room} cannot be read"))?;
        events.extend(page.events);
        if page.next_page_token.is_empty() {
            return Ok(events);
        }
        page_token = page.next_page_token;
    }
}

/// The message of an event, if it is one.
pub(crate) fn message(event: &Event) -> Option<&Message> {
    match &event.kind {
        Some(Kind::Message(message)) => Some(message),
        Some(
            Kind::MessageEdit(_)
            | Kind::MessageDeletion(_)
            | Kind::MembershipChange(_)
            | Kind::RoomChange(_),
        )
        | None => None,
    }
}
