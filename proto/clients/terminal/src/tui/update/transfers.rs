//! What becomes of files that are sent and saved.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rookery_client::{Attached, Error, Progress};

use super::commands;
use crate::limits;
use crate::text::clean_line;
use crate::tui::command::Words;
use crate::tui::history::Entry;
use crate::tui::model::{Carried, Chat, Effect, Model};
use crate::tui::transfers::{Errand, State};

/// Nothing more is taken.
const TOO_MANY: &str = "too many files are on their way already: /cancel gives one up";

/// Sends a file to a room, with these words.
pub(super) fn send(model: &mut Model, room: String, path: PathBuf, words: Words) {
    let Some(chat) = model.chat_mut() else {
        return;
    };
    let reply_to = chat.room_mut().and_then(|state| state.reply_to.take());
    let errand = Errand::Send {
        room,
        path,
        words,
        reply_to: reply_to.unwrap_or(0),
    };
    if !chat.transfers.push(errand) {
        model.complain(TOO_MANY);
    }
}

/// Saves the files of the chosen message, or of the newest that has some: all, or one of them by its number.
pub(super) fn save(model: &mut Model, number: Option<usize>, to: Option<PathBuf>) {
    let has_files = |entry: &Entry| entry.message().is_some_and(|m| !m.attachments.is_empty());
    let Some(seq) = commands::about(model, |_, entry| has_files(entry)) else {
        return model.complain("there is no message with a file in sight");
    };
    let files = files(model, seq);
    let wanted: Vec<Attached> = match number {
        None => files,
        Some(number) => files.into_iter().skip(number - 1).take(1).collect(),
    };
    let Some(chat) = model.chat_mut() else {
        return;
    };
    if let Some(room) = chat.room_mut() {
        room.selected = None;
    }
    if wanted.is_empty() {
        return model.complain("that message has no such file");
    }
    for of in wanted {
        let of = Box::new(of);
        if !chat.transfers.push(Errand::Save { of, to: to.clone() }) {
            return model.complain(TOO_MANY);
        }
    }
}

fn files(model: &mut Model, seq: u64) -> Vec<Attached> {
    let Some(room) = model.chat_mut().and_then(|chat| chat.room()) else {
        return Vec::new();
    };
    let message = room.history.get(seq).and_then(Entry::message);
    let files = message.map_or(&[][..], |message| &message.attachments);
    let attached = |file: &rookery_client::v1::Attachment| Attached {
        room: room.name().to_owned(),
        seq,
        file: file.clone(),
    };
    files.iter().map(attached).collect()
}

pub(super) fn cancel(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(chat) = model.chat_mut() else {
        return;
    };
    match chat.transfers.cancel() {
        Some(given_up) => {
            let name = given_up.name();
            if matches!(given_up.state, State::Going(_)) {
                effects.push(Effect::GiveUp(given_up.id));
            }
            model.say(format!("gave up {name}"));
        }
        None => model.complain("no file is on its way"),
    }
}

pub(super) fn moved(model: &mut Model, id: u64, at: Duration, progress: Progress) {
    if let Some(chat) = model.chat_mut() {
        chat.transfers.moved(id, at, progress);
    }
}

pub(super) fn carried(
    model: &mut Model,
    id: u64,
    result: Result<Carried, Error>,
    effects: &mut Vec<Effect>,
) {
    let Some(chat) = model.chat_mut() else {
        return;
    };
    match result {
        Ok(Carried::Up(file)) => {
            if let Some(errand) = chat.transfers.end(id) {
                commands::say_with(chat, errand, file, effects);
            }
        }
        Ok(Carried::Down(path)) => {
            if chat.transfers.end(id).is_some() {
                model.say(saved(&path));
            }
        }
        // The name of the file stands before it.
        Err(Error::File { problem, .. }) => chat.transfers.fail(id, clean_line(&problem)),
        Err(error) => chat.transfers.fail(id, clean_line(&error.to_string())),
    }
}

/// Where a file was saved, its name first: the end of a long line is not seen.
fn saved(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    format!("saved {name} in {}", folder.display())
}

/// What Tab made of a line, unless it is another by now.
pub(super) fn completed(model: &mut Model, line: &str, to: &str) {
    let Some(chat) = model.chat_mut() else {
        return;
    };
    let composer = &mut chat.writing_mut().composer;
    if composer.before() == line {
        composer.replace_before(to);
    }
}

/// Begins the next one if none goes on.
pub(super) fn begin(chat: &mut Chat, effects: &mut Vec<Effect>) {
    if let Some((id, errand)) = chat.transfers.begin() {
        effects.push(Effect::Carry(id, errand));
    }
}

/// A message cannot carry more.
const _: () = assert!(
    limits::TRANSFERS_MAX >= 10,
    "/save takes all files of a message"
);
