//! Registering: invitations, names, and the first administrator.

use std::collections::BTreeSet;

use futures::future::join_all;
use proto::v1;
use services_accounts::administration;
use tonic::Code;

use crate::harness::{DAY, PASSWORD, Server, fields, reason, registration};

fn with_invitation(user_name: &str, secret: &str) -> v1::RegisterAccountRequest {
    v1::RegisterAccountRequest {
        invitation: secret.into(),
        ..registration(user_name)
    }
}

#[tokio::test]
async fn the_first_invitation_makes_the_administrator() {
    let server = Server::start().await;
    let ada = server.administrator("Ada").await;
    assert_eq!(ada.account.role(), v1::account::Role::Administrator);
    assert_eq!(ada.account.user_name, "Ada");
    assert_eq!(
        ada.account.display_name, "Ada",
        "the user name unless given"
    );
    assert!(ada.sign_in.current);
    let caller = server
        .accounts
        .authenticate(&ada.token)
        .await
        .expect("signed in at once");
    assert_eq!(caller, ada.caller);
}

#[tokio::test]
async fn an_unclaimed_server_makes_a_new_invitation_and_voids_the_old() {
    let server = Server::start().await;
    let first = server
        .accounts
        .ensure_administrator_invitation()
        .await
        .expect("works");
    let second = server
        .accounts
        .ensure_administrator_invitation()
        .await
        .expect("works");
    let (first, second) = (
        first.expect("unclaimed").reveal(),
        second.expect("unclaimed").reveal(),
    );
    assert_ne!(first, second);
    let refused = server
        .register(with_invitation("ada", &first))
        .await
        .expect_err("void");
    assert_eq!(reason(&refused), "INVITATION_NOT_FOUND");
    server
        .register(with_invitation("ada", &second))
        .await
        .expect("in force");
    let third = server
        .accounts
        .ensure_administrator_invitation()
        .await
        .expect("works");
    assert!(third.is_none(), "claimed");
}

#[tokio::test]
async fn members_alone_do_not_claim_a_server() {
    let server = Server::open_to_all().await;
    let first = server
        .accounts
        .ensure_administrator_invitation()
        .await
        .expect("works");
    server
        .register(registration("early.bird"))
        .await
        .expect("open to all");
    let first = first.expect("unclaimed").reveal();
    let ada = server
        .register(with_invitation("ada", &first))
        .await
        .expect("still in force");
    assert_eq!(ada.account.role(), v1::account::Role::Administrator);
}

