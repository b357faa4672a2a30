//! A client's end of one stream, without sockets: frames in, frames out, encoded as on the wire.
//!
//! The body that the server answers with is polled as its connection would poll it, and not polled while
//! the client does not read. Dropping it is losing the connection.
//!
//! Invariant: what arrives is noted in the order in which it arrives, replies to what concerns the
//! stream itself included.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use cluster_runtime::{TaskKind, Tasks};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use prost::Message as _;
use proto::v1;
use proto::v1::client_frame::Command;
use proto::v1::server_item::Item as WireItem;
use services_sessions::grpc::CONNECT;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tower::Service as _;

use crate::calls;
use crate::history::{Answer, Cursor, Item, OnStream, Why};
use crate::limits::INPUT_FRAMES;
use crate::names::{Device, Person, Room, Stream};
use crate::reach::Reach;
use crate::sights;
use crate::world::World;

mod carried;

use carried::{carried, cut};

/// Bytes of a gRPC message before its payload.
const PREFIX_BYTES: usize = 5;

/// A stream that is open, or was. Clones are the same stream.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) no: Stream,
    pub(crate) device: Device,
    pub(crate) by: Person,
    world: World,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    input: Mutex<Option<mpsc::Sender<Bytes>>>,
    waiting: Mutex<BTreeMap<u64, Waiting>>,
    requests: AtomicU64,
    follows: Mutex<BTreeSet<Room>>,
    is_greeted: AtomicBool,
    is_paused: AtomicBool,
    changed: Notify,
    gone: CancellationToken,
    /// Of the node, if it can die without its clients.
    died: Option<CancellationToken>,
}

/// Who waits for a reply.
#[derive(Debug)]
enum Waiting {
    Hello,
    Follow(Room),
    Unfollow(Room),
    Other,
    Order(oneshot::Sender<Answer>),
}

/// What a client sends, as the body of its request.
struct Input(mpsc::Receiver<Bytes>);

// === impl Client ===

impl Client {
    /// Opens a stream and says hello, unless `cursors` is `None`. `None`: it was not given.
    pub(crate) async fn open(
        reach: &Reach,
        world: &World,
        tasks: &Tasks,
        by: Person,
        device: Device,
        cursors: Option<Vec<Cursor>>,
    ) -> Option<Self> {
        let (no, token) = {
            let mut state = world.lock();
            let token = state.device(device)?.token.clone();
            (state.next_stream(), token)
        };
        let opened = OnStream::Opened {
            by,
            device,
            cursors: cursors.clone().unwrap_or_default(),
        };
        world.note_stream(no, opened);
        let (input, frames) = mpsc::channel(INPUT_FRAMES);
        let body = match connect(reach, token, frames).await {
            Ok(body) => body,
            Err(status) => {
                if let Err(why) = outcome(&sights::answer(&status)) {
                    world.note_stream(no, OnStream::NotOpened(why));
                }
                return None;
            }
        };
        let client = Self {
            no,
            device,
            by,
            world: world.clone(),
            shared: Arc::new(Shared {
                input: Mutex::new(Some(input)),
                waiting: Mutex::default(),
                requests: AtomicU64::new(1),
                follows: Mutex::default(),
                is_greeted: AtomicBool::new(false),
                is_paused: AtomicBool::new(false),
                changed: Notify::new(),
                gone: CancellationToken::new(),
                died: reach.is_remote().then(|| reach.died().clone()),
            }),
        };
        tasks.spawn(
            TaskKind::Connection,
            "sim: stream",
            client.clone().read(body),
        );
        if let Some(cursors) = cursors {
            client.hello(&cursors);
        }
        Some(client)
    }

    /// Whether commands can be sent: it has been greeted, and has not ended.
    pub(crate) fn is_up(&self) -> bool {
        self.shared.is_greeted.load(Ordering::SeqCst) && !self.has_ended()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.shared.gone.is_cancelled()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.shared.is_paused.load(Ordering::SeqCst)
    }

    pub(crate) fn follows(&self) -> BTreeSet<Room> {
        self.shared.follows.lock().clone()
    }

    /// Stops or goes on reading.
    pub(crate) fn pause(&self, pause: bool) {
        if self.has_ended() || self.shared.is_paused.swap(pause, Ordering::SeqCst) == pause {
            return;
        }
        let what = if pause {
            OnStream::Pauses
        } else {
            OnStream::ReadsOn
        };
        self.world.note_stream(self.no, what);
        self.shared.changed.notify_one();
    }

    /// Loses the connection.
    pub(crate) fn leave(&self) {
        if !self.has_ended() {
            self.world.note_stream(self.no, OnStream::Leaves);
            self.shared.gone.cancel();
        }
    }

