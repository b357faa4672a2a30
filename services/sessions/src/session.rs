//! [`Session`]: what the parts of one session share, and how they wake each other.
//!
//! Invariant: a change of the outbox that gives the connection or the actor something to do wakes them,
//! because every change goes through [`Session::change`]; and the actor is bound before anybody can
//! find the session.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use cluster_runtime::{Inbox, PushError, Wake};
use cluster_types::{AccountId, Caller};
use parking_lot::{Mutex, MutexGuard};
use ractor::ActorRef;

use crate::command::Asked;
use crate::limits::INBOX;
use crate::outbox::{Next, Outbox, State, Wakes};
use crate::wire::frame::Frame;

/// Numbers the sessions of this process.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct SessionId(pub(crate) u64);

/// The actor's message: look what there is to do.
#[derive(Debug)]
pub(crate) struct Look;

/// One stream of one client.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) caller: Caller,
    outbox: Outbox,
    inbox: Inbox<Asked>,
    standing: Mutex<Standing>,
    input_over: AtomicBool,
    actor: OnceLock<ActorRef<Look>>,
}

/// Whether the session may be put into rooms. Its lock is held while that is done, so that what the
/// outbox and what the relay know of a room change together.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    pub(crate) ended: bool,
}

impl Session {
    pub(crate) fn new(id: SessionId, caller: Caller) -> Self {
        Self {
            id,
            caller,
            outbox: Outbox::new(caller.account),
            inbox: Inbox::new(INBOX),
            standing: Mutex::default(),
            input_over: AtomicBool::new(false),
            actor: OnceLock::new(),
        }
    }

    pub(crate) const fn account(&self) -> AccountId {
        self.caller.account
    }

    // --- The end ---

    pub(crate) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.standing().ended
    }

    /// Marks the end. `true` for the first to do so. What the client has asked and was not begun is
    /// forgotten: it has no answer, and is asked again.
    pub(crate) fn end(&self) -> bool {
        let is_first = !std::mem::replace(&mut self.standing().ended, true);
        drop(self.inbox.close());
        is_first
    }

    // --- The actor ---

    /// Binds the actor, before anybody else knows of the session.
    pub(crate) fn run_by(&self, actor: ActorRef<Look>) {
        // A second actor would be a defect; the first one stays.
        let _second = self.actor.set(actor);
    }

    pub(crate) fn actor(&self) -> Option<&ActorRef<Look>> {
        self.actor.get()
    }

    pub(crate) fn inbox(&self) -> &Inbox<Asked> {
        &self.inbox
    }

    /// Gives the actor what the client has asked.
    pub(crate) fn ask(&self, asked: Asked) -> Result<(), (PushError, Asked)> {
        let bytes = asked.bytes;
        if self.inbox.push(asked, bytes)? == Wake::Needed {
            self.look();
        }
        Ok(())
    }

    /// The client asks nothing more: the session ends when all is done and sent.
    pub(crate) fn finish(&self) {
        self.input_over.store(true, Ordering::Release);
        self.look();
    }

    pub(crate) fn input_is_over(&self) -> bool {
        self.input_over.load(Ordering::Acquire)
    }

    /// Wakes the actor.
    pub(crate) fn look(&self) {
        if let Some(actor) = self.actor.get() {
            // It fails only if the actor has ended, and the session with it.
            let _ended = actor.cast(Look);
        }
    }

    // --- The outbox ---

    /// Changes the outbox, and wakes who has something to do by it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (value, wakes) = self.outbox.change(change);
        self.wake(wakes);
        value
    }

    /// Something to be sent in any case.
    pub(crate) fn push(&self, frame: Frame) {
        self.change(|state| state.push(frame));
    }

    /// The connection asks whether more of what the client asks can be taken.
    pub(crate) fn takes_input(&self) -> bool {
        self.outbox.takes_input()
    }

    /// The connection asks for the next message.
    pub(crate) fn poll_next(&self, context: &Context<'_>) -> Poll<Next> {
        let (next, wakes) = self.outbox.poll_next(context);
        self.wake(wakes);
        next
    }

    fn wake(&self, wakes: Wakes) {
        // Outside of the outbox's lock: who wakes up wants it.
        if let Some(connection) = wakes.connection {
            connection.wake();
        }
        if wakes.actor {
            self.look();
        }
    }
}
