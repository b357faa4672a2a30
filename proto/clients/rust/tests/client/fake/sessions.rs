//! The stream: follows, catch-up, live events, replies; one task per stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::v1::client_frame::Command;
use proto::v1::server_item::Item;
use proto::v1::sessions_server::Sessions;
use proto::v1::{
    ClientFrame, CommandError, Done, FollowRoom, Live, MarkReadResponse, Ready, Reply, RoomLost,
    ServerFrame, ServerItem, reply,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{State, check_token};

/// Frames on the way to one client.
const FRAMES_MAX: usize = 4;

pub(super) struct Service(pub(super) Arc<State>);

type Frame = Result<ServerFrame, Status>;

#[async_trait::async_trait]
impl Sessions for Service {
    type ConnectStream = ReceiverStream<Frame>;

    async fn connect(
        &self,
        request: Request<Streaming<ClientFrame>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        check_token(&request)?;
        if let Some(status) = self.0.faults.lock().turn_away.clone() {
            return Err(status);
        }
        let (frames, outgoing) = mpsc::channel(FRAMES_MAX);
        let stream = Stream {
            state: Arc::clone(&self.0),
            frames,
            followed: BTreeMap::new(),
        };
        let mut task = JoinSet::new();
        task.spawn(stream.run(request.into_inner()));
        // Ends by itself when the connection does.
        task.detach_all();
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

struct Stream {
    state: Arc<State>,
    frames: mpsc::Sender<Frame>,
    /// How far each followed room was sent, and whether its Live marker was.
    followed: BTreeMap<String, (u64, bool)>,
}

impl Stream {
    async fn run(mut self, mut commands: Streaming<ClientFrame>) {
        let mut changed = self.state.changed.subscribe();
        let state = Arc::clone(&self.state);
        state.streams.send_modify(|open| *open += 1);
        let gone = self.frames.clone();
        loop {
            let farewell = *state.farewell.lock();
            if let Some(farewell) = farewell {
                self.send(vec![Item::Farewell(farewell)]).await;
                break;
            }
            if !self.send_events().await {
                break;
            }
            tokio::select! {
                command = commands.message() => match command {
                    Ok(Some(frame)) => if !self.obey(frame).await { break },
                    Ok(None) | Err(_) => break,
                },
                _ = changed.changed() => {}
                () = gone.closed() => break,
            }
        }
        state.streams.send_modify(|open| *open -= 1);
    }

    async fn send(&self, items: Vec<Item>) -> bool {
        let item = |item| ServerItem { item: Some(item) };
        let items = items.into_iter().map(item).collect();
        self.frames.send(Ok(ServerFrame { items })).await.is_ok()
    }

    /// What followed rooms have to say, sixteen events to a frame.
    async fn send_events(&mut self) -> bool {
        let rooms: Vec<String> = self.followed.keys().cloned().collect();
        for name in rooms {
            while let Some(items) = self.batch(&name) {
                if !self.send(items).await {
                    return false;
                }
            }
        }
        true
    }

    fn batch(&mut self, name: &str) -> Option<Vec<Item>> {
        let rooms = self.state.rooms.lock();
        let room = rooms.get(name)?;
        let (sent, live) = self.followed.get_mut(name)?;
        let mut faults = self.state.faults.lock();
        let mut items = Vec::new();
        let after = *sent;
        for event in room
            .events
            .iter()
            .filter(|event| event.seq > after)
            .take(16)
        {
            let copies = if faults.twice { 2 } else { 1 };
            match faults.skip.iter().position(|seq| *seq == event.seq) {
                Some(at) => drop(faults.skip.swap_remove(at)),
                None => items.extend((0..copies).map(|_| Item::Event(event.clone()))),
            }
            *sent = event.seq;
        }
        let last = room.events.last().map_or(0, |event| event.seq);
        if *sent >= last && !*live {
            *live = true;
            items.push(Item::Live(Live {
                room: name.to_owned(),
                seq: last,
                log_id: room.log_id.clone(),
                rebuilt: false,
            }));
        }
        (!items.is_empty()).then_some(items)
    }

    fn follow(&mut self, room: &FollowRoom) -> bool {
        let rooms = self.state.rooms.lock();
        let Some(kept) = rooms.get(&room.room) else {
            return false;
        };
        let last = kept.events.len() as u64;
        let other_log = !room.log_id.is_empty() && room.log_id != kept.log_id;
        let sent = if room.from_head {
            last
        } else if other_log {
            0
        } else {
            room.after_seq
        };
        self.followed.insert(room.room.clone(), (sent, false));
        true
    }

    async fn obey(&mut self, frame: ClientFrame) -> bool {
        self.state.seen.lock().frames.push(frame.clone());
        let not_found = || error(&Status::not_found("no such room"));
        let done = reply::Result::Done(Done {});
        let result = match frame.command {
            Some(Command::Hello(hello)) => {
                self.state.seen.lock().hellos.push(hello.clone());
                let mut items = vec![Item::Ready(Ready {
                    account: "accounts/ada".to_owned(),
                    session_id: "one".to_owned(),
                })];
                for room in hello.follow_rooms {
                    if !self.follow(&room) {
                        let room = room.room;
                        items.push(Item::RoomLost(RoomLost { room }));
                    }
                }
                return self.send(items).await;
            }
            Some(Command::FollowRoom(room)) if self.follow(&room) => done,
            Some(Command::FollowRoom(_)) => not_found(),
            Some(Command::UnfollowRoom(room)) => {
                self.followed.remove(&room.room);
                done
            }
            Some(Command::SendMessage(request)) => match self.state.send(&request) {
                Some(Ok(sent)) => reply::Result::SendMessage(sent),
                Some(Err(status)) => error(&status),
                None => return true,
            },
            Some(Command::MarkRead(mark)) => reply::Result::MarkRead(MarkReadResponse {
                read_seq: mark.seq,
                unread_count: 0,
            }),
            _ => done,
        };
        let request_id = frame.request_id;
        let result = Some(result);
        self.send(vec![Item::Reply(Reply { request_id, result })])
            .await
    }
}

fn error(status: &Status) -> reply::Result {
    reply::Result::Error(CommandError {
        code: status.code().into(),
        message: status.message().to_owned(),
        status_details: status.details().to_vec(),
    })
}
