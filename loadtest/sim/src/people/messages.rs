//! Saying something, changing it, taking it back, and reading what others said.

use std::ops::RangeInclusive;

use cluster_rpc::name;
use cluster_types::{FileId, Rng, Seq};
use futures::future::join_all;
use proto::v1;
use proto::v1::list_events_request::{Direction, Start};
use services_files::RequestId;
use uuid::Uuid;

use super::Somebody;
use crate::calls::{Order, Wire};
use crate::clients::Ending;
use crate::files;
use crate::history::{Ask, Body, Done, Files, MessageId, Said};
use crate::limits::{BODY_LONG, BODY_SHORT, BURST, FILE_BYTES, FILES_MAX, FLOOD, PAGE};
use crate::names::{Device, Person, Room};
use crate::plan::{Deed, among, percent, skewed};

/// What has been said and by whom.
type Heard = (Seq, Person);

impl Somebody {
    pub(super) async fn say(&self, deed: Deed, device: Device) {
        let Some(room) = self.a_room() else { return };
        match deed {
            Deed::Send => {
                let order = self.a_message(device, room, false);
                self.ask(order).await;
            }
            Deed::SendFiles => self.send_files(device, room).await,
            Deed::SendBurst => self.send_many(device, room, BURST).await,
            Deed::SendFlood => self.send_many(device, room, FLOOD).await,
            Deed::SendAgainOtherwise => self.send_again_otherwise(device, room).await,
            Deed::Edit => self.edit(device, room, |me, by| me == by).await,
            Deed::EditOfAnother => self.edit(device, room, |me, by| me != by).await,
            Deed::Delete => self.delete(device, room).await,
            Deed::MarkRead => self.mark_read(device, room).await,
            Deed::Typing => {
                let wire = v1::SetTypingRequest {
                    room: self.name(room),
                };
                self.begin(device, Ask::Typing { room }, Wire::Typing(wire))
                    .await;
            }
            Deed::ReadPage => self.read_pages(device, room).await,
            Deed::ListReaders => {
                let Some((seq, _)) = self.something_said(room, |_| true) else {
                    return;
                };
                let wire = v1::ListReadersRequest {
                    parent: self.name(room),
                    seq: seq.0,
                    ..Default::default()
                };
                self.begin(device, Ask::Readers { room, seq }, Wire::Readers(wire))
                    .await;
            }
            _ => {}
        }
    }

    /// All at once, as many as one has hands for; on a stream they share transactions.
    async fn send_many(&self, device: Device, room: Room, range: RangeInclusive<u64>) {
        let orders = (0..skewed(&self.rng, range)).map(|_| {
            let (order, rng) = (self.a_message(device, room, true), self.rng.fork());
            async move { self.clients.carry_out(order, &rng).await }
        });
        join_all(orders).await;
    }

    /// A few files, seldom one that was sent before, or is not for this room.
    async fn send_files(&self, device: Device, room: Room) {
        let mut files = Vec::new();
        for _ in 0..skewed(&self.rng, 1..=FILES_MAX as u64) {
            let file = match percent(&self.rng, 15) {
                true => self.an_old_upload(),
                false => self.upload(room).await,
            };
            files.extend(file.filter(|file| !files.contains(file)));
        }
        let mut order = self.a_message(device, room, true);
        if let (Ask::Send { said, .. }, Wire::Send(request)) = (&mut order.ask, &mut order.wire) {
            said.files = self.numbers(&files);
            request.attachments = files.into_iter().map(name::of_file).collect();
            if !request.attachments.is_empty() && percent(&self.rng, 30) {
                request.body.clear();
                said.body = Body::of("");
            }
        }
        self.ask(order).await;
    }

    async fn upload(&self, room: Room) -> Option<FileId> {
        let (account, id) = {
            let state = self.clients.world.lock();
            let id = name::room(&state.rooms.get(&room)?.name, "room").ok()?;
            (state.account(self.me)?, id)
        };
        let size = among(&self.rng, FILE_BYTES);
        let request = RequestId(self.rng.bytes());
        let reach = self.clients.nodes.any(&self.rng)?;
        let files = reach.node.services.files.clone();
        let upload = async move { files::upload(&files, account, id, size, request).await };
        let file = reach.run(upload).await??;
        let mut state = self.clients.world.lock();
        let uploads = &mut state.rooms.get_mut(&room)?.uploads;
        uploads.push((self.me, file));
        Some(file)
    }

