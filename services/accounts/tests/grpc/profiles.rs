//! What is seen of an account, and by whom.

use proto::v1;
use proto::v1::accounts_server::Accounts as _;
use tonic::Code;

use crate::harness::{Server, asked_by};

fn unknown_account() -> cluster_types::AccountId {
    cluster_types::AccountId::from_bytes([9; 16])
}

#[tokio::test]
async fn accounts_are_seen_by_everybody_who_is_signed_in() {
    let server = Server::start().await;
    let ada = server.administrator("Ada").await;
    let grace = server.member(&ada, "grace").await;
    let get = |name: &str| grace.asks(v1::GetAccountRequest { name: name.into() });
    let by_id = server
        .accounts
        .get_account(get(&ada.account.name))
        .await
        .expect("there");
    assert_eq!(by_id.into_inner(), ada.account);
    let me = server
        .accounts
        .get_account(get("accounts/me"))
        .await
        .expect("herself");
    assert_eq!(me.into_inner(), grace.account);
    let look_up = grace.asks(v1::LookUpAccountRequest {
        user_name: "ADA".into(),
    });
    let by_name = server
        .accounts
        .look_up_account(look_up)
        .await
        .expect("there");
    assert_eq!(by_name.into_inner(), ada.account);
    let part = grace.asks(v1::LookUpAccountRequest {
        user_name: "ad".into(),
    });
    let part = server
        .accounts
        .look_up_account(part)
        .await
        .expect_err("no search by parts");
    assert_eq!(part.code(), Code::NotFound);
    let unknown = cluster_types::AccountId::from_bytes([9; 16]);
    let unknown = get(&cluster_rpc::name::of_account(unknown));
    assert_eq!(
        server
            .accounts
            .get_account(unknown)
            .await
            .expect_err("nobody")
            .code(),
        Code::NotFound
    );

    let found = server
        .accounts
        .accounts(&[grace.caller.account, unknown_account()])
        .await;
    let found = found.expect("the store works");
    assert_eq!(
        found[0].as_ref().map(|profile| profile.user_name.as_str()),
        Some("grace")
    );
    assert!(found[1].is_none());
    assert!(
        server
            .accounts
            .exists(grace.caller.account)
            .await
            .expect("the store works")
    );
    assert!(
        !server
            .accounts
            .exists(unknown_account())
            .await
            .expect("the store works")
    );
}

#[tokio::test]
async fn a_display_name_can_be_changed() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let request = ada.asks(v1::UpdateAccountRequest {
        display_name: " Ada L. ".into(),
    });
    let renamed = server
        .accounts
        .update_account(request)
        .await
        .expect("renamed")
        .into_inner();
    assert_eq!(
        (renamed.display_name.as_str(), renamed.user_name.as_str()),
        ("Ada L.", "ada")
    );
    let profile = server
        .accounts
        .account(ada.caller.account)
        .await
        .expect("works");
    assert_eq!(profile.expect("there").display_name, "Ada L.");
}

#[tokio::test]
async fn a_call_without_a_caller_is_unauthenticated() {
    let server = Server::start().await;
    let refused = server
        .accounts
        .list_sign_ins(tonic::Request::new(Default::default()))
        .await;
    assert_eq!(refused.expect_err("nobody").code(), Code::Unauthenticated);
    let nobody = cluster_types::Caller {
        account: unknown_account(),
        sign_in: cluster_types::SignInId::from_bytes([9; 16]),
        administrator: false,
    };
    let me = asked_by(
        nobody,
        v1::GetAccountRequest {
            name: "accounts/me".into(),
        },
    );
    assert_eq!(
        server
            .accounts
            .get_account(me)
            .await
            .expect_err("nobody")
            .code(),
        Code::NotFound
    );
}
