//! How events are printed: a line for people, an object for programs.

use rookery_client::v1::event::Kind;
use rookery_client::v1::{Account, Attachment, Event, Format, Message, Priority};
use serde_json::{Value, json};

use crate::out;
use crate::text::{clean, clean_line, size};
use crate::time::Zone;

/// Prints what happens in a room.
pub(super) struct Show {
    json: bool,
    zone: Zone,
}

/// What is printed of an account.
#[derive(Clone, Debug)]
pub(super) struct Person {
    user_name: String,
    display_name: String,
}

impl Person {
    pub(super) fn of(account: &Account) -> Self {
        Self {
            user_name: account.user_name.clone(),
            display_name: account.display_name.clone(),
        }
    }
}

impl Show {
    pub(super) const fn new(json: bool, zone: Zone) -> Self {
        Self { json, zone }
    }

    /// An event. False if nobody reads any more.
    pub(super) fn event(&self, event: &Event, by: &Person) -> bool {
        if self.json {
            return out::json(&event_json(event, by));
        }
        self.text(event, by).is_none_or(|text| out::line(&text))
    }

    /// A line of the input is in the room.
    pub(super) fn sent(&self, id: &str, seq: u64) -> bool {
        !self.json || out::json(&json!({ "type": "sent", "client_message_id": id, "seq": seq }))
    }

    /// From here on, what is printed happens now.
    pub(super) fn live(&self, seq: u64) -> bool {
        !self.json || out::json(&json!({ "type": "live", "seq": seq }))
    }

    /// The line for people, where there is one.
    fn text(&self, event: &Event, by: &Person) -> Option<String> {
        let clock = self.zone.clock(&event.create_time.unwrap_or_default());
        let name = clean_line(&by.display_name);
        let (mark, message) = match event.kind.as_ref()? {
            Kind::Message(message) => ("", message),
            Kind::MessageEdit(edit) => ("(changed) ", edit.message.as_ref()?),
            Kind::MessageDeletion(deletion) => {
                return Some(format!(
                    "{clock} {name} deleted number {}",
                    deletion.target_seq
                ));
            }
            Kind::MembershipChange(_) | Kind::RoomChange(_) => return None,
        };
        if message.deleted {
            return Some(format!("{clock} {name}: (deleted)"));
        }
        let loud = match message.priority() {
            Priority::Urgent => "(urgent) ",
            Priority::High => "(high) ",
            Priority::Normal | Priority::Unspecified => "",
        };
        let body = clean(&message.body).replace('\n', "\n      ");
        let mut line = format!("{clock} {name}: {mark}{loud}{body}");
        for file in &message.attachments {
            let (name, bytes) = (clean_line(&file.display_name), size(file.size));
            line.push_str(&format!(
                "\n      [{name}, {bytes}, {}]",
                clean_line(&file.media_type)
            ));
        }
        Some(line)
    }
}

pub(super) const fn is_message(event: &Event) -> bool {
    matches!(event.kind, Some(Kind::Message(_)))
}

fn event_json(event: &Event, by: &Person) -> Value {
    let at = event.create_time.unwrap_or_default();
    let mut value = json!({
        "room": event.room,
        "seq": event.seq,
        "time": at.to_string(),
        "actor": event.actor,
        "user_name": by.user_name,
        "display_name": by.display_name,
    });
    let more = match &event.kind {
        Some(Kind::Message(message)) => message_json("message", message),
        Some(Kind::MessageEdit(edit)) => {
            let message = edit.message.clone().unwrap_or_default();
            let mut value = message_json("edit", &message);
            value["target_seq"] = json!(edit.target_seq);
            value
        }
        Some(Kind::MessageDeletion(deletion)) => {
            json!({ "type": "deletion", "target_seq": deletion.target_seq })
        }
        Some(Kind::MembershipChange(change)) => json!({
            "type": "membership",
            "account": change.account,
            "change": lower(change.kind().as_str_name(), "KIND_"),
            "role": lower(change.role().as_str_name(), "ROLE_"),
        }),
        Some(Kind::RoomChange(change)) => json!({
            "type": "room",
            "name": change.display_name,
            "topic": change.topic,
            "archived": change.archived,
        }),
        None => json!({ "type": "unknown" }),
    };
    if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
        value.extend(more);
    }
    value
}

fn file_json(file: &Attachment) -> Value {
    let sha256 = file.sha256.iter().map(|byte| format!("{byte:02x}"));
    json!({
        "file": file.file,
        "name": file.display_name,
        "size": file.size,
        "media_type": file.media_type,
        "sha256": sha256.collect::<String>(),
    })
}

fn message_json(kind: &str, message: &Message) -> Value {
    let format = match message.format() {
        Format::Markdown => "markdown",
        Format::Code => "code",
        Format::Plain | Format::Unspecified => "plain",
    };
    let priority = match message.priority() {
        Priority::Urgent => "urgent",
        Priority::High => "high",
        Priority::Normal | Priority::Unspecified => "normal",
    };
    json!({
        "type": kind,
        "body": message.body,
        "format": format,
        "priority": priority,
        "reply_to_seq": message.reply_to_seq,
        "client_message_id": message.client_message_id,
        "edited_seq": message.edited_seq,
        "deleted": message.deleted,
        "attachments": message.attachments.iter().map(file_json).collect::<Vec<_>>(),
    })
}

fn lower(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    fn said(body: &str, priority: Priority) -> Event {
        Event {
            room: "rooms/a".to_owned(),
            seq: 7,
            actor: "accounts/ada".to_owned(),
            create_time: Some(Timestamp {
                seconds: 1_795_435_200,
                nanos: 0,
            }),
            kind: Some(Kind::Message(Message {
                body: body.to_owned(),
                priority: priority.into(),
                ..Message::default()
            })),
            ..Event::default()
        }
    }

    fn ada() -> Person {
        Person {
            user_name: "ada".to_owned(),
            display_name: "Ada\u{7}".to_owned(),
        }
    }

    #[test]
    fn people_get_a_harmless_line() {
        let show = Show::new(false, Zone::utc());
        let event = said("one\u{1b}[2J\ntwo", Priority::Urgent);
        assert_eq!(
            show.text(&event, &ada()).expect("a line"),
            "12:00 Ada␇: (urgent) one␛[2J\n      two"
        );
    }

    #[test]
    fn programs_get_all_of_it_on_one_line() {
        let text = event_json(&said("one\u{1b}\n", Priority::Normal), &ada()).to_string();
        assert!(!text.contains(['\n', '\u{1b}']), "{text}");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["type"], "message");
        assert_eq!(value["body"], "one\u{1b}\n");
        assert_eq!(value["seq"], 7);
        assert_eq!(value["time"], "2026-11-23T12:00:00Z");
    }
}
