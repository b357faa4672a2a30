//! What became of what was asked for.

use rookery_client::v1::{Account, EditMessageRequest, Member, Room, SendMessageResponse};
use rookery_client::{Code, Error};

use super::{items, sign_in};
use crate::limits;
use crate::tui::model::{
    Ask, Call, Chat, Connection, Effect, Model, Outcome, Overlay, Page, Screen, Want,
};
use crate::tui::room::{Following, RoomState};
use crate::tui::scroll::Scroll;

pub(super) fn opened(model: &mut Model, result: Result<(), Error>, effects: &mut Vec<Effect>) {
    match result {
        Ok(()) => {
            if let Some(chat) = model.chat_mut() {
                chat.connection = Connection::Up;
                effects.push(Effect::Ask(Ask::Rooms));
                // From a session before this one. The room has each of them once, whatever came of them.
                let waiting = chat.unsent.iter().filter(|unsent| unsent.failed.is_none());
                effects.extend(waiting.map(|unsent| Effect::Send(unsent.message.clone())));
            }
        }
        Err(error) if error.code() == Some(Code::Unauthenticated) => {
            sign_in::ask(model, Some("You were signed out. Sign in again."));
        }
        Err(error) if error.is_transient() => {
            let again = model.now + limits::CONNECT_AGAIN_EVERY;
            model.leave_chat(Screen::Connecting(Some((error.to_string(), again))));
        }
        Err(error) => model.leave_chat(Screen::Failed(error)),
    }
}

pub(super) fn rooms(
    model: &mut Model,
    result: Result<Vec<Room>, Error>,
    effects: &mut Vec<Effect>,
) {
    let rooms = match result {
        Ok(rooms) => rooms,
        Err(error) => return model.complain(error.to_string()),
    };
    let wish = model.wish.room.take();
    let Some(chat) = model.chat_mut() else {
        return;
    };
    chat.listed = true;
    let names: Vec<String> = rooms.iter().map(|room| room.name.clone()).collect();
    for room in rooms {
        put(chat, room);
    }
    let gone: Vec<String> = chat
        .rooms
        .keys()
        .filter(|name| !names.contains(name))
        .cloned()
        .collect();
    if let Some(wish) = wish {
        open_wish(chat, &wish, effects);
    } else if chat.is_new_here() {
        let first = chat.listing().first().map(|room| room.name().to_owned());
        if let Some(first) = first {
            chat.go_to(&first);
        }
    }
    for room in gone {
        items::lost(model, &room);
    }
}

/// Takes in what the server says of a room.
fn put(chat: &mut Chat, room: Room) {
    match chat.rooms.get_mut(&room.name) {
        // What is followed counts for itself.
        Some(state) if state.follow == Following::Yes => {
            let unread_count = state.room.unread_count.min(room.unread_count);
            state.update(Room {
                unread_count,
                ..room
            });
        }
        Some(state) => state.update(room),
        None => drop(chat.rooms.insert(room.name.clone(), RoomState::new(room))),
    }
}

/// The room that the command line asked for.
fn open_wish(chat: &mut Chat, wish: &str, effects: &mut Vec<Effect>) {
    if let Some(user) = wish.strip_prefix('@') {
        effects.push(Call::Direct(user.to_owned()).into());
        return;
    }
    let found = chat.rooms.values().find(|room| {
        room.name() == wish || room.room.display_name.to_lowercase() == wish.to_lowercase()
    });
    let found = found.map(|room| room.name().to_owned());
    let first = || chat.listing().first().map(|room| room.name().to_owned());
    if let Some(name) = found.or_else(first) {
        chat.go_to(&name);
    }
}

pub(super) fn account(model: &mut Model, name: &str, result: Result<Account, Error>) {
    let Some(chat) = model.chat_mut() else {
        return;
    };
    match result {
        Ok(account) => chat.people.learn(&account),
        // Of an account that is gone, the short form of its id is all there is.
        Err(error) if error.code() == Some(Code::NotFound) => {}
        Err(_) => chat.people.fail(name),
    }
}

pub(super) fn members(model: &mut Model, room: &str, result: Result<Vec<Member>, Error>) {
    let Some(chat) = model.chat_mut() else {
        return;
    };
    let Some(state) = chat.rooms.get_mut(room) else {
        return;
    };
    state.loading_members = false;
    // Without them there are fewer names to complete, and nothing else.
    let members = result.unwrap_or_default();
    for member in members.iter().take(limits::NAMES_LOADED_MAX) {
        chat.people.want(&member.account);
    }
    state.members = Some(members);
}

pub(super) fn readers(model: &mut Model, room: &str, seq: u64, result: Result<Vec<String>, Error>) {
    let state = model.chat_mut().and_then(|chat| chat.rooms.get_mut(room));
    if let (Some(state), Ok(readers)) = (state, result) {
        for account in readers {
            let read = state.read_by.entry(account).or_default();
            *read = (*read).max(seq);
        }
    }
}

