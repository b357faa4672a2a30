//! What each slash command does to the model, and what it asks of the server.

use rookery_client::v1::{EditMessageRequest, Priority, SendMessageRequest};
use rookery_client::{Outgoing, new_request_id};

use super::keys::to_the_end;
use super::transfers;
use crate::limits;
use crate::tui::command::{self, Command, Here, Words};
use crate::tui::history::Entry;
use crate::tui::model::{Act, Ask, Call, Chat, Effect, Model, Overlay, Unsent, Want};
use crate::tui::transfers::Errand;

pub(super) fn run(model: &mut Model, command: Command, effects: &mut Vec<Effect>) {
    // What was said about the one before is old.
    model.notice = None;
    match command {
        Command::Here(here) => {
            let open = model.chat_mut().and_then(|chat| chat.open.clone());
            match open {
                Some(room) => in_room(model, room, here, effects),
                None => model.complain("open a room first: /new, /join or /dm"),
            }
        }
        Command::Help => model.overlay = Some(Overlay::Help(0)),
        Command::Quit => effects.push(Effect::Quit),
        Command::New(name) => effects.push(Call::NewRoom(name).into()),
        Command::Direct(user) => effects.push(Call::Direct(user).into()),
        Command::Join(link) => effects.push(Call::Join(link).into()),
        Command::Uploads => effects.push(Call::Uploads.into()),
        Command::Nick(name) => effects.push(Call::Nick(name).into()),
        Command::SignOut => confirm(
            model,
            "End this sign-in and forget its token?",
            Call::SignOut,
        ),
        Command::Retry => retry(model, effects),
        Command::Discard => {
            if let Some(chat) = model.chat_mut() {
                chat.unsent.retain(|unsent| unsent.failed.is_none());
                chat.transfers.discard();
            }
        }
        Command::Cancel => transfers::cancel(model, effects),
    }
}

/// Commands about the room that one looks at.
pub(super) fn in_room(model: &mut Model, room: String, here: Here, effects: &mut Vec<Effect>) {
    let call = match here {
        Here::Say(words) => return say(model, room, words, effects),
        Here::Send(path, words) => return transfers::send(model, room, path, words),
        Here::Save(number, to) => return transfers::save(model, number, to),
        Here::Reply(text) => return reply(model, room, &text, effects),
        Here::Edit => return edit(model),
        Here::Delete => return delete(model, room),
        Here::Readers => {
            return match about(model, |chat, entry| entry.actor == chat.me.name) {
                Some(seq) => effects.push(Call::Readers(room, seq).into()),
                None => model.complain(NOT_THERE),
            };
        }
        Here::Goto(time) => {
            if let Some(state) = model.chat_mut().and_then(Chat::room_mut) {
                state.loading = true;
            }
            effects.push(Effect::Ask(Ask::Page(room, Want::From(time))));
            return;
        }
        Here::Invite => Call::Invite(room),
        Here::Uninvite => Call::Uninvite(room),
        Here::Members => Call::Members(room),
        Here::Rename(name) => Call::Rename(room, name),
        Here::Topic(topic) => Call::Topic(room, topic),
        Here::Archive(false) => Call::Archive(room, false),
        Here::About(user, Act::Remove) => {
            let question = format!("Take this room from {user}?");
            return confirm(model, &question, Call::About(room, user, Act::Remove));
        }
        Here::About(user, Act::Ban) => {
            let question = format!("Remove {user} and keep them out?");
            return confirm(model, &question, Call::About(room, user, Act::Ban));
        }
        Here::About(user, act) => Call::About(room, user, act),
        Here::Leave => return confirm(model, "Leave this room?", Call::Leave(room)),
        Here::Archive(true) => {
            let call = Call::Archive(room, true);
            return confirm(model, "Make this room read-only?", call);
        }
    };
    effects.push(call.into());
}

/// What is meant is not among what is loaded.
const NOT_THERE: &str = "there is no message of yours in sight: scroll up and choose one";

fn confirm(model: &mut Model, question: &str, call: Call) {
    model.overlay = Some(Overlay::Confirm {
        question: question.to_owned(),
        then: call.into(),
    });
}

