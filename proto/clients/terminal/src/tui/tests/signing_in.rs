//! Until somebody is signed in.

use std::time::Duration;

use rookery_client::{Code, Error, Fingerprint};

use super::*;
use crate::tui::model::Secret;

fn unknown() -> Error {
    Error::UnknownServer {
        server: "localhost:7443".to_owned(),
        fingerprint: Fingerprint::of(b"certificate"),
    }
}

#[test]
fn a_server_that_is_met_first_is_shown_with_its_fingerprint() {
    let mut stage = Stage::fresh(Wish::default());
    stage.take(Msg::Connected(Err(unknown())));
    let fingerprint = Fingerprint::of(b"certificate");
    let text = fingerprint.to_string();
    let (first, second) = text.split_at(48);
    stage.shows_all(&[
        "A server you have not met",
        first,
        second,
        "y it is the same",
    ]);
    stage.write("x");
    assert!(stage.asked().is_empty(), "only y and n are answers");
    stage.write("y");
    assert_eq!(stage.asked(), [Effect::Connect(Some(fingerprint))]);
}

#[test]
fn a_no_to_the_fingerprint_leaves() {
    let mut stage = Stage::fresh(Wish::default());
    stage.take(Msg::Connected(Err(unknown())));
    stage.write("n");
    assert_eq!(stage.asked(), [Effect::Quit]);
}

#[test]
fn a_replaced_certificate_is_not_clicked_away() {
    let mut stage = Stage::fresh(Wish::default());
    stage.take(Msg::Connected(Err(Error::WrongFingerprint {
        server: "localhost:7443".to_owned(),
        expected: Fingerprint::of(b"old"),
        found: Fingerprint::of(b"new"),
    })));
    stage.write("y");
    assert!(stage.asked().is_empty());
    stage.shows_all(&["certificate was replaced", "--fingerprint"]);
}

#[test]
fn a_server_that_is_away_is_tried_again() {
    let mut stage = Stage::fresh(Wish::default());
    stage.take(Msg::Connected(Err(Error::Unreachable {
        server: "localhost:7443".to_owned(),
        problem: "nothing listens there".to_owned(),
    })));
    stage.shows_all(&["nothing listens there", "Again in 3 s"]);
    stage.take(Msg::Tick(Duration::from_secs(2)));
    assert!(stage.asked().is_empty());
    stage.take(Msg::Tick(Duration::from_secs(3)));
    assert_eq!(stage.asked(), [Effect::Connect(None)]);
}

#[test]
fn signing_in_asks_for_name_and_password_and_shows_no_password() {
    let mut stage = Stage::fresh(Wish::default());
    stage.take(Msg::Connected(Ok(None)));
    stage.write("ada");
    stage.press(KeyCode::Tab);
    stage.write("hunter2");
    stage.shows(&[
        "",
        "",
        "",
        "             ┌ Sign in ───────────────────────────────────────────┐",
        "             │ on localhost:7443                                  │",
        "             │                                                    │",
        "             │ User name       ada                                │",
        "             │ Password        •••••••                            │",
        "             │ Stay signed in  [x]                                │",
        "             │                                                    │",
        "             │ Enter go   F2 I have an invitation   Esc leave     │",
        "             └────────────────────────────────────────────────────┘",
        "",
        "",
        "",
        "",
    ]);
    stage.press(KeyCode::Enter);
    assert_eq!(
        stage.asked(),
        [Effect::SignIn {
            user: "ada".to_owned(),
            password: Secret("hunter2".to_owned()),
            keep: true,
        }]
    );
}

/// What a server says of a password that breaks two rules.
fn too_weak() -> Error {
    let mut details = tonic_types::ErrorDetails::new();
    details.add_bad_request_violation("password", "must have a digit");
    details.add_bad_request_violation("password", "must have 15 characters");
    let status = <tonic::Status as tonic_types::StatusExt>::with_error_details(
        Code::InvalidArgument,
        "the password is too weak",
        details,
    );
    Error::from(status)
}

#[test]
fn every_rule_that_a_password_breaks_is_a_line() {
    let wish = Wish {
        invitation: Some("rk_i_x".to_owned()),
        ..Wish::default()
    };
    let mut stage = Stage::fresh(wish).resize(80, 24);
    // Somebody else is signed in here: the invitation is for a new account all the same.
    stage.take(Msg::Connected(Ok(Some(account("bo")))));
    stage.enter("ada");
    stage.press(KeyCode::Enter);
    stage.enter("short");
    stage.enter("short");
    stage.press(KeyCode::Enter);
    stage.press(KeyCode::Enter);
    let [
        Effect::Register {
            user, invitation, ..
        },
    ] = &stage.asked()[..]
    else {
        panic!("registers");
    };
    assert_eq!((user.as_str(), invitation.as_str()), ("ada", "rk_i_x"));
    stage.take(Msg::SignedIn(Err(too_weak())));
    stage.shows_all(&[
        "New account",
        "password: must have a digit",
        "password: must have 15 characters",
    ]);
    assert!(!stage.text().contains('•'), "it is typed anew");
    stage.take(Msg::SignedIn(Ok(account("ada"))));
    assert_eq!(stage.asked(), [Effect::OpenSession]);
}

#[test]
fn a_wrong_password_is_typed_again_and_the_name_is_not() {
    let mut stage = Stage::fresh(Wish::default());
    stage.take(Msg::Connected(Ok(None)));
    stage.enter("ada");
    stage.enter("wrong");
    stage.take(Msg::SignedIn(Err(refused(
        Code::Unauthenticated,
        "user name or password is wrong",
    ))));
    stage.shows_all(&["user name or password is wrong", "User name       ada"]);
    assert!(!stage.text().contains('•'));
    stage.asked();
    stage.enter("right");
    assert_eq!(stage.asked().len(), 1, "the cursor is on the password");
}

#[test]
fn whoever_is_signed_in_already_is_not_asked() {
    let mut stage = Stage::fresh(Wish::default());
    stage.take(Msg::Connected(Ok(Some(account("ada")))));
    assert_eq!(stage.asked(), [Effect::OpenSession]);
}

#[test]
fn a_sign_out_from_elsewhere_leads_back_to_the_form() {
    let mut stage = Stage::ada();
    stage.take(Msg::Item(Item::SignedOut));
    stage.shows_all(&["Sign in", "You were signed out.", "User name       ada"]);
}
