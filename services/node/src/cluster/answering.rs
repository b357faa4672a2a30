//! [`Answering`]: what other nodes ask and tell, on its way to the services.
//!
//! Invariant: what is asked is begun in the order in which it was asked, so that two messages of one client to one
//! room get their turns there in theirs; what cannot be done at once goes on as a task of its own. What nobody waits
//! for any more is not begun.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use cluster_membership::Membership;
use cluster_rpc::link::{Answer, Handler};
use cluster_runtime::{TaskKind, Tasks};
use cluster_types::NodeId;
use proto::cluster::v1::RoomCommand;
use proto::cluster::v1::asked::Asked;
use services_accounts::Accounts;
use services_rooms::wire::nodes;
use services_rooms::{CommandError, Rooms};
use services_sessions::Hub;

use super::wire;
use crate::Load;

/// Hears what other nodes say.
#[derive(Debug)]
pub(crate) struct Answering {
    pub(crate) accounts: Accounts,
    pub(crate) rooms: Rooms,
    pub(crate) hub: Hub,
    pub(crate) membership: Membership,
    pub(crate) tasks: Tasks,
}

impl Handler for Answering {
    fn linked(&self, peer: NodeId) {
        self.hub.linked(peer);
    }

    fn unlinked(&self, peer: NodeId) {
        self.hub.unlinked(peer);
    }

    fn told(&self, peer: NodeId, body: Bytes) {
        self.hub.told(peer, body);
    }

    fn asked(&self, peer: NodeId, body: Bytes, answer: Answer) {
        if answer.is_abandoned() {
            return;
        }
        // Of a later release, if it does not read: whoever asked hears that there is no answer.
        match wire::read(body) {
            Some(Asked::Command(command)) => self.begin(self.command(command, answer)),
            Some(Asked::Subscribe(rooms)) => {
                let subscribed = self.hub.subscribe(peer, &rooms);
                answer.send(wire::answer_subscribed(&subscribed));
            }
            Some(Asked::Handed(handed)) => {
                self.membership.hear(&wire::read_handed(&handed));
                answer.send(wire::looked());
            }
            Some(Asked::LookAtSignIns(_)) => {
                let accounts = self.accounts.clone();
                self.begin(async move {
                    accounts.look().await;
                    answer.send(wire::looked());
                });
            }
            Some(Asked::LookAtLoad(_)) => {
                let (hub, rooms) = (self.hub.clone(), self.rooms.clone());
                // It looks at each room, and the link has to be read meanwhile.
                let say = async move { answer.send(wire::answer_load(&Load::of(&hub, &rooms))) };
                self.tasks.spawn(TaskKind::Link, "node: load", say);
            }
            None => {}
        }
    }
}

impl Answering {
    /// Does as much of it as can be done at once, and has a task do the rest.
    fn begin(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut work = Box::pin(work);
        // The task asks again at once, and is the one to be woken.
        let mut begin = Context::from_waker(Waker::noop());
        // A defect in one command must not end the link for all.
        let begun = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut begin)));
        match begun {
            Ok(Poll::Ready(())) => {}
            Ok(Poll::Pending) => _ = self.tasks.spawn(TaskKind::Link, "node: asked", work),
            Err(_panic) => tracing::error!("what another node asked has panicked"),
        }
    }

    fn command(
        &self,
        command: RoomCommand,
        answer: Answer,
    ) -> impl Future<Output = ()> + Send + use<> {
        let rooms = self.rooms.clone();
        async move {
            let outcome = match nodes::read_command(command) {
                Some((room, command)) => rooms.command_here(room, command).await,
                // Of a later release. Nothing happened.
                None => Err(CommandError::Unavailable),
            };
            answer.send(wire::answer(&outcome));
        }
    }
}
