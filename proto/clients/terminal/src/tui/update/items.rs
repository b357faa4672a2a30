//! What comes in on the session.

use rookery_client::Item;
use rookery_client::v1::event::Kind;
use rookery_client::v1::membership_change::Kind as Membership;
use rookery_client::v1::{Event, Priority};

use super::sign_in;
use crate::limits;
use crate::tui::model::{Ask, Call, Chat, Connection, Effect, Model, Screen};
use crate::tui::room::Following;
use crate::tui::scroll::Scroll;

pub(super) fn take(model: &mut Model, item: Item, effects: &mut Vec<Effect>) {
    let (now, focused) = (model.now, model.focused);
    let Screen::Chat(chat) = &mut model.screen else {
        return;
    };
    match item {
        Item::Ready { .. } => {}
        Item::Event(event) => take_event(chat, event, focused, effects),
        Item::Live { room, seq, log_id } => went_live(chat, &room, seq, log_id),
        Item::Rebuilt { room } => {
            if let Some(state) = chat.rooms.get_mut(&room) {
                state.history.place(0, true);
                state.room.head_seq = 0;
                state.room.read_seq = 0;
                (state.marked, state.readers_asked) = (0, 0);
            }
        }
        Item::Gap { .. } => model.complain("messages are missing: asking for them"),
        Item::RoomCounter(counter) => {
            let louder = counter.highest_priority() == Priority::Urgent;
            if let Some(state) = chat.rooms.get_mut(&counter.room) {
                let more = counter.unread_count > state.room.unread_count;
                // What is followed counts itself; the server knows what was read elsewhere.
                if state.follow == Following::No || !more {
                    state.count(&counter);
                }
                if more && (louder || state.is_direct()) && !focused {
                    effects.push(Effect::Bell);
                }
            }
        }
        Item::RoomGained { room } => effects.push(Call::Look(room).into()),
        Item::RoomLost { room } => lost(model, &room),
        Item::Typing(typing) => {
            let me = chat.me.name.clone();
            if let Some(state) = chat.rooms.get_mut(&typing.room) {
                for account in typing.accounts.into_iter().filter(|a| *a != me) {
                    state.typing.insert(account, now + limits::TYPING_SHOWN);
                }
            }
        }
        Item::Presence(presence) => {
            let state = presence.state();
            chat.people.set_presence(&presence.account, state);
        }
        Item::ReadMarker(marker) => {
            if let Some(state) = chat.rooms.get_mut(&marker.room) {
                let read = state.read_by.entry(marker.account).or_default();
                *read = (*read).max(marker.seq);
            }
        }
        Item::Reconnecting {
            attempt,
            wait,
            cause,
        } => {
            chat.connection = Connection::Down {
                at: now + wait,
                attempt,
                cause: crate::text::clean_line(&cause),
            };
        }
        Item::Reconnected => {
            chat.connection = Connection::Up;
            chat.people.forgive();
            // What happened to the list of rooms meanwhile, nobody told.
            effects.push(Effect::Ask(Ask::Rooms));
        }
        Item::SignedOut => sign_in::ask(model, Some("You were signed out.")),
        Item::Ended(error) => model.leave_chat(Screen::Failed(error)),
    }
}

/// The room is gone, or one is not in it any more. No other takes its place by itself: what is being
/// typed was not meant for it.
pub(super) fn lost(model: &mut Model, room: &str) {
    let Some(chat) = model.chat_mut() else {
        return;
    };
    let Some(gone) = chat.rooms.remove(room) else {
        return;
    };
    let title = chat.title(&gone);
    let before = chat.unsent.len();
    chat.unsent
        .retain(|unsent| unsent.message.request().room != room);
    let unsent = before - chat.unsent.len();
    if chat.open.as_deref() == Some(room) {
        chat.open = None;
        chat.lost = Some(title.clone());
    }
    let mut text = format!("you are not in {title} any more");
    if unsent > 0 {
        text.push_str(&format!("; not sent there: {unsent}"));
    }
    model.say(text);
}

fn went_live(chat: &mut Chat, room: &str, seq: u64, log_id: String) {
    let Some(state) = chat.rooms.get_mut(room) else {
        return;
    };
    state.follow = Following::Yes;
    state.room.head_seq = state.room.head_seq.max(seq);
    state.room.log_id = log_id;
    if !state.history.is_placed() {
        state.history.place(seq, true);
    }
}

fn take_event(chat: &mut Chat, event: Event, focused: bool, effects: &mut Vec<Effect>) {
    let me = chat.me.name.clone();
    let open = chat.open.as_deref() == Some(&event.room);
    let Some(state) = chat.rooms.get_mut(&event.room) else {
        return;
    };
    state.room.head_seq = state.room.head_seq.max(event.seq);
    state.room.message_count = state.room.message_count.max(event.message_count);
    state.typing.remove(&event.actor);
    let own = event.actor == me;
    match &event.kind {
        Some(Kind::Message(message)) if own => {
            let id = message.client_message_id.clone();
            chat.unsent.retain(|unsent| unsent.message.id() != id);
        }
        Some(Kind::Message(message)) => {
            let priority = message.priority();
            state.read_by.insert(event.actor.clone(), event.seq);
            if open && !focused && state.new_after.is_none() {
                state.new_after = Some(event.seq - 1);
            }
            if event.seq > state.room.read_seq {
                state.room.unread_count += 1;
                state.loudest = state.loudest.max(priority);
            }
            let wanted = priority == Priority::Urgent || state.is_direct();
            if wanted && (!focused || !open) {
                effects.push(Effect::Bell);
            }
        }
        Some(Kind::MembershipChange(change)) => {
            state.members = None;
            let count = &mut state.room.member_count;
            match change.kind() {
                Membership::Added | Membership::Joined => *count += 1,
                Membership::Left | Membership::Removed => *count = count.saturating_sub(1),
                // Whoever is banned may not have been a member: the server counts.
                Membership::Banned => effects.push(Call::Look(event.room.clone()).into()),
                Membership::Unbanned
                | Membership::RoleSet
                | Membership::Muted
                | Membership::Unmuted
                | Membership::Unspecified => {}
            }
        }
        Some(Kind::RoomChange(change)) => {
            let mut room = state.room.clone();
            room.display_name.clone_from(&change.display_name);
            room.topic.clone_from(&change.topic);
            room.archived = change.archived;
            state.update(room);
        }
        Some(Kind::MessageEdit(_) | Kind::MessageDeletion(_)) | None => {}
    }
    if let Some(state) = chat.rooms.get_mut(&event.room) {
        let reads_back = state.scroll != Scroll::Bottom;
        state.history.happen(event, reads_back);
    }
}
