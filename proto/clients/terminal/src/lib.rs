//! `rookery chat` and `rookery admin`: the terminal clients, to be put into the binary.
//!
//! Owns: the command lines ([`ChatArgs`], [`AdminArgs`]), a screen that one likes to chat on, a plain
//! mode for scripts, and tables for administrators. Stands on `rookery-client` and nothing internal.
//!
//! Invariant: what others wrote reaches a terminal only without control characters; a password is
//! neither echoed nor kept; the terminal is as before when a command returns, also by a panic.
//!
//! Left out: rules of the product. What is allowed, the server says, and it is shown as it says it.

mod admin;
mod args;
mod config;
mod connect;
mod exit;
mod limits;
mod out;
mod plain;
mod prompt;
mod text;
mod time;
mod tui;

use std::process::ExitCode;

pub use args::{
    AccountsCommand, AdminArgs, AdminCommand, ChatArgs, DEFAULT_SERVER, InvitationsCommand,
    KeysCommand, RoleArg, RoomsCommand, ServerArgs, UserArgs,
};

use exit::Failure;

/// Chats, until the user leaves. Brings its own runtime: call it outside of one.
pub fn chat(args: ChatArgs) -> ExitCode {
    let json = args.json;
    let plain = args.plain || args.json;
    let chatted = check(&args).and_then(|()| {
        runtime()?.block_on(async {
            if plain {
                plain::run(args).await
            } else {
                tui::run(args).await
            }
        })
    });
    end(chatted, json)
}

/// Carries out one command of an administrator. Brings its own runtime: call it outside of one.
pub fn admin(args: AdminArgs) -> ExitCode {
    let json = args.json;
    let done = runtime().and_then(|runtime| runtime.block_on(admin::run(args)));
    end(done, json)
}

/// What clap cannot see.
fn check(args: &ChatArgs) -> Result<(), Failure> {
    let plain = args.plain || args.json;
    if plain && args.room.is_none() && args.join.is_none() {
        return Err(Failure::Usage(
            "--plain needs --room ROOM or --join LINK".to_owned(),
        ));
    }
    let only_plain = [
        (args.join.is_some(), "--join"),
        (args.create, "--create"),
        (args.follow, "--follow"),
    ];
    match only_plain.iter().find(|(given, _)| *given && !plain) {
        Some((_, flag)) => Err(Failure::Usage(format!(
            "{flag} goes with --plain or --json"
        ))),
        None => Ok(()),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Io(error.to_string()))
}

fn end(result: Result<(), Failure>, json: bool) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out::trouble(&failure, json);
            failure.code()
        }
    }
}
