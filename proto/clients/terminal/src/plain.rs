//! Chat without a screen: lines in, lines out, for scripts and tests.
//!
//! Invariant: every line of the input is in the room, in order and once, when the program ends with
//! zero, whether or not anybody reads what is printed. What is printed is harmless on a terminal, unless
//! it is JSON, which says it all and escapes it.

mod show;

use std::collections::BTreeMap;

use rookery_client::v1::{Event, Room};
use rookery_client::{
    Client, Follow, Incoming, Item, Outgoing, Place as From, Session, SessionOptions,
};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
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
        progress: Progress::new(args.follow),
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
    Failed(Failure),
}

/// Sends the lines of the input one after the other.
fn input(session: Session, room: &str) -> (mpsc::Receiver<Line>, JoinSet<()>) {
    let (done, lines) = mpsc::channel(limits::MESSAGES_MAX);
    let room = room.to_owned();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut input = Input::new(tokio::io::stdin());
        while let Some(text) = input.next().await.transpose() {
            let line = match text {
                Ok(text) => send(&session, &Outgoing::new(&room, text)).await,
                Err(failure) => Line::Failed(failure),
            };
            let failed = matches!(line, Line::Failed(_));
            if done.send(line).await.is_err() || failed {
                return;
            }
        }
    });
    (lines, task)
}

async fn send(session: &Session, message: &Outgoing) -> Line {
    match session.send_message(message).await {
        Ok(sent) => Line::Sent {
            id: message.id().to_owned(),
            seq: sent.seq,
        },
        Err(error) => Line::Failed(error.into()),
    }
}

/// Lines that say something, counted.
struct Input<R> {
    lines: tokio::io::Lines<BufReader<R>>,
    number: u64,
}

impl<R: AsyncRead + Unpin> Input<R> {
    fn new(input: R) -> Self {
        let lines = BufReader::new(input).lines();
        Self { lines, number: 0 }
    }

    /// The next line; `None` at the end. One that cannot be read is a failure, not the end.
    async fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            self.number += 1;
            let line = self.lines.next_line().await;
            let line = line.map_err(|error| {
                Failure::Io(format!("line {} of the input: {error}", self.number))
            })?;
            if line.as_ref().is_none_or(|text| !text.trim().is_empty()) {
                return Ok(line);
            }
        }
    }
}

/// How far the program has come, and whether that is the end.
struct Progress {
    /// Whether to go on printing after the end of the input.
    follow: bool,
    /// Whether there is more to send.
    sending: bool,
    /// Whether anybody reads what is printed.
    heard: bool,
    live: bool,
    /// The newest event sent.
    sent: u64,
    /// The newest event seen.
    seen: u64,
}

impl Progress {
    const fn new(follow: bool) -> Self {
        Self {
            follow,
            sending: true,
            heard: true,
            live: false,
            sent: 0,
            seen: 0,
        }
    }

    /// The input has ended, and what it said has been seen to come. Without readers there is nothing
    /// to print, and nothing else to wait for.
    const fn is_over(&self) -> bool {
        let said = !self.sending && self.live && self.seen >= self.sent;
        said && !(self.follow && self.heard)
    }
}

struct Plain {
    client: Client,
    room: Room,
    show: Show,
    /// By `accounts/{account}`.
    names: BTreeMap<String, show::Person>,
    progress: Progress,
}

impl Plain {
    async fn talk(
        &mut self,
        mut incoming: Incoming,
        mut lines: mpsc::Receiver<Line>,
        args: &ChatArgs,
    ) -> Result<(), Failure> {
        while !self.progress.is_over() {
            tokio::select! {
                line = lines.recv(), if self.progress.sending => match line {
                    Some(Line::Sent { id, seq }) => {
                        self.progress.sent = seq;
                        self.progress.heard &= self.show.sent(&id, seq);
                    }
                    Some(Line::Failed(failure)) => return Err(failure),
                    None => self.progress.sending = false,
                },
                item = incoming.next() => match item {
                    Some(Item::Event(event)) => self.print(&event).await?,
                    Some(Item::Live { seq, .. }) => {
                        if !self.progress.live {
                            self.progress.live = true;
                            self.before(seq, args.history).await?;
                            self.progress.heard &= self.show.live(seq);
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
        Ok(())
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
        self.progress.seen = seq;
        Ok(())
    }

    /// Prints an event, as long as anybody reads.
    async fn print(&mut self, event: &Event) -> Result<(), Failure> {
        self.progress.seen = self.progress.seen.max(event.seq);
        if !self.progress.heard {
            return Ok(());
        }
        if !self.names.contains_key(&event.actor) {
            let account = self.client.account(&event.actor).await?;
            self.names
                .insert(event.actor.clone(), show::Person::of(&account));
        }
        self.progress.heard = self.show.event(event, &self.names[&event.actor]);
        Ok(())
    }
}

fn messages(events: &[Event]) -> usize {
    events
        .iter()
        .filter(|event| show::is_message(event))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_cannot_be_read_is_a_failure_that_names_it() {
        let mut input = Input::new(&b"one\n\n\xff\xfe\nfour\n"[..]);
        let first = input.next().await.expect("text");
        assert_eq!(first.as_deref(), Some("one"));
        let failure = input.next().await.expect_err("not UTF-8");
        assert_eq!(failure.number(), 74);
        assert!(failure.to_string().contains("line 3"), "{failure}");
    }

    #[tokio::test]
    async fn the_end_of_the_input_is_no_failure() {
        let mut input = Input::new(&b"one\n  \n"[..]);
        assert!(input.next().await.expect("text").is_some());
        assert!(input.next().await.expect("the end").is_none());
    }

    #[test]
    fn it_goes_on_until_all_is_sent_whether_or_not_anybody_reads() {
        let mut progress = Progress::new(false);
        (progress.live, progress.heard, progress.seen) = (true, false, 7);
        assert!(!progress.is_over(), "the input goes on");
        (progress.sending, progress.sent) = (false, 8);
        assert!(!progress.is_over(), "the last line has not come back");
        progress.seen = 8;
        assert!(progress.is_over());
    }

    #[test]
    fn to_follow_ends_when_nobody_reads_any_more() {
        let mut progress = Progress::new(true);
        (progress.live, progress.sending) = (true, false);
        assert!(!progress.is_over());
        progress.heard = false;
        assert!(progress.is_over());
    }
}
