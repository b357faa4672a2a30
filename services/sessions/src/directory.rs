//! [`Sessions`], the handle; and the hub behind it, which knows every session of this node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cluster_rpc::name;
use cluster_runtime::{Exit, Supervisor, TaskKind, Tasks};
use cluster_types::{AccountId, Caller, Coded, ErrorCode, RoomId, SignInId};
use parking_lot::Mutex;
use proto::v1;
use proto::v1::farewell::Reason;
use proto::v1::server_item::Item;
use ractor::ActorId;
use services_rooms::{Published, Publisher, ReadMark, Rooms, Standing, wire};
use tonic::Status;

use crate::actor::{Session, SessionActor, SessionId};
use crate::items::Frame;
use crate::limits::{
    DRAIN_RETRY, FAULT_RETRY, OFFLINE_SWEEP_EVERY, SESSIONS_MAX, SESSIONS_PER_ACCOUNT_MAX,
};
use crate::outbox::{Delivery, Note};
use crate::presence::Presence;
use crate::relay::Relay;

/// Whether a sign-in still stands: asked once more when a stream has been registered, since it may
/// have been ended between the check of its token and that moment.
#[async_trait]
pub trait SignIns: std::fmt::Debug + Send + Sync + 'static {
    /// Whether the caller's token is still good.
    async fn is_current(&self, caller: &Caller) -> bool;
}

/// Why a stream was not opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SessionError {
    /// The node is going down, or has all the streams it can have.
    #[error("this node takes no more streams: connect again, elsewhere if there is more than one")]
    Unavailable,
    /// The account has too many streams.
    #[error("this account has {SESSIONS_PER_ACCOUNT_MAX} streams open, which is the limit")]
    TooMany,
    /// The sign-in has been ended.
    #[error("this sign-in has been ended")]
    SignedOut,
}

impl Coded for SessionError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable => ErrorCode::NotHere,
            Self::TooMany => ErrorCode::Exhausted,
            Self::SignedOut => ErrorCode::Unauthenticated,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unavailable => "NODE_UNAVAILABLE",
            Self::TooMany => "TOO_MANY_STREAMS",
            Self::SignedOut => "SIGNED_OUT",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        (*self != Self::SignedOut).then_some(DRAIN_RETRY)
    }
}

/// What sessions need from others.
#[derive(Debug)]
pub struct Dependencies {
    /// Does what clients ask, and has the log.
    pub rooms: Rooms,
    /// Knows which sign-ins stand.
    pub sign_ins: Arc<dyn SignIns>,
}

/// Delivers what rooms publish to the sessions of this node. Made before the rooms, which publish to
/// it, and before [`Sessions`], which needs both. Clones are the same hub.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) presence: Presence,
    relay: Relay,
    accounts: Mutex<BTreeMap<AccountId, BTreeMap<SessionId, Arc<Session>>>>,
    count: AtomicU64,
    next_id: AtomicU64,
    draining: AtomicBool,
}

impl Hub {
    /// A hub without sessions, whose relay has `shards` tasks: one for each core.
    pub fn start(shards: usize, tasks: &Tasks) -> Self {
        let hub = Self(Arc::new(Inner {
            presence: Presence::default(),
            relay: Relay::start(shards, tasks),
            accounts: Mutex::default(),
            count: AtomicU64::new(0),
            next_id: AtomicU64::new(1),
            draining: AtomicBool::new(false),
        }));
        let (swept, stopping) = (hub.clone(), tasks.stopping().clone());
        tasks.spawn(TaskKind::Housekeeping, "sessions: offline", async move {
            let pause = || tokio::time::sleep(OFFLINE_SWEEP_EVERY);
            while stopping.run_until_cancelled(pause()).await.is_some() {
                swept.0.presence.sweep();
            }
        });
        hub
    }

    /// Ends all streams of one sign-in, at once.
    pub fn sign_in_ended(&self, account: AccountId, sign_in: SignInId) {
        let sessions = self.0.sessions_of(account);
        for session in sessions.iter().filter(|session| session.sign_in == sign_in) {
            self.0
                .say_farewell(session, Reason::SignedOut, Duration::ZERO, true);
        }
    }

