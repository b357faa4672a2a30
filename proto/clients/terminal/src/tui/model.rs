//! All that the screen shows, as one value.
//!
//! Invariant: pure data. `update` changes it, `view` shows it, and neither does I/O; what has to be
//! done outside comes out of `update` as [`Effect`]s and comes back as [`Msg`]s.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::KeyEvent;
use prost_types::Timestamp;
use rookery_client::v1::member::Role;
use rookery_client::v1::{Account, EditMessageRequest, Event, Member, Room, SendMessageResponse};
use rookery_client::{Error, Fingerprint, Item, Outgoing, Progress};

use super::form::SignInForm;
use super::people::People;
use super::room::RoomState;
use super::transfers::{Errand, Transfers};
use crate::time::Zone;

/// The whole screen.
#[derive(Debug)]
pub(crate) struct Model {
    /// `host:port`, for people.
    pub(crate) server: String,
    pub(crate) zone: Zone,
    /// Columns and rows.
    pub(crate) size: (u16, u16),
    /// Since the start, by a clock that only goes forward.
    pub(crate) now: Duration,
    /// Whether somebody looks.
    pub(crate) focused: bool,
    pub(crate) screen: Screen,
    /// The chat of the sign-in that ended: what was written in it waits for its writer.
    pub(crate) left: Option<Box<Chat>>,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) notice: Option<Notice>,
    /// What the command line asked for.
    pub(crate) wish: Wish,
}

/// What the command line asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) user: Option<String>,
    pub(crate) invitation: Option<String>,
    pub(crate) room: Option<String>,
}

/// What is in the foreground of the whole.
#[derive(Debug)]
pub(crate) enum Screen {
    /// Not there yet. Why the last attempt failed, and when the next one is made.
    Connecting(Option<(String, Duration)>),
    /// A server that is met for the first time.
    Trust(Fingerprint),
    /// Nothing can be done about it here.
    Failed(Error),
    SignIn(SignInForm),
    Chat(Box<Chat>),
}

/// Somebody is signed in.
#[derive(Debug)]
pub(crate) struct Chat {
    pub(crate) me: Account,
    pub(crate) people: People,
    pub(crate) rooms: BTreeMap<String, RoomState>,
    /// The room that one looks at.
    pub(crate) open: Option<String>,
    /// What the room was called that one looked at when it was taken away; until another is opened or
    /// somebody has taken note.
    pub(crate) lost: Option<String>,
    /// What is written while no room is open: commands.
    pub(crate) lobby: RoomState,
    /// Grows with each room that is opened.
    pub(crate) openings: u64,
    pub(crate) unsent: Vec<Unsent>,
    /// Files on their way.
    pub(crate) transfers: Transfers,
    pub(crate) connection: Connection,
    /// Whether the list of rooms has come.
    pub(crate) listed: bool,
    /// Whose presence is watched.
    pub(crate) watched: Vec<String>,
    /// When one's own typing was told last.
    pub(crate) typing_told: Option<Duration>,
}

/// A message that its room does not have yet.
#[derive(Clone, Debug)]
pub(crate) struct Unsent {
    pub(crate) message: Outgoing,
    /// What the file is called that it carries.
    pub(crate) file: Option<String>,
    /// Why the server does not want it.
    pub(crate) failed: Option<String>,
}

/// How the stream is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Connection {
    Opening,
    Up,
    /// Comes back then, for the time that it is.
    Down {
        at: Duration,
        attempt: u32,
        cause: String,
    },
}

/// What lies over the rest.
#[derive(Debug)]
pub(crate) enum Overlay {
    /// Keys and commands; so many lines are scrolled away.
    Help(u16),
    /// Something to read or copy.
    Text { title: String, lines: Vec<String> },
    /// Yes or no.
    Confirm { question: String, then: Effect },
    /// A room by a part of its name; which of those that fit is chosen.
    Switch { filter: String, chosen: usize },
}

/// A line that goes by itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) bad: bool,
    pub(crate) until: Duration,
}

/// Something happened.
#[derive(Debug)]
pub(crate) enum Msg {
    Key(KeyEvent),
    Paste(String),
    Resize(u16, u16),
    Focus(bool),
    /// It is that late.
    Tick(Duration),
    /// There is a connection, or not. With it, who is signed in already.
    Connected(Result<Option<Account>, Error>),
    SignedIn(Result<Account, Error>),
    /// A session stands, or not.
    Opened(Result<(), Error>),
    Item(Item),
    Rooms(Result<Vec<Room>, Error>),
    Account(String, Result<Account, Error>),
    Members(String, Result<Vec<Member>, Error>),
    Readers(String, u64, Result<Vec<String>, Error>),
    Page(Page),
    /// Following was agreed to, or not.
    Followed(String, Result<(), Error>),
    /// A message of one's own: its client message id and what became of it.
    Sent(String, Result<SendMessageResponse, Error>),
    /// A change of a message was saved, or not.
    Edited(EditMessageRequest, Result<(), Error>),
    /// A command was carried out, or not.
    Done(Result<Outcome, Error>),
    /// A transfer is that far, so long after it began.
    Moved(u64, Duration, Progress),
    /// A transfer is over.
    Carried(u64, Result<Carried, Error>),
    /// What the line before the cursor becomes.
    Completed(String, String),
}

/// What a transfer led to.
#[derive(Debug)]
pub(crate) enum Carried {
    /// It is on the server, as `files/{file}`.
    Up(String),
    /// It was saved there.
    Down(PathBuf),
}

