//! What a token opens, for how long, and how it ends.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cluster_store::Faults;
use proto::v1;
use proto::v1::accounts_server::Accounts as _;
use services_accounts::AuthenticateError;
use std::time::Duration;
use tonic::{Code, Status};

use crate::harness::{DAY, Device, PASSWORD, Server, credentials, fields, reason};

const NEW_PASSWORD: &str = "P4ck the lightest bag";

async fn delete(server: &Server, by: &Device, which: &Device) -> Result<(), Status> {
    let request = by.asks(v1::DeleteSignInRequest {
        name: which.sign_in.name.clone(),
    });
    server.accounts.delete_sign_in(request).await.map(|_| ())
}

async fn change_password(server: &Server, by: &Device, current: &str) -> Result<(), Status> {
    let request = by.asks(v1::ChangePasswordRequest {
        current_password: current.into(),
        new_password: NEW_PASSWORD.into(),
    });
    server.accounts.change_password(request).await.map(|_| ())
}

async fn expiry_of(server: &Server, device: &Device) -> String {
    let request = device.asks(v1::ListSignInsRequest::default());
    let list = server
        .accounts
        .list_sign_ins(request)
        .await
        .expect("a list")
        .into_inner();
    let own = list.sign_ins.into_iter().find(|sign_in| sign_in.current);
    own.expect("the one that asks").expiry_date
}

#[tokio::test]
async fn anything_but_a_good_token_is_refused_alike() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let unknown = format!("rk_s_{}", "A".repeat(43));
    let invitation = format!("rk_i_{}", &ada.token[5..]);
    for token in [
        "",
        "rk_s_",
        "Bearer",
        "\0",
        &unknown,
        &invitation,
        &ada.token[..47],
    ] {
        let refused = server.accounts.authenticate(token).await.expect_err(token);
        assert_eq!(refused, AuthenticateError::Refused);
    }
    assert_eq!(
        cluster_rpc::status(&AuthenticateError::Refused).code(),
        Code::Unauthenticated
    );
}

#[tokio::test]
async fn a_known_token_is_not_looked_up_again() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let other = server.sign_in("ada", PASSWORD).await.expect("signs in");
    assert!(server.is_signed_in(&ada).await);
    server.store.close().await;
    assert!(server.is_signed_in(&ada).await, "from memory");
    let unseen = server.accounts.authenticate(&other.token).await;
    assert!(
        matches!(unseen, Err(AuthenticateError::Store(_))),
        "{unseen:?}"
    );
}

#[tokio::test]
async fn a_token_lasts_a_whole_day_and_each_day_of_use_adds_one() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    for _ in 0..5 {
        server.clock.advance(DAY);
        assert!(server.is_signed_in(&ada).await);
    }
    server.clock.advance(2 * DAY);
    assert!(!server.is_signed_in(&ada).await, "a day without use");
}

#[tokio::test]
async fn who_stays_signed_in_has_ninety_days() {
    let server = Server::start().await;
    server.administrator("ada").await;
    let request = v1::SignInRequest {
        keep_signed_in: true,
        ..credentials("ada", PASSWORD)
    };
    let used = server.sign_in_as(request.clone()).await.expect("signs in");
    let unused = server.sign_in_as(request).await.expect("signs in");
    server.clock.advance(90 * DAY);
    assert!(server.is_signed_in(&used).await);
    server.clock.advance(DAY);
    assert!(server.is_signed_in(&used).await, "moved by yesterday's use");
    assert!(!server.is_signed_in(&unused).await);
}

#[tokio::test]
async fn the_end_of_a_token_moves_once_a_day() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    assert_eq!(
        ada.sign_in.expiry_date, "2024-10-06",
        "signed in on 2024-10-04"
    );
    server.clock.advance(DAY);
    let before = server.disk.contents();
    assert!(server.is_signed_in(&ada).await);
    assert_eq!(expiry_of(&server, &ada).await, "2024-10-07");
    let moved = server.disk.contents();
    assert_ne!(moved, before);
    for _ in 0..10 {
        server.clock.advance(Duration::from_secs(60 * 60));
        assert!(server.is_signed_in(&ada).await);
    }
    assert_eq!(server.disk.contents(), moved, "written once that day");
}

