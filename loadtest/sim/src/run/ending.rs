//! The end of a run: everything comes to rest, and is looked at from all sides.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use cluster_types::Seq;
use proto::v1;
use services_files::Swept;
use tokio::time::sleep;

use super::Run;
use crate::calls::{Order, Wire};
use crate::clients::{Clients, Ending};
use crate::files;
use crate::history::{Ask, Cursor, Done, What, World as Happened};
use crate::limits::{ALONE, CATCH_UP, SETTLE, UPLOADS_GONE_DAYS};
use crate::names::{Device, Person, Room};
use crate::node::Node;
use crate::people::{all_rooms, page};
use crate::plan::among;
use crate::stream::Client;

impl Run {
    /// Takes the node down in order, with its streams first.
    pub(super) async fn drain(&self, clients: &Clients, node: &Node) {
        node.services.hub.drain();
        let under_way = || clients.tasks.count() > 0;
        clients
            .come_to_rest(under_way, Duration::from_secs(30))
            .await;
        node.stop().await;
        self.world.note_world(Happened::Drained);
    }

    /// Lets everything come to rest, and looks at it from all sides.
    pub(crate) async fn last_look(
        &self,
        clients: &Clients,
        people: &[Person],
    ) -> anyhow::Result<()> {
        // What is under way ends by itself; streams stay.
        let streams = || clients.streams().len();
        let under_way = || clients.tasks.count() > streams();
        clients
            .come_to_rest(under_way, Duration::from_secs(60))
            .await;
        // Replies come on streams, too.
        for stream in clients.streams() {
            stream.pause(false);
        }
        let unresolved = std::mem::take(&mut clients.world.lock().unresolved);
        for order in unresolved.into_values() {
            if order.ask == Ask::SignOut {
                self.leave_behind(clients, &order).await?;
            } else if order.wire.is_repeatable() && !self.is_signed_out(order.device) {
                self.resolve(clients, order).await;
            }
        }
        sleep(SETTLE).await;
        self.world.note_world(Happened::Settled);
        for person in people {
            self.read_everything(clients, *person).await?;
        }
        self.connect_everybody(clients, people).await;
        self.world.note_world(Happened::Settled);
        self.look_at_files(clients).await?;
        Ok(())
    }

    /// Everything that a person can read, from both ends, in pages of all sizes.
    async fn read_everything(&self, clients: &Clients, by: Person) -> anyhow::Result<()> {
        let Some(device) = self.world.lock().devices_of(by).first().copied() else {
            return Ok(());
        };
        // First: a room that was made may have been told to nobody.
        let order = clients.order(by, device, Ask::ListRooms, Wire::List(all_rooms()));
        self.resolve(clients, order).await;
        let rooms: Vec<_> = self.world.lock().rooms.keys().copied().collect();
        for room in rooms {
            let name = self.world.lock().rooms[&room].name.clone();
            let view = Wire::View(v1::GetRoomRequest { name: name.clone() });
            let order = clients.order(by, device, Ask::ViewRoom { room }, view);
            let Ending::Done(..) = self.resolve(clients, order).await else {
                continue;
            };
            for forward in [true, false] {
                self.walk(clients, by, device, room, forward).await?;
            }
            let members = Wire::Members(v1::ListMembersRequest {
                parent: name.clone(),
                page_size: 1_000,
                page_token: String::new(),
            });
            let order = clients.order(by, device, Ask::Members { room }, members);
            self.resolve(clients, order).await;
            let bans = Wire::Bans(v1::ListBansRequest {
                parent: name,
                page_size: 1_000,
                page_token: String::new(),
            });
            let order = clients.order(by, device, Ask::Bans { room }, bans);
            self.resolve(clients, order).await;
        }
        Ok(())
    }

