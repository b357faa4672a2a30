//! The actor of one session: carries out what its client asks, and reads on from the log where the
//! client has fallen behind.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use cluster_runtime::{Inbox, PushError, Wake};
use cluster_types::{AccountId, Caller, SignInId};
use prost::Message as _;
use proto::v1;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::commands::{self, Control};
use crate::directory::Sessions;
use crate::limits::{COMMANDS_AT_ONCE, INBOX};
use crate::outbox::{Outbox, Want};

/// Numbers the sessions of this process.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct SessionId(pub(crate) u64);

/// What all parts of a session share.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) account: AccountId,
    pub(crate) sign_in: SignInId,
    pub(crate) caller: Caller,
    pub(crate) outbox: Outbox,
    inbox: Inbox<v1::ClientFrame>,
    read_on: AtomicBool,
    ended: AtomicBool,
    actor: OnceLock<ActorRef<Look>>,
}

/// Look what there is to do.
#[derive(Debug)]
pub(crate) struct Look;

impl Session {
    pub(crate) fn new(id: SessionId, caller: Caller) -> Arc<Self> {
        Arc::new(Self {
            id,
            account: caller.account,
            sign_in: caller.sign_in,
            caller,
            outbox: Outbox::new(caller.account),
            inbox: Inbox::new(INBOX),
            read_on: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            actor: OnceLock::new(),
        })
    }

    /// Binds the actor. Once.
    pub(crate) fn run_by(&self, actor: ActorRef<Look>) {
        // A second actor would be a defect; the first one stays.
        let _second = self.actor.set(actor);
    }

    pub(crate) fn actor(&self) -> Option<&ActorRef<Look>> {
        self.actor.get()
    }

    /// Gives the actor a frame of the client's.
    pub(crate) fn command(
        &self,
        frame: v1::ClientFrame,
    ) -> Result<(), (PushError, v1::ClientFrame)> {
        let bytes = frame.encoded_len();
        if self.inbox.push(frame, bytes)? == Wake::Needed {
            self.look();
        }
        Ok(())
    }

    /// Has the actor read on, if that is what the outbox wants.
    pub(crate) fn answer(&self, want: Want) {
        if want == Want::ReadOn {
            self.read_on.store(true, Ordering::Release);
            self.look();
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Marks the end. `true` for the first to do so.
    pub(crate) fn end(&self) -> bool {
        self.inbox.close();
        !self.ended.swap(true, Ordering::AcqRel)
    }

    fn look(&self) {
        if let Some(actor) = self.actor.get() {
            // It fails only if the actor has ended, and the session with it.
            let _ended = actor.cast(Look);
        }
    }
}

/// Runs one session.
#[derive(Debug)]
pub(crate) struct SessionActor {
    pub(crate) session: Arc<Session>,
    pub(crate) sessions: Sessions,
}

impl Actor for SessionActor {
    type Msg = Look;
    type State = Control;
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<Look>,
        (): (),
    ) -> Result<Control, ActorProcessingErr> {
        Ok(Control::default())
    }

    async fn handle(
        &self,
        myself: ActorRef<Look>,
        _look: Look,
        control: &mut Control,
    ) -> Result<(), ActorProcessingErr> {
        let session = &self.session;
        if session.has_ended() {
            return Ok(());
        }
        if session.read_on.swap(false, Ordering::AcqRel) {
            commands::read_on(&self.sessions, session).await;
        }
        let mut count = 0;
        let mut taken = session.inbox.take(|_| {
            count += 1;
            count <= COMMANDS_AT_ONCE
        });
        if !taken.requests.is_empty() {
            let frames = std::mem::take(&mut taken.requests);
            // Boxed: an idle session must not keep room for the largest command.
            Box::pin(commands::execute(&self.sessions, session, control, frames)).await;
        }
        drop(taken);
        if session.inbox.sleep_if_empty() {
            Ok(())
        } else {
            Ok(myself.cast(Look)?)
        }
    }
}
