//! Slash commands: what there is, how it is written, what a line means.
//!
//! Invariant: pure. A line is a message, a command, or an error that shows how the command is written.

use prost_types::Timestamp;
use rookery_client::v1::member::Role;
use rookery_client::v1::{Format, Priority};

use super::model::Act;
use crate::time::{Zone, parse_span};

/// What a command does, for the help and the completion.
#[derive(Debug)]
pub(crate) struct Entry {
    /// With the slash.
    pub(crate) name: &'static str,
    /// What follows the name.
    pub(crate) usage: &'static str,
    pub(crate) about: &'static str,
    /// Whether the first word after the name is a user name.
    pub(crate) takes_user: bool,
}

const fn entry(name: &'static str, usage: &'static str, about: &'static str) -> Entry {
    Entry {
        name,
        usage,
        about,
        takes_user: false,
    }
}

const fn about_user(name: &'static str, usage: &'static str, about: &'static str) -> Entry {
    Entry {
        takes_user: true,
        ..entry(name, usage, about)
    }
}

/// All commands, in the order of the help.
pub(crate) const ENTRIES: &[Entry] = &[
    entry("/new", "NAME", "make a room"),
    about_user("/dm", "USER", "open the conversation with somebody"),
    entry("/join", "LINK", "join a room by its link"),
    entry(
        "/invite",
        "",
        "make a link that lets whoever has it join this room",
    ),
    entry("/uninvite", "", "void the link of this room"),
    about_user(
        "/add",
        "USER [member|moderator|owner]",
        "add somebody to this room",
    ),
    about_user("/remove", "USER", "take this room from somebody"),
    about_user(
        "/role",
        "USER member|moderator|owner",
        "set somebody's role here",
    ),
    about_user(
        "/mute",
        "USER [10m|2h|7d]",
        "keep somebody from writing here",
    ),
    about_user("/unmute", "USER", "let somebody write here again"),
    about_user("/ban", "USER", "remove somebody and keep them out"),
    about_user("/unban", "USER", "let somebody in again"),
    entry("/members", "", "who is in this room"),
    entry("/leave", "", "leave this room"),
    entry("/rename", "NAME", "give this room another name"),
    entry("/topic", "TEXT", "say what this room is about"),
    entry("/archive", "", "make this room read-only"),
    entry("/unarchive", "", "let people write here again"),
    entry(
        "/reply",
        "[TEXT]",
        "answer the selected message, or the last of somebody else",
    ),
    entry("/edit", "", "change the selected message, or your last"),
    entry("/delete", "", "delete the selected message, or your last"),
    entry(
        "/readers",
        "",
        "who has read the selected message, or your last",
    ),
    entry(
        "/goto",
        "DATE [TIME]",
        "show what was said then: 2026-11-23 14:00",
    ),
    entry("/high", "TEXT", "say something important"),
    entry("/urgent", "TEXT", "say something that cannot wait"),
    entry("/code", "TEXT", "say something as code"),
    entry("/plain", "TEXT", "say something as it is, without Markdown"),
    entry("/retry", "", "send again what failed"),
    entry("/discard", "", "throw away what failed"),
    entry("/nick", "NAME", "set the name that others see"),
    entry("/signout", "", "end this sign-in and forget its token"),
    entry("/help", "", "this page"),
    entry("/quit", "", "leave the program; you stay signed in"),
];

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
        "/signout" => Command::SignOut,
        "/help" => Command::Help,
        "/quit" => Command::Quit,
        _ => return None,
    })
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

/// The commands that a line may become; none once its name is complete and text follows.
pub(crate) fn suggestions(line: &str) -> Vec<&'static Entry> {
    if !line.starts_with('/') || line.starts_with("//") {
        return Vec::new();
    }
    let (name, more) = match line.split_once(char::is_whitespace) {
        Some((name, _)) => (name, true),
        None => (line, false),
    };
    let fits = |entry: &&Entry| {
        if more {
            entry.name == name
        } else {
            entry.name.starts_with(name)
        }
    };
    ENTRIES.iter().filter(fits).collect()
}

/// What Tab makes of a line up to the cursor, given the user names that there are: the longest beginning
/// that all candidates share.
pub(crate) fn complete(line: &str, users: &[&str]) -> Option<String> {
    if line.starts_with('/') && !line.contains(char::is_whitespace) {
        let names: Vec<&str> = suggestions(line).iter().map(|entry| entry.name).collect();
        return grown(line, "", &names);
    }
    let start = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let (before, word) = line.split_at(start);
    let command = ENTRIES
        .iter()
        .find(|entry| entry.takes_user && before.trim_end() == entry.name);
    let (mark, part) = match word.strip_prefix('@') {
        Some(part) => ("@", part),
        None if command.is_some() => ("", word),
        None => return None,
    };
    let part = part.to_lowercase();
    let candidates: Vec<&str> = users
        .iter()
        .copied()
        .filter(|user| user.to_lowercase().starts_with(&part))
        .collect();
    let word = grown(&part, mark, &candidates)?;
    Some(format!("{before}{word}"))
}

/// `part` grown to what all candidates share; with a blank behind it if there is one candidate.
fn grown(part: &str, mark: &str, candidates: &[&str]) -> Option<String> {
    let (first, rest) = candidates.split_first()?;
    if rest.is_empty() {
        return Some(format!("{mark}{first} "));
    }
    let shared = first
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| {
            let beginning = first[..*end].to_lowercase();
            rest.iter()
                .all(|other| other.to_lowercase().starts_with(&beginning))
        })
        .last()
        .unwrap_or(0);
    (shared > part.len()).then(|| format!("{mark}{}", &first[..shared]))
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
            ("/new", "/new NAME"),
        ] {
            assert_eq!(read(line), Err(usage.to_owned()), "{line}");
        }
        assert!(read("/nope").expect_err("unknown").contains("/help"));
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
                .replace("[TEXT]", "text");
            let line = format!("{} {example}", entry.name);
            assert!(read(line.trim_end()).is_ok(), "{line}");
        }
    }

    #[test]
    fn suggestions_narrow_down_while_one_types() {
        let names = |line| -> Vec<&str> { suggestions(line).iter().map(|e| e.name).collect() };
        assert_eq!(
            names("/un"),
            ["/uninvite", "/unmute", "/unban", "/unarchive"]
        );
        assert_eq!(names("/mute "), ["/mute"]);
        assert!(names("hello").is_empty() && names("//x").is_empty());
    }

    #[test]
    fn tab_grows_to_what_all_share() {
        let users = ["anna", "Annette", "bo"];
        let tab = |line| complete(line, &users);
        assert_eq!(tab("/inv"), Some("/invite ".to_owned()));
        assert_eq!(tab("/arch"), Some("/archive ".to_owned()));
        assert_eq!(tab("/una"), Some("/unarchive ".to_owned()));
        assert_eq!(tab("/dm a"), Some("/dm ann".to_owned()));
        assert_eq!(tab("/dm b"), Some("/dm bo ".to_owned()));
        assert_eq!(tab("hi @BO"), Some("hi @bo ".to_owned()));
        assert_eq!(tab("hi bo"), None);
        assert_eq!(tab("/dm x"), None);
    }
}
