//! Questions on the terminal, one line each.
//!
//! Invariant: a password is not echoed, and the terminal is as before when the question returns. Where
//! there is no terminal, nobody is asked: a script gets an error that says what to give instead.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal;

use crate::exit::Failure;

/// A line of text.
pub(crate) fn line(question: &str) -> Result<String, Failure> {
    let needs = "nobody to ask for the user name: give --user";
    ask(question, needs)
}

/// Yes or no.
pub(crate) fn confirm(question: &str) -> Result<bool, Failure> {
    let needs =
        "nobody to ask whether the server is the right one: give --fingerprint or --ca-file";
    let answer = ask(question, needs)?;
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

/// A line of text that is not shown.
pub(crate) fn hidden(question: &str) -> Result<String, Failure> {
    let needs = "nobody to ask for the password: give --password-file or --token-file";
    terminal_or(needs)?;
    show(question)?;
    terminal::enable_raw_mode().map_err(|error| io(&error))?;
    let typed = type_hidden();
    terminal::disable_raw_mode().map_err(|error| io(&error))?;
    show("\n")?;
    typed
}

fn ask(question: &str, needs: &str) -> Result<String, Failure> {
    terminal_or(needs)?;
    show(question)?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| io(&error))?;
    Ok(answer.trim().to_owned())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most keys mean nothing here"
)]
fn type_hidden() -> Result<String, Failure> {
    let mut typed = String::new();
    loop {
        let Event::Key(key) = event::read().map_err(|error| io(&error))? else {
            continue;
        };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Ok(typed),
            KeyCode::Char('c' | 'd') if control => {
                return Err(Failure::SignIn("no password given".to_owned()));
            }
            KeyCode::Char('u') if control => typed.clear(),
            KeyCode::Backspace => drop(typed.pop()),
            KeyCode::Char(c) if !control => typed.push(c),
            _ => {}
        }
    }
}

fn terminal_or(needs: &str) -> Result<(), Failure> {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        Ok(())
    } else {
        Err(Failure::SignIn(needs.to_owned()))
    }
}

/// On standard error, so that what a command prints stays clean.
fn show(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stderr().lock();
    let shown = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    shown.map_err(|error| io(&error))
}

fn io(error: &std::io::Error) -> Failure {
    Failure::Io(format!("the terminal: {error}"))
}
