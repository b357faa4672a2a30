//! Requests that make no sense: each wrong field is named, and nothing is hashed.

use cluster_types::AccountId;
use proptest::prelude::*;
use proto::v1;
use proto::v1::accounts_server::Accounts as _;
use services_accounts::administration;
use tonic::{Code, Request, Status};

use crate::harness::{Server, credentials, fields, registration};

fn check(refused: &Status, expected: &[&str]) {
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    assert_eq!(fields(refused), expected);
}

#[tokio::test]
async fn wrong_fields_of_a_sign_in_are_named_before_anything_is_hashed() {
    let server = Server::start().await;
    let hashed = server.hasher.counts();
    let long = "x".repeat(65);
    for (user_name, password, device_label, expected) in [
        ("", "", "", &["user_name", "password"][..]),
        ("a b", "x", "", &["user_name"]),
        (&long, "x", "", &["user_name"]),
        ("ada", &"x".repeat(129), "", &["password"]),
        ("ada", &"x".repeat(1_000_000), "", &["password"]),
        ("ada", "x", &long, &["device_label"]),
        ("ada", "x", "a\nb", &["device_label"]),
    ] {
        let request = v1::SignInRequest {
            device_label: device_label.into(),
            ..credentials(user_name, password)
        };
        let refused = server
            .accounts
            .sign_in(Request::new(request))
            .await
            .expect_err("wrong");
        check(&refused, expected);
    }
    assert_eq!(server.hasher.counts(), hashed);
}

#[tokio::test]
async fn wrong_fields_of_the_other_calls_are_named() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let accounts = &server.accounts;
    for name in [
        "",
        "accounts/",
        "accounts/ME",
        "accounts/me/",
        "rooms/me",
        "me",
        "accounts/0",
    ] {
        let refused = accounts
            .get_account(ada.asks(v1::GetAccountRequest { name: name.into() }))
            .await;
        check(&refused.expect_err(name), &["name"]);
    }
    for user_name in ["", "a b", "a@b", "\u{202e}ada"] {
        let request = ada.asks(v1::LookUpAccountRequest {
            user_name: user_name.into(),
        });
        check(
            &accounts
                .look_up_account(request)
                .await
                .expect_err(user_name),
            &["user_name"],
        );
    }
    for display_name in ["", " ", "a\u{0}b", &"x".repeat(65)] {
        let request = ada.asks(v1::UpdateAccountRequest {
            display_name: display_name.into(),
        });
        check(
            &accounts.update_account(request).await.expect_err("wrong"),
            &["display_name"],
        );
    }
    let name = ada.account.name.clone();
    let refused = accounts
        .delete_sign_in(ada.asks(v1::DeleteSignInRequest { name }))
        .await;
    check(&refused.expect_err("an account is no sign-in"), &["name"]);
    let refused = accounts
        .change_password(ada.asks(v1::ChangePasswordRequest::default()))
        .await;
    check(
        &refused.expect_err("empty"),
        &["current_password", "new_password"],
    );
}

#[tokio::test]
async fn a_page_token_goes_back_to_its_own_call_and_caller_only() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let grace = server.member(&ada, "grace").await;
    server
        .sign_in("ada", crate::harness::PASSWORD)
        .await
        .expect("signs in");
    let request = ada.asks(v1::ListSignInsRequest {
        page_size: 1,
        ..Default::default()
    });
    let page = server
        .accounts
        .list_sign_ins(request)
        .await
        .expect("a page")
        .into_inner();
    let page_token = page.next_page_token;
    assert!(!page_token.is_empty());

    let request = v1::ListSignInsRequest {
        page_token: page_token.clone(),
        page_size: 1,
    };
    let refused = server
        .accounts
        .list_sign_ins(grace.asks(request.clone()))
        .await;
    check(&refused.expect_err("ada's"), &["page_token"]);
    server
        .accounts
        .list_sign_ins(ada.asks(request))
        .await
        .expect("ada's own");
    let request = ada.asks(v1::ListAccountsRequest {
        page_token,
        page_size: 1,
    });
    let refused = administration::list_accounts(&server.accounts, request).await;
    check(&refused.expect_err("another call's"), &["page_token"]);
    let request = ada.asks(v1::ListSignInsRequest {
        page_size: -1,
        ..Default::default()
    });
    check(
        &server
            .accounts
            .list_sign_ins(request)
            .await
            .expect_err("negative"),
        &["page_size"],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever text stands in the fields, the answer is an account or names a field.
    #[test]
    fn any_registration_gets_an_answer(
        user_name in "\\PC{0,70}",
        display_name in "\\PC{0,70}",
        password in "\\PC{0,140}",
        device_label in "\\PC{0,70}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let server = Server::open_to_all().await;
            let request = v1::RegisterAccountRequest {
                display_name,
                password,
                device_label,
                ..registration(&user_name)
            };
            match server.register(request).await {
                Ok(device) => assert_ne!(device.caller.account, AccountId::from_bytes([0; 16])),
                Err(refused) => {
                    assert_eq!(refused.code(), Code::InvalidArgument);
                    assert!(!fields(&refused).is_empty());
                }
            }
        });
    }
}
