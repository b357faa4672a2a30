//! Requests become commands that cannot be invalid. Everything that can be wrong with a request by itself
//! is found here, and named by field.

use cluster_rpc::{InvalidRequest, name, required, time};
use cluster_types::{
    Coded, FieldViolation, FileId, RoomId, Seq, UnixMillis, is_one_line, is_visible,
};
use prost_types::Timestamp;
use proto::v1;

use crate::limits::{ATTACHMENTS_MAX, BODY_BYTES_MAX, DISPLAY_NAME_CHARS_MAX, TOPIC_CHARS_MAX};
use crate::{Action, ClientMessageId, Draft, Format, Priority, Role};

type Read<T> = Result<T, InvalidRequest>;

/// Reads what a SendMessage asks for.
///
/// # Errors
/// Names every field that is wrong.
pub fn send(request: v1::SendMessageRequest) -> Read<(RoomId, Action)> {
    let parts = (
        name::room(&request.room, "room"),
        client_message_id(&request.client_message_id, "client_message_id"),
        body(request.body, !request.attachments.is_empty()),
        format(request.format),
        priority(request.priority),
        files(&request.attachments, "attachments"),
    );
    match parts {
        (Ok(room), Ok(client_message_id), Ok(body), Ok(format), Ok(priority), Ok(files)) => {
            let draft = Draft {
                client_message_id,
                body,
                format,
                priority,
                reply_to: (request.reply_to_seq != 0).then_some(Seq(request.reply_to_seq)),
                files,
            };
            Ok((room, Action::Send(draft)))
        }
        (room, id, body, format, priority, files) => refuse(&[
            room.err(),
            id.err(),
            body.err(),
            format.err(),
            priority.err(),
            files.err(),
        ]),
    }
}

/// Reads what an EditMessage asks for.
///
/// # Errors
/// Names every field that is wrong.
pub fn edit(request: v1::EditMessageRequest) -> Read<(RoomId, Action)> {
    let parts = (
        name::room(&request.room, "room"),
        seq(request.seq, "seq"),
        client_message_id(&request.client_message_id, "client_message_id"),
        // Whether a file is left to the message is for the room to say.
        body(request.body, true),
        format(request.format),
        files(&request.remove_attachments, "remove_attachments"),
    );
    match parts {
        (Ok(room), Ok(target), Ok(client_message_id), Ok(body), Ok(format), Ok(files)) => {
            let draft = Draft {
                client_message_id,
                body,
                format,
                priority: Priority::Normal,
                reply_to: None,
                files,
            };
            Ok((room, Action::Edit { target, draft }))
        }
        (room, seq, id, body, format, files) => refuse(&[
            room.err(),
            seq.err(),
            id.err(),
            body.err(),
            format.err(),
            files.err(),
        ]),
    }
}

/// Reads what a DeleteMessage asks for.
///
/// # Errors
/// Names every field that is wrong.
pub fn delete(request: &v1::DeleteMessageRequest) -> Read<(RoomId, Action)> {
    match (name::room(&request.room, "room"), seq(request.seq, "seq")) {
        (Ok(room), Ok(target)) => Ok((room, Action::Delete { target })),
        (room, seq) => refuse(&[room.err(), seq.err()]),
    }
}

/// Reads a place in a log.
///
/// # Errors
/// Names `field` if it is 0.
pub fn seq(seq: u64, field: &str) -> Read<Seq> {
    if seq == 0 {
        Err(InvalidRequest::field(field, "must be at least 1"))
    } else {
        Ok(Seq(seq))
    }
}

/// Reads a UUID in its 36 character form.
///
/// # Errors
/// Names `field` if it is anything else.
pub fn client_message_id(text: &str, field: &str) -> Read<ClientMessageId> {
    // None of them is ClientMessageId::NONE.
    cluster_rpc::uuid(text, field).map(ClientMessageId)
}

pub(super) fn body(body: String, may_be_empty: bool) -> Read<String> {
    match body.len() {
        0 if !may_be_empty => Err(InvalidRequest::field("body", "must not be empty")),
        0..=BODY_BYTES_MAX => Ok(body),
        bytes => {
            let text = format!("is {bytes} bytes long, {BODY_BYTES_MAX} are allowed");
            Err(InvalidRequest::field("body", text))
        }
    }
}

