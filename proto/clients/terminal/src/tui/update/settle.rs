//! What the screen lacks, and is not on its way yet.
//!
//! Invariant: each thing is asked for once until its answer comes; run twice in a row, the second run
//! asks for nothing.

use std::time::Duration;

use rookery_client::v1::room::Kind;

use super::transfers;
use crate::limits;
use crate::tui::history::{Entry, What};
use crate::tui::model::{Ask, Chat, Connection, Effect, Model, Screen, Tell, Want};
use crate::tui::room::{Following, RoomState};
use crate::tui::scroll::Scroll;

pub(super) fn settle(model: &mut Model, effects: &mut Vec<Effect>) {
    let wants_older = wants_older(model);
    let (focused, now) = (model.focused, model.now);
    let Screen::Chat(chat) = &mut model.screen else {
        return;
    };
    if chat.connection != Connection::Up {
        return;
    }
    transfers::begin(chat, effects);
    follow(chat, now, effects);
    if let Some(room) = chat.room_mut() {
        load(room, now, wants_older, effects);
        if focused {
            mark_read(room, effects);
        }
    }
    ask_readers(chat, effects);
    know_people(chat);
    let wanted = chat.people.take_wanted();
    effects.extend(
        wanted
            .into_iter()
            .map(|name| Effect::Ask(Ask::Account(name))),
    );
    watch(chat, effects);
}

/// Follows the open room, and lets go of the one not opened for longest if there are too many.
fn follow(chat: &mut Chat, now: Duration, effects: &mut Vec<Effect>) {
    let Some(room) = chat.room_mut() else {
        return;
    };
    if room.follow != Following::No || room.follow_from > now {
        return;
    }
    room.follow = Following::Asked;
    let name = room.name().to_owned();
    let missed = room.room.head_seq.saturating_sub(room.history.last());
    let goes_on = room.history.is_live() && missed < limits::PAGE_EVENTS.unsigned_abs().into();
    let after = goes_on.then(|| (room.history.last(), room.room.log_id.clone()));
    if after.is_none() {
        room.history.clear();
        room.scroll = Scroll::Bottom;
    }
    effects.push(Effect::Tell(Tell::Follow(name, after)));

    let followed = chat
        .rooms
        .values()
        .filter(|room| room.follow != Following::No);
    if followed.count() <= limits::FOLLOWED_ROOMS_MAX {
        return;
    }
    let oldest = chat
        .rooms
        .values_mut()
        .filter(|room| room.follow == Following::Yes)
        .min_by_key(|room| room.opened);
    if let Some(oldest) = oldest {
        oldest.follow = Following::No;
        effects.push(Effect::Tell(Tell::Unfollow(oldest.name().to_owned())));
    }
}

/// Whether the reader is near the top of what is loaded.
fn wants_older(model: &Model) -> bool {
    model.entries().is_some_and(|(entries, window)| {
        let scroll = entries.room.scroll;
        let above = scroll.lines_above(window, limits::PAGE_AHEAD_LINES, &entries);
        above < limits::PAGE_AHEAD_LINES
    })
}

fn load(room: &mut RoomState, now: Duration, wants_older: bool, effects: &mut Vec<Effect>) {
    if !room.loading && room.load_from <= now {
        let newer = room.history.is_placed() && !room.history.is_live();
        let want = match room.history.older() {
            Some(older) if wants_older => Some(Want::Older(older)),
            _ if newer && room.scroll == Scroll::Bottom => {
                Some(Want::Newer(room.history.last() + 1))
            }
            _ => None,
        };
        if let Some(want) = want {
            room.loading = true;
            effects.push(Effect::Ask(Ask::Page(room.name().to_owned(), want)));
        }
    }
    if room.members.is_none() && !room.loading_members && room.history.is_placed() {
        room.loading_members = true;
        effects.push(Effect::Ask(Ask::Members(room.name().to_owned())));
    }
}

/// What is on the screen has been read.
fn mark_read(room: &mut RoomState, effects: &mut Vec<Effect>) {
    let at_the_end = room.scroll == Scroll::Bottom && room.history.is_live();
    let last = room.history.last();
    if at_the_end && last > room.marked && last > room.room.read_seq {
        room.marked = last;
        room.room.unread_count = 0;
        room.loudest = rookery_client::v1::Priority::Unspecified;
        effects.push(Effect::Tell(Tell::MarkRead(room.name().to_owned(), last)));
    }
}

/// Who has read one's own newest message: asked once, and then told by markers.
fn ask_readers(chat: &mut Chat, effects: &mut Vec<Effect>) {
    let me = chat.me.name.clone();
    let Some(room) = chat.room_mut() else {
        return;
    };
    let own = |entry: &Entry| entry.actor == me;
    let newest = room.history.newest_message(own).map(|entry| entry.seq);
    if let Some(seq) = newest.filter(|seq| *seq > room.readers_asked) {
        room.readers_asked = seq;
        effects.push(Effect::Ask(Ask::Readers(room.name().to_owned(), seq)));
    }
}

/// Names that the screen shows.
fn know_people(chat: &mut Chat) {
    let mut names: Vec<String> = Vec::new();
    for room in chat.rooms.values() {
        if room.room.kind() == Kind::Direct {
            names.push(room.room.peer.clone());
        }
    }
    if let Some(room) = chat.room() {
        for entry in room.history.newest_first() {
            names.push(entry.actor.clone());
            if let What::Membership(change) = &entry.what {
                names.push(change.account.clone());
            }
        }
        names.extend(room.typing.keys().chain(room.read_by.keys()).cloned());
    }
    for name in names {
        chat.people.want(&name);
    }
}

/// Watches those whose presence is shown.
fn watch(chat: &mut Chat, effects: &mut Vec<Effect>) {
    let direct = chat.rooms.values().filter(|room| room.is_direct());
    let mut peers: Vec<String> = direct.map(|room| room.room.peer.clone()).collect();
    peers.retain(|peer| !peer.is_empty() && *peer != chat.me.name);
    peers.sort();
    peers.truncate(limits::WATCHED_MAX);
    if peers != chat.watched {
        chat.watched.clone_from(&peers);
        effects.push(Effect::Tell(Tell::Watch(peers)));
    }
}
