//! The Messages service: saying, changing, taking back, and reading a log page by page.

use cluster_rpc::{InvalidRequest, name, page, time};
use cluster_types::Seq;
use proto::v1;
use proto::v1::list_events_request::{Direction as WireDirection, Start as WireStart};
use proto::v1::messages_server::Messages;
use tonic::{Request, Response, Status};

use super::{Answer, open, unreadable};
use crate::limits::{EVENTS_PAGE_DEFAULT, EVENTS_PAGE_MAX, MEMBERS_PAGE_DEFAULT, MEMBERS_PAGE_MAX};
use crate::{Direction, Rooms, Start, wire};

#[tonic::async_trait]
impl Messages for Rooms {
    async fn send_message(
        &self,
        request: Request<v1::SendMessageRequest>,
    ) -> Answer<v1::SendMessageResponse> {
        let (caller, request) = open(request)?;
        let (room, action) = wire::send(request)?;
        let outcome = self.act(caller, room, action).await?;
        let create_time = Some(time::timestamp(outcome.at));
        Ok(Response::new(v1::SendMessageResponse {
            seq: outcome.seq.0,
            create_time,
        }))
    }

    async fn edit_message(
        &self,
        request: Request<v1::EditMessageRequest>,
    ) -> Answer<v1::EditMessageResponse> {
        let (caller, request) = open(request)?;
        let (room, action) = wire::edit(request)?;
        let outcome = self.act(caller, room, action).await?;
        Ok(Response::new(v1::EditMessageResponse {
            seq: outcome.seq.0,
        }))
    }

    async fn delete_message(
        &self,
        request: Request<v1::DeleteMessageRequest>,
    ) -> Answer<v1::DeleteMessageResponse> {
        let (caller, request) = open(request)?;
        let (room, action) = wire::delete(&request)?;
        let outcome = self.act(caller, room, action).await?;
        Ok(Response::new(v1::DeleteMessageResponse {
            seq: outcome.seq.0,
        }))
    }

    async fn get_event(&self, request: Request<v1::GetEventRequest>) -> Answer<v1::Event> {
        let (caller, request) = open(request)?;
        let room = name::room(&request.room, "room")?;
        let seq = wire::seq(request.seq, "seq")?;
        let event = self
            .event(caller.account, room, seq)
            .await
            .map_err(unreadable)?;
        Ok(Response::new(wire::event(room, event)))
    }

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Answer<v1::ListEventsResponse> {
        const CALL: &str = "ListEvents";
        let (caller, request) = open(request)?;
        let room = name::room(&request.parent, "parent")?;
        let direction = direction(request.direction)?;
        let limit = page::size(request.page_size, EVENTS_PAGE_DEFAULT, EVENTS_PAGE_MAX)?;
        let mut scope = room.as_bytes().to_vec();
        scope.push(u8::from(direction == Direction::Forward));
        let start = match page::fixed_cursor(CALL, &scope, &request.page_token)? {
            Some(cursor) => Start::Seq(Seq(u64::from_be_bytes(cursor))),
            None => start(request.start)?,
        };
        let account = caller.account;
        let found = self
            .events(account, room, start, direction, limit)
            .await
            .map_err(unreadable)?;
        let token = |next: Seq| page::token(CALL, &scope, &next.0.to_be_bytes());
        Ok(Response::new(v1::ListEventsResponse {
            events: found
                .events
                .into_iter()
                .map(|event| wire::event(room, event))
                .collect(),
            next_page_token: found.next.map(token).unwrap_or_default(),
        }))
    }

    async fn mark_read(
        &self,
        request: Request<v1::MarkReadRequest>,
    ) -> Answer<v1::MarkReadResponse> {
        let (caller, request) = open(request)?;
        let room = name::room(&request.room, "room")?;
        let seq = wire::seq(request.seq, "seq")?;
        let account = caller.account;
        let (mark, unread_count) = Self::mark_read(self, account, room, seq)
            .await
            .map_err(unreadable)?;
        Ok(Response::new(v1::MarkReadResponse {
            read_seq: mark.seq.0,
            unread_count,
        }))
    }

    async fn list_readers(
        &self,
        request: Request<v1::ListReadersRequest>,
    ) -> Answer<v1::ListReadersResponse> {
        const CALL: &str = "ListReaders";
        let (caller, request) = open(request)?;
        let room = name::room(&request.parent, "parent")?;
        let seq = wire::seq(request.seq, "seq")?;
        let limit = page::size(request.page_size, MEMBERS_PAGE_DEFAULT, MEMBERS_PAGE_MAX)?;
        let scope = [room.as_bytes().as_slice(), &seq.0.to_be_bytes()].concat();
        let after = page::fixed_cursor(CALL, &scope, &request.page_token)?;
        let after = after.map(cluster_types::AccountId::from_bytes);
        let readers = self.readers(caller.account, room, seq, after, limit).await;
        let (accounts, last) = readers.map_err(unreadable)?;
        Ok(Response::new(v1::ListReadersResponse {
            accounts: accounts.into_iter().map(name::of_account).collect(),
            next_page_token: last
                .map(|last| page::token(CALL, &scope, last.as_bytes()))
                .unwrap_or_default(),
        }))
    }

    async fn set_typing(&self, request: Request<v1::SetTypingRequest>) -> Answer<()> {
        let (caller, request) = open(request)?;
        let room = name::room(&request.room, "room")?;
        self.typing(caller.account, room)
            .await
            .map_err(unreadable)?;
        Ok(Response::new(()))
    }
}

fn direction(value: i32) -> Result<Direction, Status> {
    match WireDirection::try_from(value) {
        Ok(WireDirection::Unspecified | WireDirection::Backward) => Ok(Direction::Backward),
        Ok(WireDirection::Forward) => Ok(Direction::Forward),
        Err(_) => Err(wire::unknown("direction", value).into()),
    }
}

fn start(start: Option<WireStart>) -> Result<Start, InvalidRequest> {
    match start {
        Some(WireStart::FromSeq(seq)) => Ok(Start::Seq(wire::seq(seq, "from_seq")?)),
        Some(WireStart::FromTime(at)) => Ok(Start::Time(time::unix_millis(&at, "from_time")?)),
        None => Ok(Start::End),
    }
}