#[tokio::test]
async fn a_full_disk_signs_nobody_out() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    server.clock.advance(DAY);
    server.disk.set_full(true);
    assert!(server.is_signed_in(&ada).await);
    server.clock.advance(DAY);
    assert!(
        !server.is_signed_in(&ada).await,
        "but the end was not moved"
    );
}

#[tokio::test]
async fn signing_out_voids_the_token_and_tells_before_it_returns() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let other = server.sign_in("ada", PASSWORD).await.expect("signs in");
    assert!(server.is_signed_in(&ada).await, "remembered by now");
    server
        .accounts
        .sign_out(ada.asks(v1::SignOutRequest {}))
        .await
        .expect("signed out");
    assert!(!server.is_signed_in(&ada).await);
    assert_eq!(
        server.ended.all(),
        [(ada.caller.account, ada.caller.sign_in)]
    );
    assert!(server.is_signed_in(&other).await);
    assert_eq!(
        server.accounts.check_signed_in(ada.caller).await,
        Err(AuthenticateError::Refused)
    );
    assert_eq!(server.accounts.check_signed_in(other.caller).await, Ok(()));
    server
        .accounts
        .sign_out(ada.asks(v1::SignOutRequest {}))
        .await
        .expect("twice is once");
}

#[tokio::test]
async fn another_sign_in_of_ones_own_can_be_ended_once() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let lost = server.sign_in("ada", PASSWORD).await.expect("signs in");
    assert!(server.is_signed_in(&lost).await);
    delete(&server, &ada, &lost).await.expect("ended");
    assert!(!server.is_signed_in(&lost).await && server.ended.has(&lost));
    assert!(server.is_signed_in(&ada).await);
    let twice = delete(&server, &ada, &lost)
        .await
        .expect_err("ended before");
    assert_eq!(twice.code(), Code::NotFound);
}

#[tokio::test]
async fn somebody_elses_sign_in_does_not_exist() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let grace = server.member(&ada, "grace").await;
    let refused = delete(&server, &ada, &grace).await.expect_err("not hers");
    assert_eq!(refused.code(), Code::NotFound);
    let made_up = Device {
        sign_in: v1::SignIn {
            name: cluster_rpc::name::of_sign_in(ada.caller.account, grace.caller.sign_in),
            ..Default::default()
        },
        ..ada.clone()
    };
    let unknown = delete(&server, &ada, &made_up)
        .await
        .expect_err("no such sign-in");
    assert_eq!(
        (refused.message(), refused.details()),
        (unknown.message(), unknown.details())
    );
    assert!(server.is_signed_in(&grace).await && server.ended.all().is_empty());
}

#[tokio::test]
async fn the_list_shows_ones_own_sign_ins_in_pages() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    server.member(&ada, "grace").await;
    for label in ["phone", "laptop"] {
        let request = v1::SignInRequest {
            device_label: label.into(),
            ..credentials("ada", PASSWORD)
        };
        server.sign_in_as(request).await.expect("signs in");
    }
    let (mut labels, mut current, mut page_token) = (Vec::new(), 0, String::new());
    loop {
        let request = v1::ListSignInsRequest {
            page_size: 2,
            page_token,
        };
        let page = server
            .accounts
            .list_sign_ins(ada.asks(request))
            .await
            .expect("a page");
        let page = page.into_inner();
        current += page
            .sign_ins
            .iter()
            .filter(|sign_in| sign_in.current)
            .count();
        labels.extend(
            page.sign_ins
                .into_iter()
                .map(|sign_in| sign_in.device_label),
        );
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    labels.sort();
    assert_eq!(labels, ["", "laptop", "phone"]);
    assert_eq!(current, 1);
}

#[tokio::test]
async fn a_new_password_ends_all_other_sign_ins() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let other = server.sign_in("ada", PASSWORD).await.expect("signs in");
    assert!(server.is_signed_in(&other).await);
    change_password(&server, &ada, PASSWORD)
        .await
        .expect("changed");
    assert!(
        server.is_signed_in(&ada).await,
        "the one that asked goes on"
    );
    assert!(!server.is_signed_in(&other).await);
    assert_eq!(
        server.ended.all(),
        [(other.caller.account, other.caller.sign_in)]
    );
    server
        .sign_in("ada", PASSWORD)
        .await
        .expect_err("the old one is void");
    server
        .sign_in("ada", NEW_PASSWORD)
        .await
        .expect("the new one is good");
}

