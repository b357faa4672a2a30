//! Connecting, following, not reading, reading on, going away.

use cluster_types::Seq;
use proto::v1;
use proto::v1::client_frame::Command;

use super::Somebody;
use crate::history::Cursor;
use crate::names::{Device, Room};
use crate::plan::{Deed, percent};
use crate::stream::Client;

impl Somebody {
    pub(super) async fn stream(&self, deed: Deed, device: Device) {
        let own = self.clients.streams_of(self.me);
        match deed {
            Deed::Connect => self.connect(device, &own, true).await,
            Deed::ConnectWithoutHello => self.connect(device, &own, false).await,
            _ => {
                if let Some(stream) = self.one_of(&own) {
                    self.on_stream(deed, stream);
                }
            }
        }
    }

    fn on_stream(&self, deed: Deed, stream: &Client) {
        match deed {
            Deed::Disconnect => stream.leave(),
            Deed::HalfClose => stream.close_input(),
            Deed::Pause => stream.pause(true),
            Deed::ReadOn => stream.pause(false),
            Deed::Follow if stream.is_up() => {
                let room = self.a_room();
                // Following again what is followed would make two sequences of one.
                if let Some(room) = room.filter(|room| !stream.follows().contains(room)) {
                    stream.follow(self.cursor(stream.device, room));
                }
            }
            Deed::Unfollow if stream.is_up() => {
                let follows: Vec<_> = stream.follows().into_iter().collect();
                if let Some(room) = self.one_of(&follows) {
                    stream.unfollow(*room);
                }
            }
            Deed::WatchPresence if stream.is_up() => {
                let accounts = (0..3).map(|_| self.account(self.anybody())).collect();
                stream.mention(Command::WatchPresence(v1::WatchPresence { accounts }));
            }
            _ => {}
        }
    }

    async fn connect(&self, device: Device, own: &[Client], says_hello: bool) {
        // One stream for each device, and its cursors are its own.
        if own.iter().any(|stream| stream.device == device) {
            return;
        }
        let cursors = says_hello.then(|| self.cursors(device));
        let clients = &self.clients;
        let Some(reach) = clients.nodes.any(&self.rng) else {
            return;
        };
        let opened = Client::open(
            &reach,
            &clients.world,
            &clients.tasks,
            self.me,
            device,
            cursors,
        );
        if let Some(stream) = opened.await {
            clients.add_stream(stream);
        }
    }

    /// Some of one's rooms, each with what this device has of it.
    fn cursors(&self, device: Device) -> Vec<Cursor> {
        let rooms: Vec<_> = {
            let state = self.clients.world.lock();
            let rooms = state.rooms.iter();
            let own = rooms.filter(|(_, room)| room.members.contains(&self.me));
            own.map(|(room, _)| *room).collect()
        };
        let liked = 20 + self.rng.below(81);
        let some = rooms.into_iter().filter(|_| percent(&self.rng, liked));
        some.map(|room| self.cursor(device, room)).collect()
    }

    fn cursor(&self, device: Device, room: Room) -> Cursor {
        let has = {
            let state = self.clients.world.lock();
            let device = state.device(device);
            device.and_then(|device| device.cursors.get(&room).copied())
        };
        let after = match self.rng.below(10) {
            0 => None,
            1 => Some(Seq::ZERO),
            _ => Some(has.unwrap_or_default()),
        };
        Cursor { room, after }
    }
}
