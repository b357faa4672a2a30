//! What each key does, by what is in the foreground and by what is being written.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "most keys mean nothing in most places"
)]

pub(super) mod edit;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rookery_client::v1::Priority;

use super::{commands, overlay, sign_in};
use crate::limits;
use crate::tui::command::{self, Command, Here};
use crate::tui::model::{Chat, Effect, Model, Overlay, Screen, Tell};
use crate::tui::scroll::{Scroll, Stack as _};
use crate::tui::switch;

pub(super) fn press(model: &mut Model, key: KeyEvent, effects: &mut Vec<Effect>) {
    if key.kind == KeyEventKind::Release {
        return;
    }
    if is_ctrl(key, 'c') || is_ctrl(key, 'q') {
        effects.push(Effect::Quit);
        return;
    }
    if model.overlay.is_some() {
        overlay::press(model, key, effects);
        return;
    }
    match &mut model.screen {
        Screen::Connecting(_) | Screen::Failed(_) => {
            if key.code == KeyCode::Esc {
                effects.push(Effect::Quit);
            }
        }
        Screen::Trust(_) => sign_in::press_trust(model, key, effects),
        Screen::SignIn(form) => sign_in::press_form(form, key, effects),
        Screen::Chat(_) => chat(model, key, effects),
    }
}

pub(super) fn paste(model: &mut Model, text: &str) {
    match (&mut model.overlay, &mut model.screen) {
        (Some(Overlay::Switch { filter, chosen }), _) => {
            filter.push_str(&crate::text::clean_line(text));
            *chosen = 0;
        }
        (Some(Overlay::Help(_) | Overlay::Text { .. }), _) => {}
        // Nobody answers a question by pasting: it is written, and the question is gone.
        (Some(Overlay::Confirm { .. }) | None, Screen::Chat(chat)) => {
            if let Some(room) = chat.room_mut() {
                room.selected = None;
            }
            insert(chat, text);
            model.overlay = None;
        }
        (_, Screen::SignIn(form)) => form.insert(text),
        (_, Screen::Connecting(_) | Screen::Trust(_) | Screen::Failed(_)) => {}
    }
}

/// Writes at the cursor. Where a room was taken away nothing is: whoever goes on typing says nothing
/// anywhere else. Where none was open, only a command can be meant.
fn insert(chat: &mut Chat, text: &str) {
    let nowhere = chat.room().is_none();
    let lost = chat.lost.is_some();
    let composer = &mut chat.writing_mut().composer;
    if lost || (nowhere && composer.is_empty() && !text.starts_with('/')) {
        return;
    }
    composer.insert(text);
}

pub(super) fn is_ctrl(key: KeyEvent, letter: char) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char(letter)
}

/// A key of somebody who is signed in.
fn chat(model: &mut Model, key: KeyEvent, effects: &mut Vec<Effect>) {
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    let Some(chat) = model.chat_mut() else {
        return;
    };
    match key.code {
        KeyCode::F(1) => model.overlay = Some(Overlay::Help(0)),
        KeyCode::Up if alt => go_by(chat, -1),
        KeyCode::Down if alt => go_by(chat, 1),
        KeyCode::Char('n') if is_ctrl(key, 'n') => match switch::next_unread(chat) {
            Some(room) => chat.go_to(&room),
            None => model.say("nothing new"),
        },
        KeyCode::Char('k' | 'g') if is_ctrl(key, 'g') || (is_ctrl(key, 'k') && is_idle(chat)) => {
            model.overlay = Some(Overlay::Switch {
                filter: String::new(),
                chosen: 0,
            });
        }
        KeyCode::PageUp => model.scroll(|scroll, entries, window| {
            scroll.up(window.saturating_sub(2).max(1), window, entries)
        }),
        KeyCode::PageDown => model.scroll(|scroll, entries, window| {
            scroll.down(window.saturating_sub(2).max(1), entries)
        }),
        KeyCode::End if is_idle(chat) => to_the_end(chat),
        KeyCode::Esc => back(chat),
        _ if chat.room().is_some_and(|room| room.selected.is_some()) => {
            selection(model, key, effects);
        }
        KeyCode::Up if is_idle(chat) => select(model, true),
        _ => input(model, key, effects),
    }
}

/// Nothing is being written.
fn is_idle(chat: &Chat) -> bool {
    chat.writing().is_idle()
}

fn go_by(chat: &mut Chat, step: isize) {
    if let Some(room) = switch::neighbour(chat, step) {
        chat.go_to(&room);
    }
}

/// One step back out of whatever one is in.
fn back(chat: &mut Chat) {
    chat.lost = None;
    let Some(room) = chat.room_mut() else {
        return;
    };
    if room.selected.take().is_some() {
        return;
    }
    if room.editing.take().is_some() {
        room.composer.take();
    } else if room.reply_to.take().is_none() {
        to_the_end(chat);
    }
}