#[tokio::test]
async fn all_sign_ins_end_however_many_there_are() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let grace = server.member(&ada, "grace").await;
    let account = grace.caller.account;
    assert_eq!(server.plant_sign_ins(account, 350).await, 351);
    change_password(&server, &grace, PASSWORD)
        .await
        .expect("the sign-in that asks is found behind all the others");
    assert_eq!(server.sign_ins_of(account).await, [grace.caller.sign_in]);
    assert_eq!(server.ended.all().len(), 350);

    assert_eq!(server.plant_sign_ins(account, 350).await, 351);
    let request = ada.asks(v1::SuspendAccountRequest {
        name: grace.account.name.clone(),
    });
    services_accounts::administration::suspend_account(&server.accounts, request)
        .await
        .expect("suspended");
    assert_eq!(server.sign_ins_of(account).await, []);
    assert!(!server.is_signed_in(&grace).await);
}

#[tokio::test]
async fn a_new_password_needs_the_old_one_and_keeps_the_policy() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let wrong = change_password(&server, &ada, "Not the p4ss, friends")
        .await
        .expect_err("wrong");
    assert_eq!(
        (wrong.code(), reason(&wrong)),
        (Code::PermissionDenied, "WRONG_PASSWORD".into())
    );
    for (new_password, expected) in [("clasp", 4), (PASSWORD, 1), ("Ada4ada! Ada4ada! Ad", 1)] {
        let request = ada.asks(v1::ChangePasswordRequest {
            current_password: PASSWORD.into(),
            new_password: new_password.into(),
        });
        let refused = server
            .accounts
            .change_password(request)
            .await
            .expect_err("weak");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(
            fields(&refused),
            vec!["new_password"; expected],
            "{new_password}"
        );
    }
    server.sign_in("ada", PASSWORD).await.expect("unchanged");
}

#[tokio::test(start_paused = true)]
async fn a_stolen_token_cannot_guess_the_password_for_ever() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    for _ in 0..11 {
        let wrong = change_password(&server, &ada, "Not the p4ss, friends").await;
        assert_eq!(wrong.expect_err("wrong").code(), Code::PermissionDenied);
    }
    let refused = change_password(&server, &ada, PASSWORD)
        .await
        .expect_err("too many");
    assert_eq!(refused.code(), Code::ResourceExhausted);
}

/// The phone loses its network while it signs out: the call is dropped in the middle.
#[tokio::test(start_paused = true)]
async fn a_sign_out_is_finished_though_nobody_waits_for_it() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    assert!(server.is_signed_in(&ada).await);
    let slow = Faults {
        stall: 1_000_000,
        stall_span: Duration::from_secs(1),
        ..Faults::NONE
    };
    server.disk.set_faults(slow);
    {
        let call = pin!(server.accounts.sign_out(ada.asks(v1::SignOutRequest {})));
        let first = call.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(first, Poll::Pending));
    }
    assert_eq!(server.tasks.ended(Duration::from_secs(60)).await, 0);
    assert!(server.ended.has(&ada));
    assert!(!server.is_signed_in(&ada).await);
}

#[tokio::test]
async fn what_is_over_is_removed() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let request = v1::SignInRequest {
        keep_signed_in: true,
        ..credentials("ada", PASSWORD)
    };
    let kept = server.sign_in_as(request).await.expect("signs in");
    server
        .invite(
            &ada,
            v1::CreateInvitationRequest {
                valid_days: 1,
                ..Default::default()
            },
        )
        .await;
    let rows = server.disk.contents().len();
    let removed = server.accounts.remove_expired().await.expect("works");
    assert_eq!((removed.sign_ins, removed.invitations), (0, 0));
    server.clock.advance(2 * DAY);
    let removed = server.accounts.remove_expired().await.expect("works");
    assert_eq!((removed.sign_ins, removed.invitations), (1, 1));
    assert_eq!(server.disk.contents().len(), rows - 4, "two rows each");
    assert!(server.ended.has(&ada) && !server.ended.has(&kept));
    assert!(server.is_signed_in(&kept).await);
}