/// A page of a room's log.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) room: String,
    pub(crate) want: Want,
    pub(crate) events: Result<Vec<Event>, Error>,
}

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Want {
    /// The one that ends with this event.
    Older(u64),
    /// The one that begins with this event.
    Newer(u64),
    /// The one that begins then.
    From(Timestamp),
}

/// What a command led to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Look at this room.
    Open(Room),
    /// This room is as follows now.
    Room(Room),
    /// One is not in this room any more.
    Gone(String),
    /// Nothing to say: the screen shows it.
    Seen,
    /// Say so.
    Notice(String),
    /// Show this, to read or copy.
    Text { title: String, lines: Vec<String> },
    /// One's own account is as follows now.
    Me(Account),
    /// The sign-in is over.
    SignedOut,
}

/// Something to do outside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Connect; believe the server if its certificate has this fingerprint.
    Connect(Option<Fingerprint>),
    SignIn {
        user: String,
        password: Secret,
        keep: bool,
    },
    Register {
        user: String,
        display_name: String,
        password: Secret,
        invitation: String,
        keep: bool,
    },
    OpenSession,
    Ask(Ask),
    Tell(Tell),
    Send(Outgoing),
    /// Carry a file.
    Carry(u64, Errand),
    /// Let go of a transfer.
    GiveUp(u64),
    /// Complete the path that this line ends in.
    Complete(String),
    Bell,
    Quit,
}

/// Something to ask the server, in a call of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    Rooms,
    Account(String),
    Members(String),
    Readers(String, u64),
    Page(String, Want),
    Edit(EditMessageRequest),
    Call(Call),
}

/// Something to say on the session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tell {
    /// From the head, or after what is there of which log.
    Follow(String, Option<(u64, String)>),
    Unfollow(String),
    Watch(Vec<String>),
    Typing(String),
    MarkRead(String, u64),
}

impl From<Call> for Effect {
    fn from(call: Call) -> Self {
        Self::Ask(Ask::Call(call))
    }
}

/// A password on its way to the server; never printed.
#[derive(Clone, PartialEq)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a slash command asks of the server. People are named by their user names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    NewRoom(String),
    Direct(String),
    /// A room by its link.
    Join(String),
    /// A room that became one's own.
    Look(String),
    Invite(String),
    Uninvite(String),
    About(String, String, Act),
    Members(String),
    Leave(String),
    Rename(String, String),
    Topic(String, String),
    Archive(String, bool),
    Delete(String, u64),
    Readers(String, u64),
    Nick(String),
    /// One's own that are in no message.
    Uploads,
    SignOut,
}

/// What is done about somebody in a room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Act {
    Add(Role),
    Remove,
    SetRole(Role),
    /// For so many seconds, or until unmuted.
    Mute(Option<i64>),
    Unmute,
    Ban,
    Unban,
}

impl Model {
    pub(crate) fn new(server: String, zone: Zone, wish: Wish) -> Self {
        Self {
            server,
            zone,
            size: (80, 24),
            now: Duration::ZERO,
            focused: true,
            screen: Screen::Connecting(None),
            left: None,
            overlay: None,
            notice: None,
            wish,
        }
    }
}

impl Chat {
    /// No room has been open yet, and nothing is being written: any may be opened.
    pub(crate) fn is_new_here(&self) -> bool {
        self.openings == 0 && self.lobby.is_idle()
    }

    pub(crate) fn new(me: Account) -> Self {
        let mut people = People::default();
        people.learn(&me);
        Self {
            me,
            people,
            rooms: BTreeMap::new(),
            open: None,
            lost: None,
            lobby: RoomState::default(),
            openings: 0,
            unsent: Vec::new(),
            transfers: Transfers::default(),
            connection: Connection::Opening,
            listed: false,
            watched: Vec::new(),
            typing_told: None,
        }
    }

    /// The room that one looks at.
    pub(crate) fn room(&self) -> Option<&RoomState> {
        self.rooms.get(self.open.as_deref()?)
    }

    pub(crate) fn room_mut(&mut self) -> Option<&mut RoomState> {
        self.rooms.get_mut(self.open.as_deref()?)
    }

    /// Where one writes: the open room, or nowhere in particular.
    pub(crate) fn writing(&self) -> &RoomState {
        self.room().unwrap_or(&self.lobby)
    }

    pub(crate) fn writing_mut(&mut self) -> &mut RoomState {
        let open = self.open.as_deref();
        open.and_then(|open| self.rooms.get_mut(open))
            .unwrap_or(&mut self.lobby)
    }

    /// What a room is called on this screen.
    pub(crate) fn title(&self, room: &RoomState) -> String {
        if !room.is_direct() {
            return room.room.display_name.clone();
        }
        if room.room.peer == self.me.name {
            return "notes to myself".to_owned();
        }
        self.people.name(&room.room.peer)
    }

    /// The rooms in the order of the list: rooms by name, then conversations by name.
    pub(crate) fn listing(&self) -> Vec<&RoomState> {
        let mut rooms: Vec<&RoomState> = self.rooms.values().collect();
        rooms.sort_by_cached_key(|room| {
            (
                room.is_direct(),
                self.title(room).to_lowercase(),
                room.room.name.clone(),
            )
        });
        rooms
    }

    /// Messages that were said elsewhere and not read.
    pub(crate) fn unread_elsewhere(&self) -> u64 {
        let elsewhere = self.rooms.values();
        let elsewhere = elsewhere.filter(|room| Some(&room.room.name) != self.open.as_ref());
        elsewhere.map(|room| room.room.unread_count).sum()
    }
}
