//! The chat screen: model, update and view, and the loop that runs them.
//!
//! Invariant: the model changes in `update` alone; what it does to the world goes through `perform`.

mod calls;
mod carry;
mod command;
mod composer;
mod form;
mod history;
mod left;
mod model;
mod paths;
mod people;
mod perform;
mod room;
mod scroll;
mod switch;
mod terminal;
mod transfers;
mod update;
mod view;

#[cfg(test)]
mod tests;

use crossterm::event::{Event, EventStream};
use rookery_client::{Incoming, Item};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_stream::StreamExt as _;

use crate::args::ChatArgs;
use crate::connect::{Place, given_token};
use crate::exit::Failure;
use crate::time::Zone;
use crate::{limits, out};
use model::{Effect, Model, Msg, Screen, Wish};
use perform::{Happened, Performer};
use terminal::Terminal;

/// Shows the screen until its user leaves.
pub(crate) async fn run(args: ChatArgs) -> Result<(), Failure> {
    let place = Place::new(&args.server)?;
    let token = given_token(&args.user)?;
    let wish = Wish {
        user: args.user.user.clone(),
        invitation: args.invitation,
        room: args.room,
    };
    let mut model = Model::new(place.name().to_owned(), Zone::system(), wish);
    let (happened, inbox) = mpsc::channel(limits::MESSAGES_MAX);
    let performer = Performer::new(place, args.user, token, happened);
    let mut terminal = Terminal::open()?;
    model.size = terminal.size()?;
    let mut play = Screenplay {
        model,
        performer,
        inbox,
        incoming: None,
        leave_by: None,
    };
    let ended = play.play(&mut terminal).await;
    drop(terminal);
    match (ended, play.model.unsent()) {
        (Ok(()), Some(unsent)) => Err(Failure::Unsent(unsent)),
        (Err(failure), Some(unsent)) => {
            out::note(&unsent);
            Err(failure)
        }
        (ended, None) => ended,
    }
}

/// Everything that the loop holds.
struct Screenplay {
    model: Model,
    performer: Performer,
    inbox: mpsc::Receiver<Happened>,
    incoming: Option<Incoming>,
    /// When to leave, whatever is not sent by then.
    leave_by: Option<Instant>,
}

impl Screenplay {
    async fn play(&mut self, terminal: &mut Terminal) -> Result<(), Failure> {
        let began = Instant::now();
        let mut input = EventStream::new();
        let mut ticks = interval(limits::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut ended = terminal::asked_to_end()?;
        self.performer.perform(Effect::Connect(None));
        loop {
            terminal.draw(&self.model)?;
            // Keys first: whatever comes in, the program answers to its user.
            let msg = tokio::select! {
                biased;
                () = &mut ended => return Ok(()),
                event = input.next() => match event {
                    Some(Ok(event)) => of_terminal(event),
                    Some(Err(error)) => return Err(Failure::Io(format!("the terminal: {error}"))),
                    None => return Ok(()),
                },
                happened = self.inbox.recv() => happened.and_then(|h| self.take(h)),
                item = next_item(&mut self.incoming) => Some(self.item(item)),
                _ = ticks.tick() => Some(Msg::Tick(began.elapsed())),
            };
            self.update(msg);
            self.catch_up();
            if self.is_over() {
                let last = std::mem::replace(&mut self.model.screen, Screen::Connecting(None));
                return match last {
                    Screen::Failed(error) => Err(error.into()),
                    other @ (Screen::Connecting(_)
                    | Screen::Trust(_)
                    | Screen::SignIn(_)
                    | Screen::Chat(_)) => {
                        self.model.screen = other;
                        Ok(())
                    }
                };
            }
        }
    }

    /// What is there already is taken in before the screen is drawn again.
    fn catch_up(&mut self) {
        for _ in 0..limits::MESSAGES_MAX {
            let item = self.incoming.as_mut().and_then(Incoming::try_next);
            let msg = match (item, self.inbox.try_recv()) {
                (None, Err(_)) => return,
                (Some(item), happened) => {
                    let msg = self.item(Some(item));
                    self.update(Some(msg));
                    happened.ok().and_then(|h| self.take(h))
                }
                (None, Ok(happened)) => self.take(happened),
            };
            self.update(msg);
        }
    }

    fn update(&mut self, msg: Option<Msg>) {
        let Some(msg) = msg else {
            return;
        };
        for effect in update::update(&mut self.model, msg) {
            if effect == Effect::Quit {
                let soon = Instant::now() + limits::LEAVE_WAITS;
                self.leave_by.get_or_insert(soon);
            } else {
                self.performer.perform(effect);
            }
        }
    }

    /// A session that came up goes to its place; the rest is for the model.
    fn take(&mut self, happened: Happened) -> Option<Msg> {
        match happened {
            Happened::Msg(msg) => Some(*msg),
            Happened::Client(client) => {
                self.performer.set_client(*client);
                None
            }
            Happened::Session(session, incoming) => {
                self.performer.set_session(session);
                self.incoming = Some(incoming);
                Some(Msg::Opened(Ok(())))
            }
        }
    }

    fn item(&mut self, item: Option<Item>) -> Msg {
        match item {
            Some(Item::SignedOut) => {
                self.incoming = None;
                self.performer.forget_session(true);
                Msg::Item(Item::SignedOut)
            }
            Some(item) => Msg::Item(item),
            None => {
                self.incoming = None;
                self.performer.forget_session(false);
                Msg::Item(Item::Ended(rookery_client::Error::Ended))
            }
        }
    }

    /// Whether to leave: at once if everything is sent, else in a moment.
    fn is_over(&self) -> bool {
        let Some(leave_by) = self.leave_by else {
            return false;
        };
        let Screen::Chat(chat) = &self.model.screen else {
            return true;
        };
        let waits = chat.unsent.iter().any(|unsent| unsent.failed.is_none());
        !waits || Instant::now() >= leave_by
    }
}

async fn next_item(incoming: &mut Option<Incoming>) -> Option<Item> {
    match incoming {
        Some(incoming) => incoming.next().await,
        None => std::future::pending().await,
    }
}

fn of_terminal(event: Event) -> Option<Msg> {
    Some(match event {
        Event::Key(key) => Msg::Key(key),
        Event::Paste(text) => Msg::Paste(text),
        Event::Resize(columns, rows) => Msg::Resize(columns, rows),
        Event::FocusGained => Msg::Focus(true),
        Event::FocusLost => Msg::Focus(false),
        Event::Mouse(_) => return None,
    })
}