    /// Says that nothing more will come, and still reads.
    pub(crate) fn close_input(&self) {
        *self.shared.input.lock() = None;
    }

    /// Wants a room's events from here on. `false`: the connection takes nothing more just now.
    pub(crate) fn follow(&self, cursor: Cursor) -> bool {
        let room = cursor.room;
        let command = Command::FollowRoom(self.on_the_wire(&cursor));
        let told = self.tell(
            command,
            Waiting::Follow(room),
            Some(OnStream::Follows(cursor)),
        );
        if told {
            self.shared.follows.lock().insert(room);
        }
        told
    }

    /// Wants them no more.
    pub(crate) fn unfollow(&self, room: Room) -> bool {
        let name = self
            .world
            .lock()
            .rooms
            .get(&room)
            .map(|room| room.name.clone());
        let command = Command::UnfollowRoom(v1::UnfollowRoom {
            room: name.unwrap_or_default(),
        });
        self.tell(
            command,
            Waiting::Unfollow(room),
            Some(OnStream::Unfollows(room)),
        )
    }

    /// Sends something whose answer does not matter.
    pub(crate) fn mention(&self, command: Command) {
        self.tell(command, Waiting::Other, None);
    }

    /// Sends a command and waits for its answer; `None`: there will be none.
    pub(crate) async fn ask(&self, command: Command) -> Option<Answer> {
        let (answer, answered) = oneshot::channel();
        let (frame, _) = self.frame(command, Waiting::Order(answer));
        let input = self.shared.input.lock().clone()?;
        tokio::select! {
            biased;
            // Whoever waits for a place hears of a death in turn, and not as the node's tasks happen to be dropped.
            () = cut(self.shared.died.as_ref()) => return None,
            sent = input.send(frame) => sent.ok()?,
        }
        answered.await.ok()
    }

    fn hello(&self, cursors: &[Cursor]) {
        let follow_rooms = cursors
            .iter()
            .map(|cursor| self.on_the_wire(cursor))
            .collect();
        self.shared
            .follows
            .lock()
            .extend(cursors.iter().map(|cursor| cursor.room));
        self.tell(
            Command::Hello(v1::Hello { follow_rooms }),
            Waiting::Hello,
            None,
        );
    }

    fn on_the_wire(&self, cursor: &Cursor) -> v1::FollowRoom {
        let state = self.world.lock();
        let room = state.rooms.get(&cursor.room);
        v1::FollowRoom {
            room: room.map(|room| room.name.clone()).unwrap_or_default(),
            after_seq: cursor.after.map_or(0, |seq| seq.0),
            log_id: String::new(),
            from_head: cursor.after.is_none(),
        }
    }

    fn tell(&self, command: Command, waiting: Waiting, note: Option<OnStream>) -> bool {
        let (frame, id) = self.frame(command, waiting);
        let input = self.shared.input.lock().clone();
        let Some(Ok(place)) = input.as_ref().map(mpsc::Sender::try_reserve) else {
            self.shared.waiting.lock().remove(&id);
            return false;
        };
        if let Some(note) = note {
            self.world.note_stream(self.no, note);
        }
        place.send(frame);
        true
    }

    fn frame(&self, command: Command, waiting: Waiting) -> (Bytes, u64) {
        let request_id = self.shared.requests.fetch_add(1, Ordering::SeqCst);
        self.shared.waiting.lock().insert(request_id, waiting);
        let frame = v1::ClientFrame {
            request_id,
            command: Some(command),
        };
        let payload = frame.encode_to_vec();
        let mut message = BytesMut::with_capacity(PREFIX_BYTES + payload.len());
        message.put_u8(0);
        message.put_u32(u32::try_from(payload.len()).unwrap_or(u32::MAX));
        message.put_slice(&payload);
        (message.freeze(), request_id)
    }

