//! What each event does to the model.
//!
//! Invariant: pure: the model and an event in, the model and effects out. After every event `settle`
//! asks for whatever the screen now lacks, so that no event has to remember to.

mod commands;
mod items;
mod keys;
mod overlay;
mod results;
mod settle;
mod sign_in;
mod transfers;

use std::time::Duration;

use super::model::{Chat, Effect, Model, Msg, Notice, Screen};
use super::scroll::Scroll;
use super::view::areas::Areas;
use super::view::layout::Entries;
use crate::limits;

/// Takes an event in.
pub(super) fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    let mut effects = Vec::new();
    match msg {
        Msg::Key(key) => keys::press(model, key, &mut effects),
        Msg::Paste(text) => keys::paste(model, &text),
        Msg::Resize(columns, rows) => model.size = (columns, rows),
        Msg::Focus(focused) => model.focused = focused,
        Msg::Tick(now) => tick(model, now, &mut effects),
        Msg::Connected(result) => sign_in::connected(model, result, &mut effects),
        Msg::SignedIn(result) => sign_in::signed_in(model, result, &mut effects),
        Msg::Opened(result) => results::opened(model, result, &mut effects),
        Msg::Item(item) => items::take(model, item, &mut effects),
        Msg::Rooms(result) => results::rooms(model, result, &mut effects),
        Msg::Account(name, result) => results::account(model, &name, result),
        Msg::Members(room, result) => results::members(model, &room, result),
        Msg::Readers(room, seq, result) => results::readers(model, &room, seq, result),
        Msg::Page(page) => results::page(model, page),
        Msg::Followed(room, result) => results::followed(model, &room, result),
        Msg::Sent(id, result) => results::sent(model, &id, result, &mut effects),
        Msg::Edited(request, result) => results::edited(model, request, result),
        Msg::Done(result) => results::done(model, result, &mut effects),
        Msg::Moved(id, at, progress) => transfers::moved(model, id, at, progress),
        Msg::Carried(id, result) => transfers::carried(model, id, result, &mut effects),
        Msg::Completed(line, to) => transfers::completed(model, &line, &to),
    }
    settle::settle(model, &mut effects);
    effects
}

fn tick(model: &mut Model, now: Duration, effects: &mut Vec<Effect>) {
    model.now = now;
    if model
        .notice
        .as_ref()
        .is_some_and(|notice| notice.until <= now)
    {
        model.notice = None;
    }
    match &mut model.screen {
        Screen::Connecting(trouble) => {
            if trouble.as_ref().is_some_and(|(_, again)| *again <= now) {
                *trouble = None;
                effects.push(Effect::Connect(None));
            }
        }
        Screen::Chat(chat) => {
            for room in chat.rooms.values_mut() {
                room.typing.retain(|_, until| *until > now);
            }
        }
        Screen::Trust(_) | Screen::Failed(_) | Screen::SignIn(_) => {}
    }
}

impl Model {
    fn say(&mut self, text: impl Into<String>) {
        self.set_notice(text.into(), false);
    }

    fn complain(&mut self, text: impl Into<String>) {
        self.set_notice(text.into(), true);
    }

    fn set_notice(&mut self, text: String, bad: bool) {
        self.notice = Some(Notice {
            text: crate::text::clean_line(&text),
            bad,
            until: self.now + limits::NOTICE_SHOWN,
        });
    }

    fn chat_mut(&mut self) -> Option<&mut Chat> {
        match &mut self.screen {
            Screen::Chat(chat) => Some(chat),
            Screen::Connecting(_) | Screen::Trust(_) | Screen::Failed(_) | Screen::SignIn(_) => {
                None
            }
        }
    }

    /// The entries of the open room, and the lines of the window on them.
    fn entries(&self) -> Option<(Entries<'_>, usize)> {
        let Screen::Chat(chat) = &self.screen else {
            return None;
        };
        let room = chat.room()?;
        let area = Areas::of(self, chat).history;
        let entries = Entries {
            chat,
            room,
            zone: &self.zone,
            columns: area.width.into(),
        };
        Some((entries, area.height.into()))
    }

    /// Looks somewhere else in the open room.
    fn scroll(&mut self, go: impl FnOnce(Scroll, &Entries<'_>, usize) -> Scroll) {
        let Some((entries, window)) = self.entries() else {
            return;
        };
        let scroll = go(entries.room.scroll, &entries, window);
        if let Some(room) = self.chat_mut().and_then(Chat::room_mut) {
            room.scroll = scroll;
        }
    }
}

impl Chat {
    /// Looks at another room.
    fn go_to(&mut self, name: &str) {
        if !self.rooms.contains_key(name) {
            return;
        }
        if let Some(left) = self.room_mut() {
            left.selected = None;
            left.new_after = None;
        }
        self.openings += 1;
        self.open = Some(name.to_owned());
        self.lost = None;
        let openings = self.openings;
        if let Some(room) = self.room_mut() {
            room.opened = openings;
            room.new_after = (room.room.unread_count > 0).then_some(room.room.read_seq);
        }
    }
}