    /// Takes no more streams, and asks all clients to come back, elsewhere or later. Those that have
    /// unsent items get them first.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
        let all: Vec<_> = {
            let accounts = self.0.accounts.lock();
            accounts
                .values()
                .flat_map(BTreeMap::values)
                .cloned()
                .collect()
        };
        for session in all {
            self.0
                .say_farewell(&session, Reason::Draining, DRAIN_RETRY, false);
        }
    }

    /// Streams that are open now.
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }
}

impl Inner {
    /// From here on, a session hears of a room.
    pub(crate) fn enter(&self, room: RoomId, session: &Arc<Session>) {
        session.outbox.with(|state| state.enter(room));
        self.relay.watch(room, session);
    }

    /// From here on, a session hears nothing of a room.
    pub(crate) fn leave(&self, room: RoomId, session: &Session) {
        self.relay.unwatch(room, session.id);
        session.outbox.with(|state| state.leave(room));
    }

    /// Ends a stream because of what its client did.
    pub(crate) fn fail(&self, session: &Session, status: impl Into<Status>) {
        self.close(session, |outbox| outbox.fail(status.into()));
    }

    fn say_farewell(
        &self,
        session: &Session,
        reason: Reason,
        retry_after: Duration,
        at_once: bool,
    ) {
        let retry_after_ms = u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX);
        let item = Item::Farewell(v1::Farewell {
            reason: reason.into(),
            retry_after_ms,
        });
        let last = Frame::of(item);
        self.close(session, |outbox| {
            outbox.with(|state| state.close(Some(last), at_once))
        });
    }

    /// Ends a stream, once; its connection finds out by its outbox.
    pub(crate) fn close(&self, session: &Session, close: impl FnOnce(&crate::outbox::Outbox)) {
        if !session.end() {
            return;
        }
        // `end` comes first: from here on nobody puts it back into a room.
        let rooms: Vec<_> = session.outbox.with(|state| state.rooms().collect());
        for room in rooms {
            self.relay.unwatch(room, session.id);
        }
        self.presence.end(session);
        self.forget(session);
        close(&session.outbox);
        if let Some(actor) = session.actor() {
            actor.stop(None);
        }
    }

    fn register(&self, session: &Arc<Session>) -> Result<(), SessionError> {
        if self.draining.load(Ordering::Acquire) {
            return Err(SessionError::Unavailable);
        }
        let mut accounts = self.accounts.lock();
        let sessions = accounts.entry(session.account).or_default();
        let count = self.count.load(Ordering::Relaxed);
        let refused = if count >= SESSIONS_MAX as u64 {
            Some(SessionError::Unavailable)
        } else if sessions.len() >= SESSIONS_PER_ACCOUNT_MAX {
            Some(SessionError::TooMany)
        } else {
            sessions.insert(session.id, Arc::clone(session));
            self.count.fetch_add(1, Ordering::Relaxed);
            None
        };
        if sessions.is_empty() {
            accounts.remove(&session.account);
        }
        refused.map_or(Ok(()), Err)
    }

    fn forget(&self, session: &Session) {
        let mut accounts = self.accounts.lock();
        let Some(sessions) = accounts.get_mut(&session.account) else {
            return;
        };
        if sessions.remove(&session.id).is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        if sessions.is_empty() {
            accounts.remove(&session.account);
        }
    }

    fn sessions_of(&self, account: AccountId) -> Vec<Arc<Session>> {
        let accounts = self.accounts.lock();
        accounts
            .get(&account)
            .into_iter()
            .flat_map(BTreeMap::values)
            .cloned()
            .collect()
    }

    /// An actor has failed: its stream ends, and the client comes back to a new one.
    fn actor_ended(&self, actor: ActorId, exit: &Exit) {
        let Exit::Failed(error) = exit else { return };
        let accounts = self.accounts.lock();
        let mut all = accounts.values().flat_map(BTreeMap::values);
        let is_its = |s: &&Arc<Session>| s.actor().is_some_and(|of| of.get_id() == actor);
        let found = all.find(is_its).cloned();
        drop(accounts);
        if let Some(session) = found {
            tracing::error!(session = session.id.0, error, "a session failed");
            self.say_farewell(&session, Reason::Fault, FAULT_RETRY, true);
        }
    }
}

