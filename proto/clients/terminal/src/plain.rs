//! Chat without a screen: lines in, lines out, for scripts and tests.
//!
//! Invariant: every line of the input is in the room, in order and once, when the program ends with
//! zero. What is printed is harmless on a terminal, unless it is JSON, which says it all and escapes it.

mod show;

use std::collections::BTreeMap;

use rookery_client::v1::{Event, Room};
use rookery_client::{
    Client, Follow, Incoming, Item, Outgoing, Place as From, Session, SessionOptions,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::args::ChatArgs;
use crate::connect::{Place, registered, signed_in};
use crate::exit::Failure;
use crate::time::Zone;
use crate::{limits, out};
use show::Show;

pub(crate) async fn run(args: ChatArgs) -> Result<(), Failure> {
    let place = Place::new(&args.server)?;
    let client = match &args.invitation {
        Some(invitation) => registered(&place, &args.user, invitation).await?,
        None => signed_in(&place, &args.user).await?,
    };
    let room = room(&client, &args).await?;
    let options = SessionOptions::new()
        .follow(Follow::from_head(&room.name))
        .command_deadline(limits::PLAIN_SEND_DEADLINE);
    let (session, incoming) = client.session(options).await?;
    let show = Show::new(args.json, Zone::system());
    let mut plain = Plain {
        client,
        room,
        show,
        names: BTreeMap::new(),
        shown: 0,
    };
    let (lines, mut sending) = input(session, &plain.room.name);
    let ended = plain.talk(incoming, lines, &args).await;
    sending.shutdown().await;
    ended
}

/// The room that the command line names.
async fn room(client: &Client, args: &ChatArgs) -> Result<Room, Failure> {
    if let Some(link) = &args.join {
        let joined = client.join_room(link).await?;
        if args.room.is_none() {
            return Ok(joined);
        }
    }
    let wanted = args.room.as_deref().unwrap_or_default();
    if let Some(user) = wanted.strip_prefix('@') {
        let peer = client.look_up_account(user).await?.name;
        return Ok(client.open_direct_room(&peer).await?);
    }
    if wanted.starts_with("rooms/") {
        return Ok(client.room(wanted).await?);
    }
    let rooms = client.all_rooms().await?;
    let mut named = rooms
        .into_iter()
        .filter(|room| room.display_name.to_lowercase() == wanted.to_lowercase());
    match (named.next(), named.next()) {
        (Some(room), None) => Ok(room),
        (Some(_), Some(_)) => Err(Failure::Usage(format!(
            "you are in several rooms called {wanted}: name one by its id (rooms/...)"
        ))),
        (None, _) if args.create => Ok(client.create_room(wanted, "").await?),
        (None, _) => Err(Failure::Usage(format!(
            "you are in no room called {wanted}: --create makes one"
        ))),
    }
}

/// What became of one line of the input.
enum Line {
    Sent { id: String, seq: u64 },
    Failed(rookery_client::Error),
}

/// Sends the lines of the input one after the other.
fn input(session: Session, room: &str) -> (mpsc::Receiver<Line>, JoinSet<()>) {
    let (done, lines) = mpsc::channel(limits::MESSAGES_MAX);
    let room = room.to_owned();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut input = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(text)) = input.next_line().await {
            if text.trim().is_empty() {
                continue;
            }
            let message = Outgoing::new(&room, text);
            let line = match session.send_message(&message).await {
                Ok(sent) => Line::Sent {
                    id: message.id().to_owned(),
                    seq: sent.seq,
                },
                Err(error) => Line::Failed(error),
            };
            let failed = matches!(line, Line::Failed(_));
            if done.send(line).await.is_err() || failed {
                return;
            }
        }
    });
    (lines, task)
}

struct Plain {
    client: Client,
    room: Room,
    show: Show,
    /// By `accounts/{account}`.
    names: BTreeMap<String, show::Person>,
    /// The newest event printed.
    shown: u64,
}

impl Plain {
    async fn talk(
        &mut self,
        mut incoming: Incoming,
        mut lines: mpsc::Receiver<Line>,
        args: &ChatArgs,
    ) -> Result<(), Failure> {
        let mut reading = true;
        let mut last_sent = 0;
        let mut live = false;
        loop {
            // The input has ended, and what it said has been seen to come.
            if !reading && live && self.shown >= last_sent && !args.follow {
                return Ok(());
            }
            tokio::select! {
                line = lines.recv(), if reading => match line {
                    Some(Line::Sent { id, seq }) => {
                        last_sent = seq;
                        if !self.show.sent(&id, seq) {
                            return Ok(());
                        }
                    }
                    Some(Line::Failed(error)) => return Err(error.into()),
                    None => reading = false,
                },
                item = incoming.next() => match item {
                    Some(Item::Event(event)) => {
                        if !self.print(&event).await? {
                            return Ok(());
                        }
                    }
                    Some(Item::Live { seq, .. }) => {
                        if !live {
                            live = true;
                            self.before(seq, args.history).await?;
                            self.show.live(seq);
                        }
                    }
                    Some(Item::RoomLost { room }) if room == self.room.name => {
                        return Err(Failure::SignIn("you are not in this room any more".to_owned()));
                    }
                    Some(Item::Reconnecting { attempt, wait, cause }) => {
                        let seconds = wait.as_secs_f32();
                        out::note(&format!("{cause}; attempt {attempt} in {seconds:.1} s"));
                    }
                    Some(Item::Reconnected) => out::note("connected again"),
                    Some(Item::SignedOut) => return Err(rookery_client::Error::SignedOut.into()),
                    Some(Item::Ended(error)) => return Err(error.into()),
                    None => return Err(rookery_client::Error::Ended.into()),
                    Some(
                        Item::Ready { .. }
                        | Item::Rebuilt { .. }
                        | Item::Gap { .. }
                        | Item::RoomCounter(_)
                        | Item::RoomGained { .. }
                        | Item::RoomLost { .. }
                        | Item::Typing(_)
                        | Item::Presence(_)
                        | Item::ReadMarker(_),
                    ) => {}
                },
            }
        }
    }

    /// Prints the newest `count` messages up to `seq`.
    async fn before(&mut self, seq: u64, count: usize) -> Result<(), Failure> {
        let mut events: Vec<Event> = Vec::new();
        let mut next = seq;
        while next > 0 && messages(&events) < count {
            let page = self
                .client
                .events(&self.room.name, From::Before(next), limits::PAGE_EVENTS)
                .await?;
            let Some(last) = page.events.last() else {
                break;
            };
            next = last.seq - 1;
            events.extend(page.events);
        }
        let mut left = count;
        events.retain(|event| {
            let keep = left > 0;
            left -= usize::from(keep && show::is_message(event));
            keep
        });
        for event in events.into_iter().rev() {
            self.print(&event).await?;
        }
        self.shown = seq;
        Ok(())
    }

    /// Prints an event. False if nobody reads any more.
    async fn print(&mut self, event: &Event) -> Result<bool, Failure> {
        self.shown = self.shown.max(event.seq);
        if !self.names.contains_key(&event.actor) {
            let account = self.client.account(&event.actor).await?;
            self.names
                .insert(event.actor.clone(), show::Person::of(&account));
        }
        Ok(self.show.event(event, &self.names[&event.actor]))
    }
}

fn messages(events: &[Event]) -> usize {
    events
        .iter()
        .filter(|event| show::is_message(event))
        .count()
}