    /// Of any room; mostly a message has it already.
    fn an_old_upload(&self) -> Option<FileId> {
        let state = self.clients.world.lock();
        let uploads = state.rooms.values().flat_map(|room| &room.uploads);
        let own = uploads.filter(|(by, _)| *by == self.me || percent(&self.rng, 5));
        let own: Vec<_> = own.map(|(_, file)| *file).collect();
        self.one_of(&own).copied()
    }

    fn numbers(&self, files: &[FileId]) -> Files {
        let mut state = self.clients.world.lock();
        Files::of(files.iter().map(|file| state.names.file(*file)))
    }

    /// The same id for something else, once it is certain what it was used for.
    async fn send_again_otherwise(&self, device: Device, room: Room) {
        let first = self.a_message(device, room, true);
        let again = self.a_message(device, room, true);
        let (Ask::Send { id, .. }, Wire::Send(used)) = (&first.ask, &first.wire) else {
            return;
        };
        let (id, client_message_id) = (*id, used.client_message_id.clone());
        let Ending::Done(..) = self.clients.carry_out(first, &self.rng).await else {
            return;
        };
        if let (Ask::Send { said, .. }, Wire::Send(request)) = (again.ask, again.wire) {
            let wire = v1::SendMessageRequest {
                client_message_id,
                ..request
            };
            self.begin(device, Ask::Send { room, id, said }, Wire::Send(wire))
                .await;
        }
    }

    async fn edit(&self, device: Device, room: Room, whose: fn(Person, Person) -> bool) {
        let Some((target, _)) = self.something_said(room, |by| whose(self.me, by)) else {
            return;
        };
        let (id, client_message_id) = new_id(&self.rng);
        let (body, format) = (self.a_body(false), self.a_format());
        let carried = {
            let state = self.clients.world.lock();
            let room = state.rooms.get(&room);
            room.and_then(|room| room.files.get(&target).cloned())
                .unwrap_or_default()
        };
        let mut removed = carried;
        removed.retain(|_| percent(&self.rng, 40));
        let said = Said {
            body: Body::of(&body),
            format: format.into(),
            files: self.numbers(&removed),
            ..Said::default()
        };
        let wire = v1::EditMessageRequest {
            room: self.name(room),
            seq: target.0,
            body,
            format: format.into(),
            client_message_id,
            remove_attachments: removed.into_iter().map(name::of_file).collect(),
        };
        let ask = Ask::Edit {
            room,
            target,
            id,
            said,
        };
        self.begin(device, ask, Wire::Edit(wire)).await;
    }

    async fn delete(&self, device: Device, room: Room) {
        let others_too = percent(&self.rng, 30);
        let Some((target, _)) = self.something_said(room, |by| others_too || by == self.me) else {
            return;
        };
        let wire = v1::DeleteMessageRequest {
            room: self.name(room),
            seq: target.0,
        };
        self.begin(device, Ask::Delete { room, target }, Wire::Delete(wire))
            .await;
    }

    async fn mark_read(&self, device: Device, room: Room) {
        let head = self
            .clients
            .world
            .lock()
            .rooms
            .get(&room)
            .map(|room| room.head);
        let Some(head) = head.filter(|head| *head > Seq::ZERO) else {
            return;
        };
        // Mostly all of it, sometimes some, which may be less than was read before.
        let seq = match percent(&self.rng, 60) {
            true => head,
            false => Seq(among(&self.rng, 1..=head.0)),
        };
        let wire = v1::MarkReadRequest {
            room: self.name(room),
            seq: seq.0,
        };
        self.begin(device, Ask::MarkRead { room, seq }, Wire::MarkRead(wire))
            .await;
    }

