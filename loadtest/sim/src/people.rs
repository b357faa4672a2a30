//! What a person does in one life of the node: one thing after the other, with pauses, several under way
//! at a time, on whatever device is at hand.
//!
//! Leaves out: what any of it has to lead to. People ask for things that they may not do, of rooms that
//! they are not in, and forget halfway; the checker knows what an answer has to be.

use std::sync::Arc;

use cluster_types::Rng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use crate::calls::{Order, Wire};
use crate::clients::{Clients, think};
use crate::history::Ask;
use crate::limits::NAP;
use crate::names::{Device, Person, Room};
use crate::plan::{Deed, percent};

mod messages;
mod rooms;
mod streams;

pub(crate) use messages::{new_id, page};
pub(crate) use rooms::all_rooms;

/// Somebody, in one life of the node.
pub(crate) struct Somebody {
    pub(crate) clients: Clients,
    pub(crate) me: Person,
    pub(crate) rng: Rng,
    hands: Arc<Semaphore>,
}

impl Somebody {
    pub(crate) fn new(clients: Clients, me: Person, rng: Rng) -> Self {
        let hands = usize::try_from(clients.plan.under_way).unwrap_or(1);
        Self {
            clients,
            me,
            rng,
            hands: Arc::new(Semaphore::new(hands)),
        }
    }

    /// Lives until enough has been done.
    pub(crate) async fn live(self) {
        self.take_up_again().await;
        while !self.clients.enough.is_cancelled() {
            let deed = self.clients.plan.deed(&self.rng);
            // Whoever has signed out everywhere is out.
            let Some(device) = self.a_device() else {
                return;
            };
            self.perform(deed, device).await;
            self.rest(think(&self.clients.plan, &self.rng)).await;
        }
    }

    /// What was under way when the node died is asked again, most of it.
    async fn take_up_again(&self) {
        let unresolved = self.clients.world.lock().unresolved.clone();
        let own = unresolved.into_values().filter(|order| order.by == self.me);
        for order in own.filter(|order| order.wire.is_repeatable()) {
            if percent(&self.rng, 80) {
                self.ask(order).await;
            }
        }
    }

    async fn perform(&self, deed: Deed, device: Device) {
        match deed {
            Deed::Send
            | Deed::SendBurst
            | Deed::SendFlood
            | Deed::SendFiles
            | Deed::SendAgainOtherwise
            | Deed::Edit
            | Deed::EditOfAnother
            | Deed::Delete
            | Deed::MarkRead
            | Deed::Typing
            | Deed::ReadPage
            | Deed::ListReaders => self.say(deed, device).await,
            Deed::CreateRoom
            | Deed::OpenDirect
            | Deed::ViewRoom
            | Deed::ListRooms
            | Deed::ListMembers
            | Deed::ListBans
            | Deed::Rename
            | Deed::Archive
            | Deed::Unarchive
            | Deed::DeleteRoom
            | Deed::Add
            | Deed::Remove
            | Deed::RemoveAndAdd
            | Deed::Leave
            | Deed::SetRole
            | Deed::Mute
            | Deed::Unmute
            | Deed::Ban
            | Deed::Unban
            | Deed::MakeLink
            | Deed::VoidLink
            | Deed::Join => self.keep_house(deed, device).await,
            Deed::Connect
            | Deed::ConnectWithoutHello
            | Deed::Disconnect
            | Deed::HalfClose
            | Deed::Pause
            | Deed::ReadOn
            | Deed::Follow
            | Deed::Unfollow
            | Deed::WatchPresence => self.stream(deed, device).await,
            Deed::SignOut => {
                self.begin(device, Ask::SignOut, Wire::SignOut(Default::default()))
                    .await
            }
            Deed::Nap => self.rest(NAP).await,
        }
    }

    /// Waits, unless it is enough.
    async fn rest(&self, span: std::time::Duration) {
        let _enough = self.clients.enough.run_until_cancelled(sleep(span)).await;
    }

    // --- Asking ---

    /// Has something carried out in the background, as soon as a hand is free.
    async fn begin(&self, device: Device, ask: Ask, wire: Wire) {
        let order = self.clients.order(self.me, device, ask, wire);
        self.ask(order).await;
    }

    async fn ask(&self, order: Order) {
        if let Some(permit) = self.a_hand().await {
            self.clients.spawn(order, &self.rng, permit);
        }
    }

    async fn a_hand(&self) -> Option<OwnedSemaphorePermit> {
        let hand = Arc::clone(&self.hands).acquire_owned();
        self.clients.enough.run_until_cancelled(hand).await?.ok()
    }

    // --- Choosing ---

    fn a_device(&self) -> Option<Device> {
        let devices = self.clients.world.lock().devices_of(self.me);
        self.one_of(&devices).copied()
    }

    /// A room, seldom one in which nobody expects this person.
    fn a_room(&self) -> Option<Room> {
        let state = self.clients.world.lock();
        let anywhere = percent(&self.rng, 8);
        let rooms = state.rooms.iter();
        let rooms =
            rooms.filter(|(_, room)| anywhere || room.members.contains(&self.me) && !room.is_gone);
        let rooms: Vec<_> = rooms.map(|(room, _)| *room).collect();
        self.one_of(&rooms).copied()
    }

    /// A room that has members and roles.
    fn a_group(&self) -> Option<Room> {
        let room = self.a_room()?;
        let is_direct = self.clients.world.lock().rooms.get(&room)?.is_direct;
        // Once in a while it is asked of a direct conversation, which refuses.
        (!is_direct || percent(&self.rng, 10)).then_some(room)
    }

    fn anybody(&self) -> Person {
        let people = self.clients.world.lock().people.len() as u64;
        Person(u32::try_from(self.rng.below(people)).unwrap_or_default())
    }

    fn one_of<'a, T>(&self, all: &'a [T]) -> Option<&'a T> {
        let at = self.rng.below(all.len() as u64);
        all.get(usize::try_from(at).ok()?)
    }

    fn name(&self, room: Room) -> String {
        let state = self.clients.world.lock();
        state
            .rooms
            .get(&room)
            .map(|room| room.name.clone())
            .unwrap_or_default()
    }

    fn account(&self, person: Person) -> String {
        let account = self.clients.world.lock().account(person);
        account
            .map(cluster_rpc::name::of_account)
            .unwrap_or_default()
    }
}
