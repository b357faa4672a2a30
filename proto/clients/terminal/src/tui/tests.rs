//! The screen as its user sees it: keys and events in, lines of text and effects out.
//!
//! Nothing here needs a terminal, a server or a clock.

mod files;
mod keys;
mod live;
mod moderation;
mod narrow;
mod signing_in;
mod written;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use prost_types::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use rookery_client::v1::event::Kind;
use rookery_client::v1::room::Kind as RoomKind;
use rookery_client::v1::{Account, Event, Format, Message, Room};
use rookery_client::{Error, Item};

use super::model::{Ask, Chat, Connection, Effect, Model, Msg, Page, Screen, Want, Wish};
use super::update::update;
use super::view::view;
use crate::time::Zone;

pub(super) const LOBBY: &str = "rooms/lobby";
pub(super) const WITH_BO: &str = "rooms/bo";
pub(super) const ADA: &str = "accounts/ada";
pub(super) const BO: &str = "accounts/bo";

/// 2026-11-23 12:00 UTC.
const NOON: i64 = 1_795_435_200;

/// A screen of this size on which somebody has just signed in, and what the server was asked for.
pub(super) struct Stage {
    pub(super) model: Model,
    pub(super) effects: Vec<Effect>,
}

impl Stage {
    /// Before anybody has signed in.
    pub(super) fn fresh(wish: Wish) -> Self {
        let mut model = Model::new("localhost:7443".to_owned(), Zone::utc(), wish);
        model.size = (80, 16);
        Self {
            model,
            effects: Vec::new(),
        }
    }

    /// Ada, in the lobby with eight members and in a conversation with Bo.
    pub(super) fn ada() -> Self {
        let mut stage = Self::fresh(Wish::default());
        stage.take(Msg::Connected(Ok(Some(account("ada")))));
        stage.take(Msg::Opened(Ok(())));
        let lobby = Room {
            name: LOBBY.to_owned(),
            kind: RoomKind::Group.into(),
            display_name: "lobby".to_owned(),
            topic: "whatever comes to mind".to_owned(),
            member_count: 8,
            ..Room::default()
        };
        let with_bo = Room {
            name: WITH_BO.to_owned(),
            kind: RoomKind::Direct.into(),
            peer: BO.to_owned(),
            member_count: 2,
            unread_count: 3,
            ..Room::default()
        };
        stage.take(Msg::Rooms(Ok(vec![lobby, with_bo])));
        stage.take(Msg::Account(BO.to_owned(), Ok(account("bo"))));
        stage.take(Msg::Followed(LOBBY.to_owned(), Ok(())));
        stage.take(Msg::Item(Item::Live {
            room: LOBBY.to_owned(),
            seq: 0,
            log_id: "one".to_owned(),
        }));
        stage.effects.clear();
        stage
    }

    pub(super) fn resize(mut self, columns: u16, rows: u16) -> Self {
        self.take(Msg::Resize(columns, rows));
        self
    }

    pub(super) fn take(&mut self, msg: Msg) {
        let effects = update(&mut self.model, msg);
        self.effects.extend(effects);
    }