    /// Reads until the stream ends or the client leaves.
    async fn read(self, mut body: tonic::body::Body) {
        let mut unread = BytesMut::new();
        loop {
            let (gone, changed) = (self.shared.gone.cancelled(), self.shared.changed.notified());
            // Leaving first: who has left reads nothing more.
            let frame = tokio::select! {
                biased;
                () = gone => break,
                () = cut(self.shared.died.as_ref()) => {
                    self.note(OnStream::Cut);
                    self.shared.gone.cancel();
                    break;
                }
                () = changed => continue,
                frame = body.frame(), if !self.is_paused() => frame,
            };
            let end = match frame {
                None => Some(Code::Unknown),
                Some(Err(status)) => Some(status.code()),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        unread.extend_from_slice(&data);
                        self.take_messages(&mut unread);
                        None
                    }
                    Err(trailers) => trailers.trailers_ref().map(|map| {
                        Status::from_header_map(map).map_or(Code::Unknown, |s| s.code())
                    }),
                },
            };
            if let Some(code) = end {
                self.world.note_stream(self.no, OnStream::Ended(code));
                self.shared.gone.cancel();
                break;
            }
        }
        // Nobody will be answered any more.
        self.shared.waiting.lock().clear();
    }

    fn take_messages(&self, unread: &mut BytesMut) {
        while let Some(prefix) = unread.first_chunk::<PREFIX_BYTES>() {
            let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
            if unread.len() < PREFIX_BYTES + length {
                return;
            }
            unread.advance(PREFIX_BYTES);
            match v1::ServerFrame::decode(unread.split_to(length)) {
                Ok(frame) => frame
                    .items
                    .into_iter()
                    .for_each(|item| self.take(item.item)),
                Err(error) => self.note(OnStream::Broken(error.to_string())),
            }
        }
    }

    fn take(&self, item: Option<WireItem>) {
        match item {
            Some(WireItem::Reply(reply)) => self.take_reply(reply),
            Some(item) => {
                let seen = sights::item(&mut self.world.lock(), item);
                match seen {
                    Ok(Some(item)) => self.hear(item),
                    Ok(None) => {}
                    Err(words) => self.note(OnStream::Broken(words)),
                }
            }
            None => self.note(OnStream::Broken("an item of no kind".to_owned())),
        }
    }

    fn hear(&self, item: Item) {
        if let Item::Lost(room) = item {
            self.shared.follows.lock().remove(&room);
        }
        let mut state = self.world.lock();
        state.hear(self.by, self.device, &item);
        state.note(crate::history::What::Stream(self.no, OnStream::Got(item)));
    }

    fn take_reply(&self, reply: v1::Reply) {
        let Some(waiting) = self.shared.waiting.lock().remove(&reply.request_id) else {
            self.note(OnStream::Broken("a reply to nothing".to_owned()));
            return;
        };
        let answer = calls::replied(reply, &mut self.world.lock());
        let outcome = outcome(&answer);
        match waiting {
            // Nobody waits any more if it took too long.
            Waiting::Order(waits) => _ = waits.send(answer),
            Waiting::Other => {}
            Waiting::Hello => {
                self.note(OnStream::Greeted(outcome.clone()));
                match outcome {
                    Ok(()) => self.shared.is_greeted.store(true, Ordering::SeqCst),
                    // Half a session is of no use: a client tries again.
                    Err(_) => self.leave(),
                }
            }
            Waiting::Follow(room) => {
                let mut follows = self.shared.follows.lock();
                // It may have been lost and gained in the meantime.
                if outcome.is_ok() {
                    follows.insert(room);
                } else {
                    follows.remove(&room);
                }
                drop(follows);
                self.note(OnStream::Followed(room, outcome));
            }
            Waiting::Unfollow(room) => {
                self.shared.follows.lock().remove(&room);
                self.note(OnStream::Unfollowed(room, outcome));
            }
        }
    }

    fn note(&self, what: OnStream) {
        self.world.note_stream(self.no, what);
    }
}

/// Sends the request; the answer is the body that the server writes to.
async fn connect(
    reach: &Reach,
    token: String,
    frames: mpsc::Receiver<Bytes>,
) -> Result<tonic::body::Body, Status> {
    let services = reach.node.services.clone();
    let connect = async move {
        let caller = services.accounts.authenticate(&token).await;
        let caller = caller.map_err(|error| cluster_rpc::status(&error))?;
        let mut request = http::Request::new(tonic::body::Body::new(Input(frames)));
        *request.uri_mut() = http::Uri::from_static(CONNECT);
        request.extensions_mut().insert(caller);
        let response = match services.sessions.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        match Status::from_header_map(response.headers()) {
            Some(status) if status.code() != Code::Ok => Err(status),
            _ => Ok(response.into_body()),
        }
    };
    let connected = reach.run(connect).await;
    let body = connected.unwrap_or_else(|| Err(Status::unavailable("the node died")))?;
    Ok(carried(reach, body))
}

/// Whether it was done, and if not, why.
fn outcome(answer: &Answer) -> Result<(), Why> {
    match answer {
        Answer::Done(_) => Ok(()),
        Answer::Refused(why) | Answer::NotNow(why) | Answer::Doubtful(why) | Answer::Fault(why) => {
            Err(why.clone())
        }
    }
}

// === impl Input ===

impl Body for Input {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}