    async fn walk(
        &self,
        clients: &Clients,
        by: Person,
        device: Device,
        room: Room,
        forward: bool,
    ) -> anyhow::Result<()> {
        let name = self.world.lock().rooms[&room].name.clone();
        let size = u32::try_from(among(&self.rng, 5..=256))?;
        let mut request = page(name, forward, None, size);
        let (mut from, mut all) = (None, Vec::new());
        loop {
            let ask = Ask::Page {
                room,
                forward,
                from,
                size,
            };
            let order = clients.order(by, device, ask, Wire::Page(request.clone()));
            let Ending::Done(Done::Page { events, .. }, extra) = self.resolve(clients, order).await
            else {
                anyhow::bail!("{by} cannot read {room} in fair weather");
            };
            let last = events.last().map_or(Seq::ZERO, |event| event.seq);
            all.extend(events);
            if extra.page_token.is_empty() {
                break;
            }
            from = Some(if forward {
                last.next()
            } else {
                last.previous()
            });
            request.page_token = extra.page_token;
        }
        self.world.note(What::Walk {
            room,
            by,
            forward,
            events: all,
        });
        Ok(())
    }

    /// New streams for all, which follow everything from wherever their devices stand.
    async fn connect_everybody(&self, clients: &Clients, people: &[Person]) {
        for stream in clients.streams() {
            stream.leave();
        }
        for by in people {
            let (rooms, device) = {
                let state = self.world.lock();
                let Some(device) = state.devices_of(*by).first().copied() else {
                    continue;
                };
                let own: BTreeSet<_> = state
                    .rooms
                    .iter()
                    .filter(|(_, room)| room.members.contains(by))
                    .map(|(room, _)| *room)
                    .collect();
                (own, device)
            };
            let cursor = |room| {
                let state = self.world.lock();
                let has = state
                    .device(device)
                    .and_then(|d| d.cursors.get(&room).copied());
                let after = if self.rng.below(2) == 0 {
                    Seq::ZERO
                } else {
                    has.unwrap_or_default()
                };
                Cursor {
                    room,
                    after: Some(after),
                }
            };
            let cursors: Vec<_> = rooms.into_iter().map(cursor).collect();
            let Some(reach) = clients.nodes.any(&self.rng) else {
                continue;
            };
            let (world, tasks) = (&clients.world, &clients.tasks);
            let opened = Client::open(&reach, world, tasks, *by, device, Some(cursors)).await;
            if let Some(stream) = opened {
                clients.add_stream(stream);
            }
        }
        sleep(CATCH_UP).await;
    }

    /// Sweeps until there is nothing to sweep, once no upload lives on.
    async fn look_at_files(&self, clients: &Clients) -> anyhow::Result<()> {
        for clock in &*self.clocks.lock() {
            clock.jump_to(UPLOADS_GONE_DAYS * 24 * 60 * 60 * 1_000);
        }
        let store = loop {
            let reach = clients.nodes.any(&self.rng).context("no node")?;
            let files = reach.node.services.files.clone();
            // One that was told to drain before the weather was fair may end meanwhile.
            let Some(swept) = reach.run(async move { files.sweep().await }).await else {
                sleep(ALONE).await;
                continue;
            };
            anyhow::ensure!(swept.failures == 0, "files are not swept in fair weather");
            if swept == Swept::default() {
                break reach.node.store.clone();
            }
        };
        let kept = files::kept(&store, &self.ground.objects, &self.world).await?;
        self.world.note_world(kept);
        Ok(())
    }

    /// Takes a new device in place of one of which nobody knows whether it is signed out.
    async fn leave_behind(&self, clients: &Clients, order: &Order) -> anyhow::Result<()> {
        if let Some(device) = self.world.lock().device_mut(order.device) {
            device.is_signed_out = true;
        }
        loop {
            let reach = clients.nodes.any(&self.rng).context("no node")?;
            // As above.
            if self.sign_in(&reach, order.by).await? {
                return Ok(());
            }
        }
    }

    fn is_signed_out(&self, device: Device) -> bool {
        self.world
            .lock()
            .device(device)
            .is_none_or(|device| device.is_signed_out)
    }
}
