//! Until somebody is signed in: connecting, trust, the form.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "most keys mean nothing in most places"
)]

use crossterm::event::{KeyCode, KeyEvent};
use rookery_client::v1::Account;
use rookery_client::{Code, Error};

use super::keys::edit;
use crate::limits;
use crate::tui::form::{Field, SignInForm};
use crate::tui::model::{Chat, Effect, Model, Screen};

pub(super) fn connected(
    model: &mut Model,
    result: Result<Option<Account>, Error>,
    effects: &mut Vec<Effect>,
) {
    match result {
        // An invitation on the command line is for a new account, whoever else has one here.
        Ok(Some(me)) if model.wish.invitation.is_none() => enter(model, me, effects),
        Ok(_) => ask(model, None),
        Err(Error::UnknownServer { fingerprint, .. }) => {
            model.leave_chat(Screen::Trust(fingerprint));
        }
        Err(error) if error.is_transient() => {
            let again = model.now + limits::CONNECT_AGAIN_EVERY;
            model.leave_chat(Screen::Connecting(Some((error.to_string(), again))));
        }
        Err(error) if error.code() == Some(Code::Unauthenticated) => {
            ask(model, Some("You were signed out. Sign in again."));
        }
        Err(error) => model.leave_chat(Screen::Failed(error)),
    }
}

/// Shows the form.
pub(super) fn ask(model: &mut Model, problem: Option<&str>) {
    let invitation = model.wish.invitation.clone();
    let invitation = invitation.as_deref();
    // Whoever was here most likely comes back.
    model.leave_chat(Screen::Connecting(None));
    let last = model.left.as_ref().map(|chat| chat.me.user_name.clone());
    let user = model.wish.user.clone().or(last);
    let mut form = SignInForm::new(user.as_deref(), invitation);
    form.problems.extend(problem.map(str::to_owned));
    model.screen = Screen::SignIn(form);
}

pub(super) fn signed_in(
    model: &mut Model,
    result: Result<Account, Error>,
    effects: &mut Vec<Effect>,
) {
    match result {
        Ok(me) => {
            model.wish.invitation = None;
            enter(model, me, effects);
        }
        Err(error) => {
            if let Screen::SignIn(form) = &mut model.screen {
                form.refuse(&error);
            }
        }
    }
}

fn enter(model: &mut Model, me: Account, effects: &mut Vec<Effect>) {
    model.notice = None;
    // What somebody wrote is nobody else's.
    let left = model.left.take().filter(|chat| chat.me.name == me.name);
    let chat = left.map_or_else(|| Box::new(Chat::new(me.clone())), Chat::resumed);
    model.screen = Screen::Chat(chat);
    effects.push(Effect::OpenSession);
}

/// A key while the screen asks about a server that is not known.
pub(super) fn press_trust(model: &mut Model, key: KeyEvent, effects: &mut Vec<Effect>) {
    let Screen::Trust(fingerprint) = model.screen else {
        return;
    };
    match key.code {
        KeyCode::Char('y' | 'Y') => {
            model.screen = Screen::Connecting(None);
            effects.push(Effect::Connect(Some(fingerprint)));
        }
        KeyCode::Char('n' | 'N') | KeyCode::Esc => effects.push(Effect::Quit),
        _ => {}
    }
}

/// A key in the form.
pub(super) fn press_form(form: &mut SignInForm, key: KeyEvent, effects: &mut Vec<Effect>) {
    let field = form.field();
    match key.code {
        KeyCode::Esc => effects.push(Effect::Quit),
        KeyCode::F(2) if !form.busy => form.toggle(),
        KeyCode::Tab | KeyCode::Down => form.go(true),
        KeyCode::BackTab | KeyCode::Up => form.go(false),
        KeyCode::Enter if form.at + 1 < form.fields().len() && !is_complete(form) => {
            form.go(true);
        }
        KeyCode::Enter => effects.extend(form.submit()),
        KeyCode::Char(' ') if field == Field::Keep => form.keep = !form.keep,
        KeyCode::Char(c) if edit::is_text(key) => form.insert(&c.to_string()),
        _ => {
            if let Some(input) = form.input(field) {
                edit::press(input, key);
            }
        }
    }
}

/// Whether Enter sends the form, wherever the cursor is: on the password of a filled form it should.
fn is_complete(form: &SignInForm) -> bool {
    !form.registering && form.field() == Field::Password
}
