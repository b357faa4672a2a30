//! [`Hub`]: every session of this node, and the rooms that each hears of.
//!
//! Invariant: a session is in a topic of the relay exactly while its outbox is in the room, because both
//! change under the session's standing; one that has ended is in none, and is put into none. A session
//! counts until its connection is gone, so that what a client does not read is bounded too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cluster_runtime::{Exit, TaskKind, Tasks};
use cluster_types::{AccountId, RoomId, Seq, SignInId};
use ractor::ActorId;
use tokio::sync::Notify;

use crate::error::{Refusal, SessionError};
use crate::limits::{DRAIN_RETRY, FAULT_RETRY, PRESENCE_EVERY};
use crate::nodes::{Between, Nodes};
use crate::outbox::{End, Stay};
use crate::presence::Presence;
use crate::relay::Relay;
use crate::session::{Session, SessionId};
use crate::wire::frame::Frame;
use crate::wire::item::{self, Reason};

mod accounts;
mod other_nodes;
mod publisher;

use accounts::Accounts;

/// Delivers what rooms publish to the sessions of this node. Made before the rooms, which publish to
/// it, and before [`Sessions`](crate::Sessions), which needs both. Clones are the same hub.
#[derive(Clone, Debug)]
pub struct Hub(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) presence: Presence,
    pub(crate) between: Arc<Between>,
    relay: Relay,
    accounts: Accounts,
    next_id: AtomicU64,
    /// Word of memberships may have been lost.
    doubted: Notify,
}

impl Hub {
    /// A hub without sessions, whose relay has `shards` tasks: one for each core. It shares what happens with
    /// `nodes`.
    pub fn start(shards: usize, nodes: Arc<dyn Nodes>, tasks: &Tasks) -> Self {
        let between = Arc::new(Between::new(nodes));
        let hub = Self(Arc::new(Inner {
            presence: Presence::default(),
            relay: Relay::start(shards, Arc::clone(&between), tasks),
            between,
            accounts: Accounts::default(),
            next_id: AtomicU64::new(1),
            doubted: Notify::new(),
        }));
        let (inner, stopping) = (Arc::clone(&hub.0), tasks.stopping().clone());
        tasks.spawn(TaskKind::Housekeeping, "sessions: presence", async move {
            let pause = || tokio::time::sleep(PRESENCE_EVERY);
            while stopping.run_until_cancelled(pause()).await.is_some() {
                let news = inner.presence.step();
                inner
                    .between
                    .presence(&news, || inner.presence.everybody_here());
            }
        });
        hub
    }

    /// Ends all streams of one sign-in, at once.
    pub fn sign_in_ended(&self, account: AccountId, sign_in: SignInId) {
        let last = item::farewell(Reason::SignedOut, Duration::ZERO);
        let sessions = self.0.accounts.sessions_of(account);
        for session in sessions.iter().filter(|s| s.caller.sign_in == sign_in) {
            self.0.close(session, Close::AtOnce(last.clone()));
        }
    }

    /// Ends all streams at once: which sign-ins have ended is not known. Clients come back.
    pub fn any_sign_in_may_have_ended(&self) {
        let last = item::farewell(Reason::Fault, FAULT_RETRY);
        for session in self.0.accounts.all() {
            self.0.close(&session, Close::AtOnce(last.clone()));
        }
    }

    /// Takes no more streams, and asks all clients to come back, elsewhere or later. Those that have
    /// unsent items get them first.
    pub fn drain(&self) {
        let last = item::farewell(Reason::Draining, DRAIN_RETRY);
        for session in self.0.accounts.drain() {
            self.0.close(&session, Close::After(last.clone()));
        }
    }

    /// As [`Hub::drain`], and goes on to take streams: a client that finds nobody else is better off here.
    pub fn send_away(&self) {
        let last = item::farewell(Reason::Draining, DRAIN_RETRY);
        for session in self.0.accounts.all() {
            self.0.close(&session, Close::After(last.clone()));
        }
    }

