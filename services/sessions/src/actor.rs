//! The actor of one session: carries out what its client asks, and reads from the store what its
//! outbox is missing.
//!
//! It does a little of each in turn: one page of a log, then some commands; so neither waits for the
//! other for longer than that takes. Its mailbox carries wake-ups alone.
//!
//! Invariant: it sleeps only when the next command and the next thing to read will wake it.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use crate::error::Refusal;
use crate::handle::Sessions;
use crate::hub::Close;
use crate::limits::{COMMANDS_AT_ONCE, READ_RETRY};
use crate::session::{Look, Session};

mod commands;
mod greeting;
mod reading;

/// Runs one session.
#[derive(Debug)]
pub(crate) struct SessionActor {
    pub(crate) session: Arc<Session>,
    pub(crate) sessions: Sessions,
}

/// What an actor remembers of its client.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// The client has said hello.
    greeted: bool,
    /// The store could not be read: not before this time again.
    read_again: Option<Instant>,
}

/// Whether there is more to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reading {
    Done,
    More,
    /// Not now: the store does not answer.
    Later,
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
        if self.session.has_ended() {
            return Ok(());
        }
        if self.session.change(|state| state.is_overfull()) {
            self.fail(Refusal::FellBehind);
            return Ok(());
        }
        // Boxed: an idle session must not keep room for what it does now and then.
        let reading = Box::pin(self.read(&myself, control)).await;
        Box::pin(self.obey(control)).await;
        if reading == Reading::More || !self.session.inbox().sleep_if_empty() {
            return Ok(myself.cast(Look)?);
        }
        let has_everything = || self.session.change(|state| state.has_everything());
        if self.session.input_is_over() && has_everything() {
            self.sessions.hub().close(&self.session, Close::Finished);
        }
        Ok(())
    }
}

impl SessionActor {
    /// Reads something, unless the store is to be left alone for a while.
    async fn read(&self, myself: &ActorRef<Look>, control: &mut Control) -> Reading {
        if control.read_again.is_some_and(|at| Instant::now() < at) {
            return Reading::Later;
        }
        let mut reading = self.check_rooms().await;
        if reading == Reading::Done {
            reading = self.read_next().await;
        }
        if reading == Reading::Done {
            reading = self.check_watched().await;
        }
        control.read_again = None;
        if reading == Reading::Later {
            control.read_again = Some(Instant::now() + READ_RETRY);
            // It looks at nothing if the session has ended by then.
            drop(myself.send_after(READ_RETRY, || Look));
        }
        reading
    }

    /// Carries out some of what the client has asked.
    async fn obey(&self, control: &mut Control) {
        let mut count = 0;
        let mut taken = self.session.inbox().take(|_| {
            count += 1;
            count <= COMMANDS_AT_ONCE
        });
        let asked = std::mem::take(&mut taken.requests);
        self.execute(control, asked).await;
        // What was asked counts against the inbox up to here.
        drop(taken);
    }
}