    pub(super) fn press(&mut self, code: KeyCode) {
        self.take(Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    pub(super) fn press_with(&mut self, modifiers: KeyModifiers, code: KeyCode) {
        self.take(Msg::Key(KeyEvent::new(code, modifiers)));
    }

    pub(super) fn write(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    /// Writes a line and presses Enter.
    pub(super) fn enter(&mut self, text: &str) {
        self.write(text);
        self.press(KeyCode::Enter);
    }

    /// Somebody says something in the lobby, a minute after the one before.
    pub(super) fn say(&mut self, seq: u64, by: &str, body: &str) {
        self.take(Msg::Item(Item::Event(said(LOBBY, seq, by, body))));
    }

    pub(super) fn chat(&self) -> &Chat {
        let Screen::Chat(chat) = &self.model.screen else {
            panic!("{:?}", self.model.screen);
        };
        chat
    }

    pub(super) fn open(&self) -> &str {
        self.chat().open.as_deref().expect("a room is open")
    }

    /// What was asked for since, and forgets it.
    pub(super) fn asked(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The lines on the screen, without blanks at their ends.
    pub(super) fn lines(&self) -> Vec<String> {
        let (columns, rows) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("in memory");
        terminal
            .draw(|frame| view(&self.model, frame))
            .expect("in memory");
        let buffer = terminal.backend().buffer();
        (0..rows)
            .map(|row| {
                let mut line = String::new();
                let mut column = 0;
                while column < columns {
                    let symbol = buffer[(column, row)].symbol();
                    line.push_str(symbol);
                    let wide = crate::text::width(symbol).max(1);
                    column += u16::try_from(wide).expect("narrow");
                }
                line.trim_end().to_owned()
            })
            .collect()
    }

    pub(super) fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// The screen is this, line for line.
    pub(super) fn shows(&self, expected: &[&str]) {
        let lines = self.lines();
        assert!(
            lines == expected,
            "\n{}\n--- instead of\n{}",
            lines.join("\n"),
            expected.join("\n")
        );
    }

    /// All of these are somewhere on the screen.
    pub(super) fn shows_all(&self, texts: &[&str]) {
        let screen = self.text();
        for text in texts {
            assert!(screen.contains(text), "no {text:?} in\n{screen}");
        }
    }
}

pub(super) fn account(user: &str) -> Account {
    let mut display_name = user.to_owned();
    display_name[..1].make_ascii_uppercase();
    Account {
        name: format!("accounts/{user}"),
        user_name: user.to_owned(),
        display_name,
        ..Account::default()
    }
}

pub(super) fn event(room: &str, seq: u64, by: &str, kind: Kind) -> Event {
    let minute = i64::try_from(seq).expect("small") * 60;
    Event {
        room: room.to_owned(),
        seq,
        actor: by.to_owned(),
        create_time: Some(Timestamp {
            seconds: NOON + minute,
            nanos: 0,
        }),
        message_count: seq,
        kind: Some(kind),
    }
}

pub(super) fn said(room: &str, seq: u64, by: &str, body: &str) -> Event {
    event(room, seq, by, Kind::Message(message(body)))
}

pub(super) fn message(body: &str) -> Message {
    Message {
        body: body.to_owned(),
        format: Format::Markdown.into(),
        ..Message::default()
    }
}

pub(super) fn refused(code: rookery_client::Code, text: &str) -> Error {
    Error::from(rookery_client::v1::CommandError {
        code: code.into(),
        message: text.to_owned(),
        status_details: Vec::new(),
    })
}

/// Answers the pages that were asked for, from a log of so many messages of Bo's.
pub(super) fn answer_pages(stage: &mut Stage, log: u64) {
    let asked = stage.asked();
    for effect in asked {
        let Effect::Ask(Ask::Page(room, want)) = effect else {
            continue;
        };
        let number = |seq| said(&room, seq, BO, &format!("number {seq}"));
        let events = match want {
            Want::Older(seq) => (seq.saturating_sub(99).max(1)..=seq)
                .rev()
                .map(number)
                .collect(),
            Want::Newer(seq) => (seq..=log.min(seq + 99)).map(number).collect(),
            Want::From(_) => (50..=149).map(number).collect(),
        };
        let events = Ok(events);
        stage.take(Msg::Page(Page { room, want, events }));
    }
}

/// A lobby with so many messages of Bo's, of which the newest page is loaded.
pub(super) fn with_log(log: u64) -> Stage {
    let mut stage = Stage::ada();
    if let Screen::Chat(chat) = &mut stage.model.screen {
        let room = chat.room_mut().expect("open");
        room.room.head_seq = log;
        room.history.place(log, true);
    }
    stage.take(Msg::Resize(80, 16));
    answer_pages(&mut stage, log);
    stage
}

pub(super) fn down(stage: &mut Stage) {
    stage.take(Msg::Item(Item::Reconnecting {
        attempt: 2,
        wait: std::time::Duration::from_secs(3),
        cause: "the connection was lost".to_owned(),
    }));
    assert_ne!(stage.chat().connection, Connection::Up);
}