/// Sends a message, or saves a change of one.
fn say(model: &mut Model, room: String, words: Words, effects: &mut Vec<Effect>) {
    let Words {
        body,
        format,
        priority,
    } = words;
    if body.len() > limits::BODY_BYTES_MAX {
        let text = format!("too long by {} bytes", body.len() - limits::BODY_BYTES_MAX);
        give_back(model, &body);
        return model.complain(text);
    }
    let Some(chat) = model.chat_mut() else {
        return;
    };
    let Some(state) = chat.room_mut() else {
        return;
    };
    if let Some(seq) = state.editing.take() {
        let request = EditMessageRequest {
            room,
            seq,
            body,
            format: format.into(),
            client_message_id: new_request_id(),
            remove_attachments: Vec::new(),
        };
        effects.push(Effect::Ask(Ask::Edit(request)));
        return;
    }
    if chat.unsent.len() >= limits::UNSENT_MAX {
        give_back(model, &body);
        return model.complain("too many messages wait to be sent already");
    }
    let reply_to_seq = chat.room_mut().and_then(|state| state.reply_to.take());
    let message = Outgoing::from(SendMessageRequest {
        room,
        client_message_id: new_request_id(),
        body,
        format: format.into(),
        priority: priority.into(),
        reply_to_seq: reply_to_seq.unwrap_or(0),
        attachments: Vec::new(),
    });
    chat.typing_told = None;
    to_the_end(chat);
    if let Some(state) = chat.room_mut() {
        state.new_after = None;
    }
    send(chat, message, None, effects);
}

/// Says something with a file that has come up.
pub(super) fn say_with(chat: &mut Chat, errand: Errand, file: String, effects: &mut Vec<Effect>) {
    let called = errand.name();
    let Errand::Send {
        room,
        words,
        reply_to,
        ..
    } = errand
    else {
        return;
    };
    let message = Outgoing::from(SendMessageRequest {
        room,
        client_message_id: new_request_id(),
        body: words.body,
        format: words.format.into(),
        priority: words.priority.into(),
        reply_to_seq: reply_to,
        attachments: vec![file],
    });
    send(chat, message, Some(called), effects);
}

fn send(chat: &mut Chat, message: Outgoing, file: Option<String>, effects: &mut Vec<Effect>) {
    chat.unsent.push(Unsent {
        message: message.clone(),
        file,
        failed: None,
    });
    effects.push(Effect::Send(message));
}

/// What was written is not lost because it cannot be sent.
fn give_back(model: &mut Model, body: &str) {
    if let Some(chat) = model.chat_mut() {
        chat.writing_mut().composer.set(body);
    }
}

fn reply(model: &mut Model, room: String, text: &str, effects: &mut Vec<Effect>) {
    let Some(seq) = about(model, |chat, entry| entry.actor != chat.me.name) else {
        return model.complain("there is nothing to answer here");
    };
    if let Some(state) = model.chat_mut().and_then(Chat::room_mut) {
        state.reply_to = Some(seq);
        state.selected = None;
    }
    if !text.is_empty() {
        say(model, room, command::say(text, Priority::Normal), effects);
    }
}

fn edit(model: &mut Model) {
    // What could not be saved comes first, unless another message is chosen.
    let room = model.chat_mut().and_then(|chat| chat.room_mut());
    let unsaved = room
        .filter(|room| room.selected.is_none())
        .and_then(|room| room.unsaved.last_key_value())
        .map(|(seq, _)| *seq);
    let newest = || about(model, |chat, entry| entry.actor == chat.me.name);
    let Some(seq) = unsaved.or_else(newest) else {
        return model.complain(NOT_THERE);
    };
    let Some(chat) = model.chat_mut() else {
        return;
    };
    let me = chat.me.name.clone();
    let Some(room) = chat.room_mut() else {
        return;
    };
    room.selected = None;
    let entry = room.history.get(seq).filter(|entry| entry.actor == me);
    let shown = entry
        .and_then(Entry::message)
        .map(|message| message.body.clone());
    match room.unsaved.remove(&seq).or(shown) {
        Some(body) => {
            room.editing = Some(seq);
            room.reply_to = None;
            room.composer.set(&body);
        }
        None => model.complain("only messages of your own can be changed"),
    }
}

fn delete(model: &mut Model, room: String) {
    let Some(seq) = about(model, |chat, entry| entry.actor == chat.me.name) else {
        return model.complain(NOT_THERE);
    };
    if let Some(state) = model.chat_mut().and_then(Chat::room_mut) {
        state.selected = None;
    }
    confirm(
        model,
        "Delete this message for everybody?",
        Call::Delete(room, seq),
    );
}

/// The chosen message, or the newest that fits.
pub(super) fn about(model: &mut Model, fits: impl Fn(&Chat, &Entry) -> bool) -> Option<u64> {
    let chat = model.chat_mut()?;
    let room = chat.room()?;
    let chosen = room.selected.and_then(|seq| room.history.get(seq));
    let chosen = chosen.filter(|entry| entry.message().is_some_and(|message| !message.deleted));
    if room.selected.is_some() {
        return chosen.map(|entry| entry.seq);
    }
    let newest = room.history.newest_message(|entry| fits(chat, entry));
    newest.map(|entry| entry.seq)
}

/// Sends again what the server did not want.
fn retry(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(chat) = model.chat_mut() else {
        return;
    };
    chat.transfers.retry();
    for unsent in chat
        .unsent
        .iter_mut()
        .filter(|unsent| unsent.failed.is_some())
    {
        unsent.failed = None;
        effects.push(Effect::Send(unsent.message.clone()));
    }
}
