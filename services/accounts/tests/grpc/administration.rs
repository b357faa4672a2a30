//! What administrators may do, and what even they may not.

use proto::v1;
use proto::v1::account::Role;
use proto::v1::accounts_server::Accounts as _;
use services_accounts::administration;
use tonic::{Code, Status};

use crate::harness::{DAY, Device, Server, fields, reason};

async fn set_role(server: &Server, by: &Device, whose: &Device, role: Role) -> Result<(), Status> {
    let request = v1::SetAccountRoleRequest {
        name: whose.account.name.clone(),
        role: role.into(),
    };
    let answer = administration::set_account_role(&server.accounts, by.asks(request)).await?;
    assert_eq!(answer.into_inner().role(), role);
    Ok(())
}

async fn suspend(server: &Server, by: &Device, whose: &Device) -> Result<v1::Account, Status> {
    let request = by.asks(v1::SuspendAccountRequest {
        name: whose.account.name.clone(),
    });
    administration::suspend_account(&server.accounts, request)
        .await
        .map(tonic::Response::into_inner)
}

async fn resume(server: &Server, by: &Device, whose: &Device) -> Result<v1::Account, Status> {
    let request = by.asks(v1::ResumeAccountRequest {
        name: whose.account.name.clone(),
    });
    administration::resume_account(&server.accounts, request)
        .await
        .map(tonic::Response::into_inner)
}

/// Every call, with a request that is wrong in other ways too: whether one may comes first.
#[tokio::test]
async fn to_everybody_else_each_call_is_permission_denied() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let grace = server.member(&ada, "grace").await;
    let accounts = &server.accounts;
    let refusals = [
        administration::list_accounts(
            accounts,
            grace.asks(v1::ListAccountsRequest {
                page_size: -1,
                ..Default::default()
            }),
        )
        .await
        .err(),
        administration::suspend_account(accounts, grace.asks(Default::default()))
            .await
            .err(),
        administration::resume_account(accounts, grace.asks(Default::default()))
            .await
            .err(),
        administration::set_account_role(accounts, grace.asks(Default::default()))
            .await
            .err(),
        administration::create_invitation(
            accounts,
            grace.asks(v1::CreateInvitationRequest {
                valid_days: -1,
                ..Default::default()
            }),
        )
        .await
        .err(),
        administration::list_invitations(accounts, grace.asks(Default::default()))
            .await
            .err(),
        administration::delete_invitation(accounts, grace.asks(Default::default()))
            .await
            .err(),
    ];
    for refused in refusals {
        let refused = refused.expect("refused");
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert_eq!(reason(&refused), "NOT_ADMINISTRATOR");
    }
}

#[tokio::test]
async fn suspension_ends_all_sign_ins_at_once_and_can_be_undone() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let grace = server.member(&ada, "grace").await;
    let phone = server
        .sign_in("grace", crate::harness::PASSWORD)
        .await
        .expect("signs in");
    assert!(server.is_signed_in(&grace).await && server.is_signed_in(&phone).await);

    assert!(
        suspend(&server, &ada, &grace)
            .await
            .expect("suspended")
            .suspended
    );
    assert!(!server.is_signed_in(&grace).await && !server.is_signed_in(&phone).await);
    assert!(server.ended.has(&grace) && server.ended.has(&phone));
    assert!(
        suspend(&server, &ada, &grace)
            .await
            .expect("twice is once")
            .suspended
    );

    let seen = |by: &Device| {
        by.asks(v1::GetAccountRequest {
            name: grace.account.name.clone(),
        })
    };
    let by_ada = server
        .accounts
        .get_account(seen(&ada))
        .await
        .expect("there");
    assert!(by_ada.into_inner().suspended);
    let edsger = server.member(&ada, "edsger").await;
    let by_edsger = server
        .accounts
        .get_account(seen(&edsger))
        .await
        .expect("there");
    assert!(!by_edsger.into_inner().suspended, "others do not see it");

    assert!(
        !resume(&server, &ada, &grace)
            .await
            .expect("resumed")
            .suspended
    );
    server
        .sign_in("grace", crate::harness::PASSWORD)
        .await
        .expect("again");
    assert!(
        !server.is_signed_in(&phone).await,
        "what has ended stays ended"
    );
}