/// To the newest message. From somewhere in the past, what lies between is not loaded.
pub(super) fn to_the_end(chat: &mut Chat) {
    if let Some(room) = chat.room_mut() {
        room.scroll = Scroll::Bottom;
        room.selected = None;
        if !room.history.is_live() && room.history.is_placed() {
            room.history.place(room.room.head_seq, true);
        }
    }
}

/// Keys while a message is chosen. Letters do nothing that others see; what is no command is written,
/// so that whoever came here by chance and goes on typing notices it and loses nothing.
fn selection(model: &mut Model, key: KeyEvent, effects: &mut Vec<Effect>) {
    let letter = match key.code {
        KeyCode::Char(letter) if edit::is_text(key) => Some(letter),
        _ => None,
    };
    let command = match (key.code, letter) {
        (KeyCode::Up, _) | (_, Some('k')) => return select(model, true),
        (KeyCode::Down, _) | (_, Some('j')) => return select(model, false),
        (KeyCode::Enter, _) | (_, Some('r')) => Here::Reply(String::new()),
        (KeyCode::Delete, _) => Here::Delete,
        (_, Some('e')) => Here::Edit,
        (_, Some('i')) => Here::Readers,
        (_, Some('s')) => Here::Save(None, None),
        _ => {
            if let Some(room) = model.chat_mut().and_then(Chat::room_mut) {
                room.selected = None;
            }
            return input(model, key, effects);
        }
    };
    commands::run(model, Command::Here(command), effects);
}

/// Chooses the message above or below.
fn select(model: &mut Model, up: bool) {
    let Some((entries, _)) = model.entries() else {
        return;
    };
    let mut at = entries.room.selected;
    loop {
        let next = match (up, at) {
            (true, at) => entries.above(at),
            (false, Some(at)) => entries.below(at),
            (false, None) => None,
        };
        at = next;
        let is_message = |seq| {
            entries
                .room
                .history
                .get(seq)
                .is_some_and(|e| e.message().is_some())
        };
        if at.is_none_or(is_message) {
            break;
        }
    }
    // Above the first there is nothing; below the last the input begins.
    if at.is_none() && up {
        return;
    }
    if let Some(room) = model.chat_mut().and_then(Chat::room_mut) {
        room.selected = at;
    }
    match at {
        Some(seq) => model.scroll(|scroll, entries, window| scroll.to(seq, window, entries)),
        None => model.scroll(|_, _, _| Scroll::Bottom),
    }
}

/// Keys that write.
fn input(model: &mut Model, key: KeyEvent, effects: &mut Vec<Effect>) {
    let newline = key
        .modifiers
        .intersects(KeyModifiers::ALT | KeyModifiers::SHIFT);
    match key.code {
        KeyCode::Enter if newline => write(model, "\n", effects),
        KeyCode::Char('j') if is_ctrl(key, 'j') => write(model, "\n", effects),
        KeyCode::Enter => enter(model, effects),
        KeyCode::Tab => complete(model, effects),
        KeyCode::Char(c) if edit::is_text(key) => write(model, &c.to_string(), effects),
        _ => {
            if let Some(chat) = model.chat_mut() {
                edit::press(&mut chat.writing_mut().composer, key);
            }
        }
    }
}

fn write(model: &mut Model, text: &str, effects: &mut Vec<Effect>) {
    let now = model.now;
    let Some(chat) = model.chat_mut() else {
        return;
    };
    insert(chat, text);
    let room = chat.writing_mut();
    let tells = !room.composer.text().starts_with('/') && !room.room.archived;
    let name = room.name().to_owned();
    let lapsed = chat
        .typing_told
        .is_none_or(|told| now.saturating_sub(told) >= limits::TYPING_TOLD_EVERY);
    if tells && lapsed && !name.is_empty() {
        chat.typing_told = Some(now);
        effects.push(Effect::Tell(Tell::Typing(name)));
    }
}

fn complete(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(chat) = model.chat_mut() else {
        return;
    };
    let before = chat.writing().composer.before();
    if command::ends_in_path(before) {
        effects.push(Effect::Complete(before.to_owned()));
        return;
    }
    let users: Vec<String> = chat
        .people
        .user_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let composer = &mut chat.writing_mut().composer;
    if let Some(text) = command::complete(composer.before(), &users) {
        composer.replace_before(&text);
    }
}

/// Sends what was written, or does it.
fn enter(model: &mut Model, effects: &mut Vec<Effect>) {
    let zone = model.zone.clone();
    let Some(room) = model.chat_mut().map(Chat::writing_mut) else {
        return;
    };
    let text = room.composer.text().trim_matches('\n').to_owned();
    if text.trim().is_empty() {
        return;
    }
    // What is being changed is text, whatever it begins with.
    let parsed = if room.editing.is_some() {
        Ok(Command::Here(Here::Say(command::say(
            &text,
            Priority::Normal,
        ))))
    } else {
        command::parse(&text, &zone)
    };
    match parsed {
        Ok(command) => {
            room.composer.take();
            commands::run(model, command, effects);
        }
        Err(usage) => model.complain(usage),
    }
}