/// Reads names of files, none of them twice.
fn files(names: &[String], field: &str) -> Read<Vec<FileId>> {
    if names.len() > ATTACHMENTS_MAX {
        let text = format!("has {} files, {ATTACHMENTS_MAX} are allowed", names.len());
        return Err(InvalidRequest::field(field, text));
    }
    let mut files = Vec::with_capacity(names.len());
    let mut violations = Vec::new();
    for (place, text) in names.iter().enumerate() {
        let field = format!("{field}[{place}]");
        match name::file(text, &field) {
            Ok(file) if files.contains(&file) => {
                let description = "is there already".to_owned();
                violations.push(FieldViolation { field, description });
            }
            Ok(file) => files.push(file),
            Err(invalid) => violations.extend(invalid.violations()),
        }
    }
    InvalidRequest::none_of(violations)?;
    Ok(files)
}

fn format(value: i32) -> Read<Format> {
    match v1::Format::try_from(value) {
        Ok(v1::Format::Unspecified | v1::Format::Plain) => Ok(Format::Plain),
        Ok(v1::Format::Markdown) => Ok(Format::Markdown),
        Ok(v1::Format::Code) => Ok(Format::Code),
        Err(_) => Err(unknown("format", value)),
    }
}

fn priority(value: i32) -> Read<Priority> {
    match v1::Priority::try_from(value) {
        Ok(v1::Priority::Unspecified | v1::Priority::Normal) => Ok(Priority::Normal),
        Ok(v1::Priority::High) => Ok(Priority::High),
        Ok(v1::Priority::Urgent) => Ok(Priority::Urgent),
        Err(_) => Err(unknown("priority", value)),
    }
}

/// Reads a role; `None` where it is not named.
///
/// # Errors
/// Names the field if the number is not that of a role.
pub fn role(value: i32) -> Read<Option<Role>> {
    match v1::member::Role::try_from(value) {
        Ok(v1::member::Role::Unspecified) => Ok(None),
        Ok(v1::member::Role::Member) => Ok(Some(Role::Member)),
        Ok(v1::member::Role::Moderator) => Ok(Some(Role::Moderator)),
        Ok(v1::member::Role::Owner) => Ok(Some(Role::Owner)),
        Err(_) => Err(unknown("role", value)),
    }
}

/// The error for a number that no value of an enum has.
pub fn unknown(field: &str, value: i32) -> InvalidRequest {
    InvalidRequest::field(field, format!("has no value {value}"))
}

/// Reads a room's name.
///
/// # Errors
/// Names `field` if nothing of it can be seen, if it is too long, or more than one line.
pub fn display_name(text: String, field: &str) -> Read<String> {
    let text = line(text, field, DISPLAY_NAME_CHARS_MAX)?;
    if !is_visible(&text) {
        let what = "must have a visible character";
        return Err(InvalidRequest::field(field, what));
    }
    Ok(text)
}

/// Reads a room's topic.
///
/// # Errors
/// Names `field` if it is too long or more than one line.
pub fn topic(text: String, field: &str) -> Read<String> {
    line(text, field, TOPIC_CHARS_MAX)
}

fn line(text: String, field: &str, chars_max: usize) -> Read<String> {
    let chars = text.chars().count();
    if chars > chars_max {
        let text = format!("is {chars} characters long, {chars_max} are allowed");
        return Err(InvalidRequest::field(field, text));
    }
    if !is_one_line(&text) {
        let what = "must be one line without control characters";
        return Err(InvalidRequest::field(field, what));
    }
    Ok(text)
}

/// Reads when a mute ends.
///
/// # Errors
/// Names `field` if it is not a time after the beginning of 1970.
pub fn mute_until(until: &Timestamp, field: &str) -> Read<UnixMillis> {
    let until = time::unix_millis(until, field)?;
    if until == UnixMillis(0) {
        return Err(InvalidRequest::field(field, "must be a time since 1970"));
    }
    Ok(until)
}

/// Refuses a request of which these parts are invalid, so that one answer names all of them.
fn refuse<T>(parts: &[Option<InvalidRequest>]) -> Read<T> {
    let violations = parts.iter().flatten().flat_map(Coded::violations).collect();
    InvalidRequest::none_of(violations)?;
    // Only parts that are wrong get here, and each has said so.
    required(None, "request")
}