#[tokio::test]
async fn an_invitation_is_good_for_one_account() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let invitation = server
        .invite(&ada, v1::CreateInvitationRequest::default())
        .await
        .secret;
    let grace = server
        .register(with_invitation("grace", &invitation))
        .await
        .expect("in force");
    assert_eq!(grace.account.role(), v1::account::Role::Member);
    let refused = server
        .register(with_invitation("edsger", &invitation))
        .await
        .expect_err("used");
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::NotFound, "INVITATION_NOT_FOUND".into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_use_one_invitation_at_once_one_gets_in() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let invitation = server
        .invite(&ada, v1::CreateInvitationRequest::default())
        .await
        .secret;
    let names: Vec<_> = (0..16).map(|n| format!("user{n}")).collect();
    let tries = names
        .iter()
        .map(|name| server.register(with_invitation(name, &invitation)));
    let tries = join_all(tries).await;
    assert_eq!(tries.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let refusals = tries.iter().filter_map(|outcome| outcome.as_ref().err());
    let reasons: BTreeSet<_> = refusals.map(reason).collect();
    assert_eq!(reasons, BTreeSet::from(["INVITATION_NOT_FOUND".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_want_one_name_at_once_one_gets_it() {
    let server = Server::open_to_all().await;
    let spellings = [
        "Straße",
        "STRASSE",
        "strasse",
        "straSSe",
        "ｓtrasse",
        "StraẞE",
    ];
    let tries = join_all(spellings.map(|name| server.register(registration(name)))).await;
    assert_eq!(tries.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let refusals = tries.iter().filter_map(|outcome| outcome.as_ref().err());
    assert!(
        refusals
            .map(reason)
            .all(|reason| reason == "USER_NAME_TAKEN")
    );
}

#[tokio::test]
async fn a_taken_name_leaves_the_invitation_good() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let invitation = server
        .invite(&ada, v1::CreateInvitationRequest::default())
        .await
        .secret;
    let taken = server
        .register(with_invitation("ADA", &invitation))
        .await
        .expect_err("taken");
    assert_eq!(
        (taken.code(), reason(&taken)),
        (Code::AlreadyExists, "USER_NAME_TAKEN".into())
    );
    server
        .register(with_invitation("grace", &invitation))
        .await
        .expect("still good");
}

#[tokio::test]
async fn without_a_good_invitation_nobody_learns_which_names_are_taken() {
    let server = Server::start().await;
    server.administrator("ada").await;
    let unknown = format!("rk_i_{}", "A".repeat(43));
    for (secret, expected) in [
        ("", "INVITATION_REQUIRED"),
        (&unknown, "INVITATION_NOT_FOUND"),
    ] {
        let taken = server
            .register(with_invitation("ada", secret))
            .await
            .expect_err("no good");
        let free = server
            .register(with_invitation("grace", secret))
            .await
            .expect_err("no good");
        assert_eq!(reason(&taken), expected);
        assert_eq!(
            (taken.code(), taken.message()),
            (free.code(), free.message())
        );
    }
    assert_eq!(
        server.hasher.counts().0,
        2,
        "the dummy and ada's: nothing was hashed in vain"
    );
}

#[tokio::test]
async fn an_invitation_lasts_as_many_whole_days_as_it_says() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let request = v1::CreateInvitationRequest {
        valid_days: 2,
        ..Default::default()
    };
    let in_time = server.invite(&ada, request.clone()).await;
    let late = server.invite(&ada, request).await;
    server.clock.advance(2 * DAY);
    server
        .register(with_invitation("grace", &in_time.secret))
        .await
        .expect("the last day");
    server.clock.advance(DAY);
    let refused = server
        .register(with_invitation("edsger", &late.secret))
        .await;
    assert_eq!(reason(&refused.expect_err("over")), "INVITATION_NOT_FOUND");
}

#[tokio::test]
async fn a_withdrawn_invitation_is_void() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let made = server
        .invite(&ada, v1::CreateInvitationRequest::default())
        .await;
    let name = made.invitation.expect("given").name;
    let request = ada.asks(v1::DeleteInvitationRequest { name });
    administration::delete_invitation(&server.accounts, request)
        .await
        .expect("withdrawn");
    let refused = server
        .register(with_invitation("grace", &made.secret))
        .await;
    assert_eq!(
        reason(&refused.expect_err("withdrawn")),
        "INVITATION_NOT_FOUND"
    );
}

#[tokio::test]
async fn everything_wrong_with_a_registration_is_told_at_once() {
    let server = Server::open_to_all().await;
    let request = v1::RegisterAccountRequest {
        user_name: "a b".into(),
        display_name: "\u{200b}".into(),
        password: "clasp".into(),
        invitation: "rk_i_short".into(),
        device_label: "x".repeat(65),
        keep_signed_in: false,
    };
    let refused = server
        .register(request)
        .await
        .expect_err("nothing is right");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let fields = fields(&refused);
    let passwords = fields.iter().filter(|field| *field == "password").count();
    assert_eq!(
        passwords, 4,
        "too short, no upper case, no digit, no special character"
    );
    let others: Vec<_> = fields.iter().filter(|field| *field != "password").collect();
    assert_eq!(
        others,
        ["user_name", "display_name", "invitation", "device_label"]
    );
}

#[tokio::test]
async fn the_policy_knows_the_name_that_is_asked_for() {
    let server = Server::open_to_all().await;
    let request = v1::RegisterAccountRequest {
        password: "Light-4-evoL.adA!".into(),
        ..registration("ada.love")
    };
    let refused = server
        .register(request)
        .await
        .expect_err("the name backwards");
    assert_eq!(fields(&refused), ["password"]);
}

#[tokio::test]
async fn self_registration_counts_against_the_address() {
    let peer_limit = services_accounts::PeerLimit {
        burst: 3,
        refill: DAY,
    };
    let options = services_accounts::Options {
        self_registration: true,
        peer_limit,
        ..Default::default()
    };
    let server = Server::with(options).await;
    for name in ["a1", "a2", "a3"] {
        server
            .register(registration(name))
            .await
            .expect("within the burst");
    }
    let refused = server
        .register(registration("a4"))
        .await
        .expect_err("too many");
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::ResourceExhausted, "TOO_MANY_TRIES".into())
    );
    server
        .sign_in("a1", PASSWORD)
        .await
        .expect_err("one bucket for an address");
}