#[tokio::test]
async fn a_role_holds_from_the_next_call_on() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let grace = server.member(&ada, "grace").await;
    let is_administrator = async || {
        server
            .accounts
            .authenticate(&grace.token)
            .await
            .expect("in")
            .administrator
    };
    assert!(!is_administrator().await);
    set_role(&server, &ada, &grace, Role::Administrator)
        .await
        .expect("made one");
    assert!(is_administrator().await);
    set_role(&server, &ada, &grace, Role::Member)
        .await
        .expect("unmade");
    assert!(!is_administrator().await);
    assert!(server.ended.all().is_empty(), "nobody was signed out");
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let grace = server.member(&ada, "grace").await;
    let check = |refused: Status| {
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(reason(&refused), "LAST_ADMINISTRATOR");
    };
    check(
        set_role(&server, &ada, &ada, Role::Member)
            .await
            .expect_err("the last"),
    );
    check(suspend(&server, &ada, &ada).await.expect_err("the last"));
    set_role(&server, &ada, &grace, Role::Administrator)
        .await
        .expect("a second");
    suspend(&server, &ada, &grace).await.expect("of two");
    check(
        set_role(&server, &ada, &ada, Role::Member)
            .await
            .expect_err("the other cannot act"),
    );
    resume(&server, &ada, &grace).await.expect("resumed");
    set_role(&server, &ada, &ada, Role::Member)
        .await
        .expect("the other can");
    assert!(server.is_signed_in(&ada).await, "as a member");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    for name in ["b1", "b2", "b3", "b4"] {
        server.member(&ada, name).await;
    }
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListAccountsRequest {
            page_size: 2,
            page_token,
        };
        let page = administration::list_accounts(&server.accounts, ada.asks(request)).await;
        let page = page.expect("a page").into_inner();
        assert!(page.accounts.len() <= 2);
        names.extend(page.accounts.into_iter().map(|account| account.user_name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    names.sort();
    assert_eq!(names, ["ada", "b1", "b2", "b3", "b4"]);
}

#[tokio::test]
async fn the_list_of_invitations_shows_those_that_can_be_used() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let invite = async |valid_days, note: &str| {
        let role = Role::Administrator.into();
        let request = v1::CreateInvitationRequest {
            role,
            valid_days,
            note: note.into(),
        };
        server.invite(&ada, request).await
    };
    invite(1, "one day").await;
    let made = invite(90, "ninety days").await.invitation.expect("given");
    assert_eq!(made.role(), Role::Administrator);
    let week = invite(0, "a week").await.invitation.expect("given");
    assert_eq!(week.expiry_date, "2024-10-12", "made on 2024-10-04");
    server.clock.advance(8 * DAY);
    let request = ada.asks(v1::ListInvitationsRequest::default());
    let list = administration::list_invitations(&server.accounts, request)
        .await
        .expect("a list");
    assert_eq!(list.into_inner().invitations, [made]);
    let request = ada.asks(v1::DeleteInvitationRequest { name: week.name });
    let over = administration::delete_invitation(&server.accounts, request).await;
    assert_eq!(over.expect_err("over").code(), Code::NotFound);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let accounts = &server.accounts;
    let request = v1::CreateInvitationRequest {
        role: 7,
        valid_days: 91,
        note: "x".repeat(201),
    };
    let refused = administration::create_invitation(accounts, ada.asks(request)).await;
    assert_eq!(
        fields(&refused.expect_err("wrong")),
        ["role", "valid_days", "note"]
    );
    let request = v1::SetAccountRoleRequest {
        name: "ada".into(),
        role: 0,
    };
    let refused = administration::set_account_role(accounts, ada.asks(request)).await;
    assert_eq!(fields(&refused.expect_err("wrong")), ["name", "role"]);
    let request = v1::SuspendAccountRequest {
        name: "accounts/ada".into(),
    };
    let refused = administration::suspend_account(accounts, ada.asks(request)).await;
    assert_eq!(fields(&refused.expect_err("wrong")), ["name"]);
    let unknown = cluster_rpc::name::of_account(cluster_types::AccountId::from_bytes([9; 16]));
    let request = v1::ResumeAccountRequest { name: unknown };
    let refused = administration::resume_account(accounts, ada.asks(request)).await;
    assert_eq!(refused.expect_err("nobody").code(), Code::NotFound);
}
