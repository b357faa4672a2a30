//! What somebody wrote, when the screen has to show something else or is closed.
//!
//! Invariant: pure. What one person wrote is kept until they come back or are told of it, and is never
//! another's.

use super::model::{Chat, Connection, Model, Screen};
use super::transfers::Errand;

impl Model {
    /// Shows something else than the chat, which is kept for when the same person comes back.
    pub(super) fn leave_chat(&mut self, screen: Screen) {
        self.overlay = None;
        if let Screen::Chat(chat) = std::mem::replace(&mut self.screen, screen) {
            self.left = Some(chat);
        }
    }

    /// The messages that no room has, for whoever leaves without them.
    pub(crate) fn unsent(&self) -> Option<String> {
        let chat = match &self.screen {
            Screen::Chat(chat) => chat,
            Screen::Connecting(_) | Screen::Trust(_) | Screen::Failed(_) | Screen::SignIn(_) => {
                self.left.as_ref()?
            }
        };
        let title = |name: &String| {
            let room = chat.rooms.get(name);
            room.map_or_else(|| name.clone(), |room| chat.title(room))
        };
        let messages = chat.unsent.iter().map(|unsent| {
            let request = unsent.message.request();
            let file = unsent.file.as_ref();
            let file = file.map_or_else(String::new, |file| format!(" [{file}]"));
            format!("{}:{file} {}", title(&request.room), request.body)
        });
        let files = chat.transfers.iter().filter_map(|transfer| {
            let Errand::Send { room, words, .. } = &transfer.errand else {
                return None;
            };
            Some(format!(
                "{}: [{}] {}",
                title(room),
                transfer.name(),
                words.body
            ))
        });
        let lines: Vec<String> = messages.chain(files).collect();
        let mut text = match lines.len() {
            0 => return None,
            1 => "1 message was not sent:".to_owned(),
            count => format!("{count} messages were not sent:"),
        };
        for line in lines {
            text.push_str("\n  ");
            text.push_str(line.trim_end());
        }
        Some(text)
    }
}

impl Chat {
    /// The same chat, before its next session. What is loaded and written is there; what was on its way
    /// is asked for again.
    pub(crate) fn resumed(mut self: Box<Self>) -> Box<Self> {
        self.connection = Connection::Opening;
        self.watched.clear();
        self.typing_told = None;
        self.people.rest();
        for room in self.rooms.values_mut() {
            room.rest();
        }
        self
    }
}