    /// Streams that are open now, those included whose last items are on their way.
    pub fn count(&self) -> u64 {
        self.0.accounts.count()
    }
}

/// How a stream ends.
#[derive(Debug)]
pub(crate) enum Close {
    /// What waits is forgotten; this is the last thing that the client hears.
    AtOnce(Frame),
    /// After all that waits, with this.
    After(Frame),
    /// After all that waits.
    Finished,
    /// What waits is forgotten: nobody listens any more.
    Abandoned,
    /// What waits is forgotten; the stream ends with an error.
    Failed(Refusal),
}

impl Inner {
    pub(crate) fn next_id(&self) -> SessionId {
        SessionId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// From here on, a session hears of a room. Returns which stay in the room that is, unless the
    /// session has ended.
    pub(crate) fn enter(&self, room: RoomId, session: &Arc<Session>) -> Option<Stay> {
        let standing = session.standing();
        if standing.ended {
            return None;
        }
        // In this order: what the outbox has the actor read is read after the room is watched.
        self.relay.watch(room, session);
        Some(session.change(|state| state.enter(room)))
    }

    /// An account has become a member of a room, by this event if that is known.
    pub(crate) fn gain(&self, room: RoomId, session: &Arc<Session>, seq: Seq) {
        let standing = session.standing();
        if !standing.ended {
            self.relay.watch(room, session);
            session.change(|state| state.gain(room, seq));
        }
    }

    /// From here on, a session hears nothing of a room. With a `stay`: unless it has left it and come
    /// back since.
    pub(crate) fn leave(&self, room: RoomId, session: &Session, stay: Option<Stay>) {
        let standing = session.standing();
        let has_left = session.change(|state| state.leave(room, stay));
        if has_left {
            self.relay.unwatch(room, session.id);
        }
        drop(standing);
        if has_left {
            self.presence.doubt_by(session.id);
        }
    }

    /// Ends a stream, once; its connection finds out by its outbox. One that is to end after what waits
    /// can be cut short.
    pub(crate) fn close(&self, session: &Session, how: Close) {
        let cuts_short = matches!(how, Close::AtOnce(_) | Close::Abandoned);
        let is_first = session.end();
        if !is_first && !cuts_short {
            return;
        }
        let (end, last, at_once) = match how {
            Close::AtOnce(last) => (End::Finished, Some(last), true),
            Close::After(last) => (End::Finished, Some(last), false),
            Close::Finished => (End::Finished, None, false),
            Close::Abandoned => (End::Finished, None, true),
            Close::Failed(refusal) => (End::Failed(refusal), None, true),
        };
        for room in session.change(|state| state.close(end, last, at_once)) {
            self.relay.unwatch(room, session.id);
        }
        if !is_first {
            return;
        }
        self.presence.end(session);
        if let Some(actor) = session.actor() {
            actor.stop(None);
        }
    }

    /// Counts a session, and makes it known.
    pub(crate) fn register(&self, session: &Arc<Session>) -> Result<(), SessionError> {
        self.accounts.register(session)
    }

    /// The connection of a session is gone.
    pub(crate) fn forget(&self, session: &Session) {
        self.close(session, Close::Abandoned);
        self.accounts.forget(session);
    }

    /// An actor has failed: its stream ends, and the client comes back to a new one.
    pub(crate) fn actor_ended(&self, actor: ActorId, exit: &Exit) {
        let Exit::Failed(error) = exit else { return };
        let is_its = |s: &Session| s.actor().is_some_and(|of| of.get_id() == actor);
        if let Some(session) = self.accounts.find(is_its) {
            tracing::error!(session = session.id.0, error, "a session failed");
            // Why it ends already is what its client has to hear.
            if !session.has_ended() {
                let last = item::farewell(Reason::Fault, FAULT_RETRY);
                self.close(&session, Close::AtOnce(last));
            }
        }
    }
}
