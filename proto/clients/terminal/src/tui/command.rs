//! Slash commands: what a line means.
//!
//! Invariant: pure. A line is a message, a command, or an error that shows how the command is written.

use std::path::PathBuf;

use prost_types::Timestamp;
use rookery_client::v1::member::Role;
use rookery_client::v1::{Format, Priority};

use super::model::Act;
use super::paths;
use crate::time::{Zone, parse_span};

mod complete;
mod entries;

pub(crate) use complete::{complete, ends_in_path, suggestions};
pub(crate) use entries::ENTRIES;

/// What a line asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// Something about the room that one looks at.
    Here(Here),
    New(String),
    Direct(String),
    Join(String),
    Retry,
    Discard,
    Cancel,
    Uploads,
    Nick(String),
    SignOut,
    Help,
    Quit,
}

/// What a line asks for in a room.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Here {
    Say(Words),
    About(String, Act),
    Invite,
    Uninvite,
    Members,
    Leave,
    Rename(String),
    Topic(String),
    Archive(bool),
    Reply(String),
    Edit,
    Delete,
    Readers,
    Goto(Timestamp),
    /// A file, and what to say with it.
    Send(PathBuf, Words),
    /// A file of a message by its number, or all; in a folder or at a path.
    Save(Option<usize>, Option<PathBuf>),
}

/// Something to say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Words {
    pub(crate) body: String,
    pub(crate) format: Format,
    pub(crate) priority: Priority,
}

/// How the command is written.
pub(crate) type Usage = String;

/// What a line means.
pub(crate) fn parse(line: &str, zone: &Zone) -> Result<Command, Usage> {
    let Some(rest) = line.strip_prefix('/') else {
        return Ok(in_words(say(line, Priority::Normal)));
    };
    // Two slashes: a message that begins with one.
    if rest.starts_with('/') {
        return Ok(in_words(say(rest, Priority::Normal)));
    }
    let (name, text) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let known = ENTRIES.iter().find(|entry| entry.name == name);
    let known = known.ok_or_else(|| format!("there is no {name}; /help shows what there is"))?;
    let usage = || {
        format!("{} {}", known.name, known.usage)
            .trim_end()
            .to_owned()
    };
    command(name, text.trim(), zone).ok_or_else(usage)
}

fn command(name: &str, text: &str, zone: &Zone) -> Option<Command> {
    let mut words = text.split_whitespace();
    let some = || (!text.is_empty()).then(|| text.to_owned());
    let mut user = || words.next().map(user_name);
    let command = match name {
        "/new" => Command::New(some()?),
        "/dm" => Command::Direct(user()?),
        "/join" => Command::Join(some()?),
        "/add" => about(
            user()?,
            Act::Add(words.next().map_or(Some(Role::Member), role)?),
        ),
        "/remove" => about(user()?, Act::Remove),
        "/role" => about(user()?, Act::SetRole(words.next().and_then(role)?)),
        "/mute" => {
            let user = user()?;
            let span = words.next().map(|span| parse_span(span).ok_or(()));
            about(user, Act::Mute(span.transpose().ok()?))
        }
        "/unmute" => about(user()?, Act::Unmute),
        "/ban" => about(user()?, Act::Ban),
        "/unban" => about(user()?, Act::Unban),
        "/rename" => Command::Here(Here::Rename(some()?)),
        "/topic" => Command::Here(Here::Topic(text.to_owned())),
        "/reply" => Command::Here(Here::Reply(text.to_owned())),
        "/goto" => Command::Here(Here::Goto(zone.parse(text)?)),
        "/high" => in_words(say(&some()?, Priority::High)),
        "/urgent" => in_words(say(&some()?, Priority::Urgent)),
        "/code" => as_format(some()?, Format::Code),
        "/plain" => as_format(some()?, Format::Plain),
        "/nick" => Command::Nick(some()?),
        "/send" => {
            let (path, words) = paths::first(text)?;
            Command::Here(Here::Send(path, say(words, Priority::Normal)))
        }
        "/save" => Command::Here(save(text)?),
        other => return without_text(other).filter(|_| text.is_empty()),
    };
    // Nothing may be left over of what takes words.
    let takes_all = matches!(
        name,
        "/new"
            | "/join"
            | "/rename"
            | "/topic"
            | "/reply"
            | "/goto"
            | "/high"
            | "/urgent"
            | "/code"
            | "/plain"
            | "/nick"
            | "/send"
            | "/save"
    );
    (takes_all || words.next().is_none()).then_some(command)
}

fn without_text(name: &str) -> Option<Command> {
    Some(match name {
        "/invite" => Command::Here(Here::Invite),
        "/uninvite" => Command::Here(Here::Uninvite),
        "/members" => Command::Here(Here::Members),
        "/leave" => Command::Here(Here::Leave),
        "/archive" => Command::Here(Here::Archive(true)),
        "/unarchive" => Command::Here(Here::Archive(false)),
        "/edit" => Command::Here(Here::Edit),
        "/delete" => Command::Here(Here::Delete),
        "/readers" => Command::Here(Here::Readers),
        "/retry" => Command::Retry,
        "/discard" => Command::Discard,
        "/cancel" => Command::Cancel,
        "/uploads" => Command::Uploads,
        "/signout" => Command::SignOut,
        "/help" => Command::Help,
        "/quit" => Command::Quit,
        _ => return None,
    })
}

