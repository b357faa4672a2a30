//! [`Sessions`], the handle: opens streams.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cluster_runtime::{Supervisor, TaskKind, Tasks};
use cluster_store::StoreError;
use cluster_types::Caller;
use futures::future::join;
use services_rooms::Rooms;

use crate::actor::SessionActor;
use crate::error::SessionError;
use crate::hub::{Hub, Inner};
use crate::nodes;
use crate::session::Session;

/// Whether a sign-in still stands: asked once more when a stream has been registered, since it may
/// have been ended between the check of its token and that moment.
#[async_trait]
pub trait SignIns: std::fmt::Debug + Send + Sync + 'static {
    /// Whether the caller's token is still good.
    ///
    /// # Errors
    /// If the store cannot say. Nobody is signed out by that.
    async fn is_current(&self, caller: &Caller) -> Result<bool, StoreError>;
}

/// How fast an account goes. What it asks on a stream counts as much as a call of its own.
pub trait Pace: std::fmt::Debug + Send + Sync + 'static {
    /// Counts something that weighs as much as `calls` calls.
    ///
    /// # Errors
    /// If the caller is too fast: when to come again. Nothing is counted then.
    fn take(&self, caller: &Caller, calls: u32) -> Result<(), Duration>;
}

/// What sessions need from others.
#[derive(Debug)]
pub struct Dependencies {
    /// Does what clients ask, and has the log.
    pub rooms: Rooms,
    /// Knows which sign-ins stand.
    pub sign_ins: Arc<dyn SignIns>,
    /// Knows how fast each account goes.
    pub pace: Arc<dyn Pace>,
    /// Runs what goes on in the background.
    pub tasks: Tasks,
    /// Most bytes of one frame from a client: as many as a call of its own may have, so that what is
    /// too long is answered by field on both ways.
    pub frame_bytes_max: usize,
}

/// All sessions of this node. Clones are the same handle.
#[derive(Clone, Debug)]
pub struct Sessions {
    with: Arc<Dependencies>,
    hub: Arc<Inner>,
    supervisor: Supervisor,
}

impl Sessions {
    /// Starts taking streams.
    ///
    /// # Errors
    /// Only if the runtime is going down.
    pub async fn start(hub: Hub, with: Dependencies) -> Result<Self, SessionError> {
        let inner = Arc::clone(&hub.0);
        let subscribe = nodes::subscribing::run(Arc::clone(&hub.0), with.rooms.clone());
        let subscribe = async move { join(subscribe, inner.doubt_rooms()).await };
        let stopping = with.tasks.stopping().clone();
        with.tasks
            .spawn(TaskKind::Relay, "sessions: subscribe", async move {
                let _cancelled = stopping.run_until_cancelled(subscribe).await;
            });
        let told = Arc::clone(&hub.0);
        let supervisor = Supervisor::start(move |actor, exit| told.actor_ended(actor, &exit)).await;
        Ok(Self {
            with: Arc::new(with),
            hub: hub.0,
            supervisor: supervisor.map_err(|_| SessionError::Unavailable)?,
        })
    }

    /// Opens a session on behalf of `caller`.
    pub(crate) async fn open(&self, caller: Caller) -> Result<Opened, SessionError> {
        let session = Arc::new(Session::new(self.hub.next_id(), caller));
        let actor = SessionActor {
            session: Arc::clone(&session),
            sessions: self.clone(),
        };
        let actor = self.supervisor.spawn(actor, ());
        session.run_by(actor.map_err(|_| SessionError::Unavailable)?);
        // From here on it ends with this value, also if nobody waits for it any more.
        let opened = Opened {
            session,
            hub: Arc::clone(&self.hub),
        };
        self.hub.register(&opened.session)?;
        if self.with.sign_ins.is_current(&caller).await? {
            Ok(opened)
        } else {
            Err(SessionError::SignedOut)
        }
    }

    pub(crate) fn rooms(&self) -> &Rooms {
        &self.with.rooms
    }

    pub(crate) fn pace(&self) -> Arc<dyn Pace> {
        Arc::clone(&self.with.pace)
    }

    pub(crate) fn frame_bytes_max(&self) -> usize {
        self.with.frame_bytes_max
    }

    pub(crate) fn hub(&self) -> &Inner {
        &self.hub
    }

    /// Ends all actors. Call [`Hub::drain`] first.
    pub async fn stop(&self) {
        self.supervisor.stop().await;
    }
}

/// A session with its connection: dropped with the one, it ends the other.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) session: Arc<Session>,
    pub(crate) hub: Arc<Inner>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.hub.forget(&self.session);
    }
}
