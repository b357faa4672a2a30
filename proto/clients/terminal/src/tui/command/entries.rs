//! The commands that there are, as the help and the completion show them.
//!
//! Invariant: each of them is understood as it is written here.

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
    entry("/send", "PATH [TEXT]", "send a file, with or without words"),
    entry(
        "/save",
        "[N] [PATH]",
        "save the files of the selected message, or of the newest with some: all, or number N",
    ),
    entry("/cancel", "", "give up the file that is on its way"),
    entry(
        "/uploads",
        "",
        "list the files that you have sent up and that are in no message",
    ),
    entry("/retry", "", "send or save again what failed"),
    entry("/discard", "", "throw away what failed"),
    entry("/nick", "NAME", "set the name that others see"),
    entry("/signout", "", "end this sign-in and forget its token"),
    entry("/help", "", "this page"),
    entry("/quit", "", "leave the program; you stay signed in"),
];