/// A number, a path, both or neither.
fn save(text: &str) -> Option<Here> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (number, path) = match word.parse() {
        Ok(number) => (Some(number), rest),
        Err(_) => (None, text),
    };
    if number == Some(0) {
        return None;
    }
    if path.trim().is_empty() {
        return Some(Here::Save(number, None));
    }
    let (path, rest) = paths::first(path)?;
    rest.is_empty().then_some(Here::Save(number, Some(path)))
}

/// A message, as Markdown if it has any.
pub(crate) fn say(body: &str, priority: Priority) -> Words {
    let marked = body.contains(['*', '_', '`', '#', '>', '[']);
    let format = if marked {
        Format::Markdown
    } else {
        Format::Plain
    };
    let body = body.to_owned();
    Words {
        body,
        format,
        priority,
    }
}

const fn as_format(body: String, format: Format) -> Command {
    in_words(Words {
        body,
        format,
        priority: Priority::Normal,
    })
}

const fn in_words(words: Words) -> Command {
    Command::Here(Here::Say(words))
}

const fn about(user: String, act: Act) -> Command {
    Command::Here(Here::About(user, act))
}

fn user_name(word: &str) -> String {
    word.strip_prefix('@').unwrap_or(word).to_owned()
}

fn role(word: &str) -> Option<Role> {
    Some(match word {
        "member" => Role::Member,
        "moderator" => Role::Moderator,
        "owner" => Role::Owner,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, Usage> {
        parse(line, &Zone::utc())
    }

    #[test]
    fn lines_are_messages_unless_they_begin_with_a_slash() {
        let words = |body, priority| Ok(in_words(say(body, priority)));
        assert_eq!(read("hello"), words("hello", Priority::Normal));
        assert_eq!(read("//usr/bin"), words("/usr/bin", Priority::Normal));
        assert_eq!(read("/urgent fire"), words("fire", Priority::Urgent));
    }

    #[test]
    fn a_message_is_markdown_if_it_has_marks() {
        let format = |text| say(text, Priority::Normal).format;
        assert_eq!(format("just words"), Format::Plain);
        assert_eq!(format("*strong* words"), Format::Markdown);
    }

    #[test]
    fn commands_take_what_they_take_and_nothing_else() {
        assert_eq!(
            read("/add @bo owner"),
            Ok(about("bo".to_owned(), Act::Add(Role::Owner)))
        );
        assert_eq!(
            read("/add bo"),
            Ok(about("bo".to_owned(), Act::Add(Role::Member)))
        );
        assert_eq!(
            read("/mute bo 10m"),
            Ok(about("bo".to_owned(), Act::Mute(Some(600))))
        );
        assert_eq!(
            read("/mute bo"),
            Ok(about("bo".to_owned(), Act::Mute(None)))
        );
        assert_eq!(
            read("/topic"),
            Ok(Command::Here(Here::Topic(String::new())))
        );
        assert_eq!(read("/new my room"), Ok(Command::New("my room".to_owned())));
        for (line, usage) in [
            ("/add", "/add USER [member|moderator|owner]"),
            ("/add bo king", "/add USER [member|moderator|owner]"),
            ("/add bo owner now", "/add USER [member|moderator|owner]"),
            ("/mute bo forever", "/mute USER [10m|2h|7d]"),
            ("/role bo", "/role USER member|moderator|owner"),
            ("/goto tomorrow", "/goto DATE [TIME]"),
            ("/quit now", "/quit"),
            ("/send", "/send PATH [TEXT]"),
            ("/send 'a", "/send PATH [TEXT]"),
            ("/save 0", "/save [N] [PATH]"),
            ("/save 1 a b", "/save [N] [PATH]"),
            ("/new", "/new NAME"),
        ] {
            assert_eq!(read(line), Err(usage.to_owned()), "{line}");
        }
        assert!(read("/nope").expect_err("unknown").contains("/help"));
    }

    #[test]
    fn files_are_named_by_path_and_by_number() {
        let send = |path: &str, words| {
            let words = say(words, Priority::Normal);
            Ok(Command::Here(Here::Send(path.into(), words)))
        };
        assert_eq!(read("/send a.png"), send("a.png", ""));
        assert_eq!(read("/send 'a b.png' *look*"), send("a b.png", "*look*"));
        let save = |number, path: Option<&str>| {
            Ok(Command::Here(Here::Save(number, path.map(PathBuf::from))))
        };
        assert_eq!(read("/save"), save(None, None));
        assert_eq!(read("/save 2"), save(Some(2), None));
        assert_eq!(read("/save ~/x"), save(None, Some("~/x")));
        assert_eq!(read(r"/save 2 my\ file"), save(Some(2), Some("my file")));
    }

    #[test]
    fn every_command_of_the_help_is_understood() {
        for entry in ENTRIES {
            let example = entry
                .usage
                .replace("DATE [TIME]", "2026-11-23 14:00")
                .replace("[10m|2h|7d]", "10m")
                .replace("[member|moderator|owner]", "owner")
                .replace("member|moderator|owner", "owner")
                .replace("[TEXT]", "text")
                .replace("[N] [PATH]", "1 path");
            let line = format!("{} {example}", entry.name);
            assert!(read(line.trim_end()).is_ok(), "{line}");
        }
    }
}