    /// A page, and some that follow it.
    async fn read_pages(&self, device: Device, room: Room) {
        let head = self
            .clients
            .world
            .lock()
            .rooms
            .get(&room)
            .map(|room| room.head);
        let forward = percent(&self.rng, 50);
        let from = head.filter(|head| head.0 > 0 && percent(&self.rng, 60));
        let mut from = from.map(|head| Seq(among(&self.rng, 1..=head.0)));
        let size = u32::try_from(skewed(&self.rng, PAGE)).unwrap_or(1);
        let mut request = page(self.name(room), forward, from, size);
        for _ in 0..among(&self.rng, 1..=3) {
            let ask = Ask::Page {
                room,
                forward,
                from,
                size,
            };
            let order = self
                .clients
                .order(self.me, device, ask, Wire::Page(request.clone()));
            let Ending::Done(Done::Page { events, .. }, extra) =
                self.clients.carry_out(order, &self.rng).await
            else {
                return;
            };
            let last = events.last().map(|event| event.seq);
            let Some(last) = last.filter(|_| !extra.page_token.is_empty()) else {
                return;
            };
            from = Some(if forward {
                last.next()
            } else {
                last.previous()
            });
            request.page_token = extra.page_token;
        }
    }

    // --- Making something up ---

    pub(super) fn a_message(&self, device: Device, room: Room, short: bool) -> Order {
        let (id, client_message_id) = new_id(&self.rng);
        let (body, format) = (self.a_body(short), self.a_format());
        let priorities = [
            v1::Priority::Normal,
            v1::Priority::High,
            v1::Priority::Urgent,
        ];
        let priority = *self.one_of(&priorities).unwrap_or(&v1::Priority::Normal);
        let reply_to = self.something_said(room, |_| percent(&self.rng, 20));
        let reply_to = reply_to.map_or(Seq::ZERO, |(seq, _)| seq);
        let said = Said {
            body: Body::of(&body),
            format: format.into(),
            priority: priority.into(),
            reply_to,
            files: Files::default(),
        };
        let wire = v1::SendMessageRequest {
            room: self.name(room),
            client_message_id,
            body,
            format: format.into(),
            priority: priority.into(),
            reply_to_seq: reply_to.0,
            attachments: Vec::new(),
        };
        let ask = Ask::Send { room, id, said };
        self.clients.order(self.me, device, ask, Wire::Send(wire))
    }

    /// No two are equal.
    fn a_body(&self, short: bool) -> String {
        let long = !short && percent(&self.rng, self.clients.plan.long_bodies);
        let bytes = skewed(&self.rng, if long { BODY_LONG } else { BODY_SHORT });
        let mut body = format!("{:016x} ", self.rng.below(u64::MAX));
        let more = usize::try_from(bytes)
            .unwrap_or_default()
            .saturating_sub(body.len());
        body.push_str(&"ö".repeat(more / 2));
        body
    }

    fn a_format(&self) -> v1::Format {
        let formats = [v1::Format::Plain, v1::Format::Markdown, v1::Format::Code];
        *self.one_of(&formats).unwrap_or(&v1::Format::Plain)
    }

    /// One of the last messages of which anybody has heard.
    fn something_said(&self, room: Room, by: impl Fn(Person) -> bool) -> Option<Heard> {
        let state = self.clients.world.lock();
        let said = &state.rooms.get(&room)?.said;
        let latest = said.iter().rev().take(50).filter(|(_, who)| by(*who));
        let latest: Vec<_> = latest.copied().collect();
        self.one_of(&latest).copied()
    }
}

/// A request for a page of a log.
pub(crate) fn page(
    parent: String,
    forward: bool,
    from: Option<Seq>,
    size: u32,
) -> v1::ListEventsRequest {
    let direction = if forward {
        Direction::Forward
    } else {
        Direction::Backward
    };
    v1::ListEventsRequest {
        parent,
        page_size: i32::try_from(size).unwrap_or(1),
        page_token: String::new(),
        direction: direction.into(),
        start: from.map(|seq| Start::FromSeq(seq.0)),
    }
}

/// An id that nobody has used, for the history and for the wire.
pub(crate) fn new_id(rng: &Rng) -> (MessageId, String) {
    let bytes = rng.bytes();
    (
        MessageId(bytes),
        Uuid::from_bytes(bytes).hyphenated().to_string(),
    )
}