impl Publisher for Hub {
    fn event(&self, published: Published) {
        let Published {
            room,
            seq,
            message_count,
            actor,
            priority,
            standing,
            frame,
        } = published;
        match standing {
            Some(Standing::Gained(account)) => self.gained(room, account),
            Some(Standing::Lost(account)) => {
                for session in self.0.sessions_of(account) {
                    self.0.leave(room, &session);
                }
            }
            None => {}
        }
        self.0.relay.deliver(&Delivery {
            room,
            seq,
            message_count,
            actor,
            priority: priority.map(wire::wire_priority),
            frame: Frame::of_encoded(&frame),
        });
    }

    fn gained(&self, room: RoomId, account: AccountId) {
        for session in self.0.sessions_of(account) {
            if !session.outbox.with(|state| state.is_in(room)) {
                self.0.enter(room, &session);
                session.outbox.push(Item::RoomGained(v1::RoomGained {
                    room: name::of_room(room),
                }));
            }
        }
    }

    fn deleted(&self, room: RoomId) {
        for session in self.0.relay.close(room) {
            session.outbox.with(|state| state.leave(room));
        }
    }

    fn read(&self, room: RoomId, account: AccountId, mark: ReadMark) {
        for session in self.0.sessions_of(account) {
            session
                .outbox
                .with(|state| state.read(room, mark.message_count));
        }
        self.0.relay.read(
            Note::Read {
                room,
                account,
                seq: mark.seq,
            },
            room,
            account,
        );
    }

    fn typing(&self, room: RoomId, account: AccountId) {
        self.0.relay.typing(room, account);
    }
}

/// All sessions of this node. Clones are the same handle.
#[derive(Clone, Debug)]
pub struct Sessions {
    pub(crate) rooms: Rooms,
    pub(crate) hub: Arc<Inner>,
    sign_ins: Arc<dyn SignIns>,
    supervisor: Supervisor,
}

impl Sessions {
    /// Starts taking streams.
    ///
    /// # Errors
    /// Only if the runtime is going down.
    pub async fn start(hub: Hub, with: Dependencies) -> Result<Self, SessionError> {
        let told = Arc::clone(&hub.0);
        let supervisor = Supervisor::start(move |actor, exit| told.actor_ended(actor, &exit)).await;
        Ok(Self {
            rooms: with.rooms,
            hub: hub.0,
            sign_ins: with.sign_ins,
            supervisor: supervisor.map_err(|_| SessionError::Unavailable)?,
        })
    }

    /// Opens a session on behalf of `caller`.
    pub(crate) async fn open(&self, caller: Caller) -> Result<Arc<Session>, SessionError> {
        let id = SessionId(self.hub.next_id.fetch_add(1, Ordering::Relaxed));
        let session = Session::new(id, caller);
        self.hub.register(&session)?;
        let actor = SessionActor {
            session: Arc::clone(&session),
            sessions: self.clone(),
        };
        match self.supervisor.spawn(actor, ()) {
            Ok(actor) => session.run_by(actor),
            Err(_) => {
                self.abandon(&session);
                return Err(SessionError::Unavailable);
            }
        }
        if !self.sign_ins.is_current(&caller).await {
            self.abandon(&session);
            return Err(SessionError::SignedOut);
        }
        Ok(session)
    }

    /// The connection of a session is gone.
    pub(crate) fn abandon(&self, session: &Session) {
        self.hub.close(session, |outbox| {
            outbox.with(|state| state.close(None, true))
        });
    }

    /// Ends all actors. Call [`Hub::drain`] first.
    pub async fn stop(&self) {
        self.supervisor.stop().await;
    }
}