pub(super) fn page(model: &mut Model, page: Page) {
    let later = model.now + limits::ASK_AGAIN_AFTER;
    let state = model
        .chat_mut()
        .and_then(|chat| chat.rooms.get_mut(&page.room));
    let Some(state) = state else {
        return;
    };
    state.loading = false;
    let events = match page.events {
        Ok(events) => events,
        Err(error) => {
            state.load_from = later;
            return model.complain(error.to_string());
        }
    };
    if events.is_empty() {
        state.load_from = later;
    }
    match page.want {
        Want::Older(seq) => {
            if state.history.older() == Some(seq) {
                state.history.add_older(events);
            }
        }
        Want::Newer(_) => {
            for event in events {
                state.history.add_newer(event);
            }
            catch_up(state);
        }
        Want::From(_) => {
            let Some(first) = events.first().map(|event| event.seq) else {
                return model.say("nothing was said from then on");
            };
            state.history.place(first - 1, false);
            state.selected = None;
            for event in events {
                state.history.add_newer(event);
            }
            catch_up(state);
            // The first one of that day at the top: the window fills downward from it.
            let top = state.history.after(first - 1).map(|entry| entry.seq);
            if let Some(seq) = top {
                state.scroll = Scroll::At { seq, below: 0 };
                model.scroll(|scroll, entries, window| {
                    let height = crate::tui::scroll::Stack::height(entries, seq);
                    scroll.down(window.saturating_sub(height), entries)
                });
            }
        }
    }
}

/// Goes live when the newest event is there.
const fn catch_up(state: &mut RoomState) {
    if state.history.last() >= state.room.head_seq {
        state.history.go_live();
    }
}

pub(super) fn followed(model: &mut Model, room: &str, result: Result<(), Error>) {
    let later = model.now + limits::ASK_AGAIN_AFTER;
    let Some(chat) = model.chat_mut() else {
        return;
    };
    let Some(state) = chat.rooms.get_mut(room) else {
        return;
    };
    match result {
        Ok(()) => state.follow = Following::Yes,
        Err(error) if error.code() == Some(Code::NotFound) => items::lost(model, room),
        Err(error) => {
            state.follow = Following::No;
            state.follow_from = later;
            model.complain(error.to_string());
        }
    }
}

pub(super) fn sent(
    model: &mut Model,
    id: &str,
    result: Result<SendMessageResponse, Error>,
    effects: &mut Vec<Effect>,
) {
    let Some(chat) = model.chat_mut() else {
        return;
    };
    let Some(at) = chat
        .unsent
        .iter()
        .position(|unsent| unsent.message.id() == id)
    else {
        return;
    };
    match result {
        // A followed room brings the message itself; until then it stays where it is.
        Ok(sent) => {
            let room = &chat.unsent[at].message.request().room;
            let state = chat.rooms.get(room);
            let there = state.is_some_and(|state| {
                state.follow != Following::Yes
                    || !state.history.is_live()
                    || state.history.last() >= sent.seq
            });
            if there {
                chat.unsent.remove(at);
            }
        }
        // It may be there; under the same id it is safe to send it until the server says so.
        Err(error) if error.is_transient() => {
            effects.push(Effect::Send(chat.unsent[at].message.clone()));
        }
        Err(Error::SignedOut | Error::Ended) => {}
        Err(error) => {
            let why = crate::text::clean_line(&error.to_string());
            chat.unsent[at].failed = Some(why.clone());
            model.complain(format!("not sent: {why}"));
        }
    }
}

/// A change of a message was saved, or not: then it is where it can be saved again.
pub(super) fn edited(model: &mut Model, request: EditMessageRequest, result: Result<(), Error>) {
    let Err(error) = result else {
        return;
    };
    let Some(state) = model
        .chat_mut()
        .and_then(|chat| chat.rooms.get_mut(&request.room))
    else {
        return model.complain(error.to_string());
    };
    let seq = request.seq;
    if state.is_idle() {
        state.composer.set(&request.body);
        state.editing = Some(seq);
        model.complain(format!("not saved: {error}"));
    } else {
        state.unsaved.insert(seq, request.body);
        model.complain(format!("not saved, /edit goes on with it: {error}"));
    }
}

pub(super) fn done(model: &mut Model, result: Result<Outcome, Error>, effects: &mut Vec<Effect>) {
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(error) => return model.complain(error.to_string()),
    };
    match outcome {
        Outcome::Open(room) => {
            if let Some(chat) = model.chat_mut() {
                let name = room.name.clone();
                put(chat, room);
                chat.go_to(&name);
            }
        }
        Outcome::Room(room) => {
            if let Some(chat) = model.chat_mut() {
                let name = room.name.clone();
                put(chat, room);
                if chat.is_new_here() {
                    chat.go_to(&name);
                }
            }
        }
        Outcome::Gone(room) => items::lost(model, &room),
        Outcome::Seen => {}
        Outcome::Notice(text) => model.say(text),
        Outcome::Text { title, lines } => {
            let lines = lines
                .iter()
                .map(|line| crate::text::clean_line(line))
                .collect();
            model.overlay = Some(Overlay::Text { title, lines });
        }
        Outcome::Me(me) => {
            if let Some(chat) = model.chat_mut() {
                chat.people.learn(&me);
                chat.me = me;
            }
        }
        Outcome::SignedOut => effects.push(Effect::Quit),
    }
}
