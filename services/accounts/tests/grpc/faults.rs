//! A store that conflicts, stalls, and does not say whether a commit happened.

use std::time::Duration;

use cluster_store::{Faults, SimulatedDisk, Table};
use cluster_types::Caller;
use futures::future::join_all;
use proto::v1;
use proto::v1::accounts_server::Accounts as _;
use services_accounts::{HashCost, Options, administration};
use tonic::Code;

use crate::harness::{PASSWORD, Server, asked_by, credentials, registration};

/// Two in five commits of unknown outcome, half of them each way.
const UNKNOWN: Faults = Faults {
    unknown_committed: 200_000,
    unknown_lost: 200_000,
    conflict: 100_000,
    too_old: 10_000,
    ..Faults::NONE
};

async fn server(seed: u64) -> Server {
    Server::on(
        SimulatedDisk::new(),
        seed,
        Options::default(),
        HashCost::LEAST,
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn a_registration_of_unknown_outcome_makes_one_account_and_uses_its_invitation() {
    let mut unknown = 0;
    for seed in 0..100 {
        let server = server(seed).await;
        let invitation = server.accounts.ensure_administrator_invitation().await;
        let invitation = invitation.expect("works").expect("unclaimed").reveal();
        server.disk.set_faults(UNKNOWN);
        let request = v1::RegisterAccountRequest {
            invitation,
            ..registration("ada")
        };
        let ada = server
            .register(request.clone())
            .await
            .expect("retried to the end");
        let again = server
            .register(request)
            .await
            .expect_err("the invitation is used");
        assert_eq!(again.code(), Code::NotFound, "seed {seed}");
        let counts = server.disk.faults_injected();
        unknown += counts.unknown_committed + counts.unknown_lost;
        server.disk.set_faults(Faults::NONE);

        let one_each = [
            Table::Account,
            Table::AccountNameHash,
            Table::SignIn,
            Table::Token,
        ];
        assert_eq!(
            server.rows(),
            one_each.map(|table| (table, 1)).into(),
            "seed {seed}"
        );
        assert_eq!(
            ada.account.role(),
            v1::account::Role::Administrator,
            "seed {seed}"
        );
        assert!(server.is_signed_in(&ada).await, "seed {seed}");
    }
    assert!(unknown > 30, "the faults were there: {unknown}");
}

/// Six who use the first invitation at once, on a store with these faults. Returns how many were let in.
async fn six_at_once(server: &Server, faults: Faults) -> usize {
    let invitation = server.accounts.ensure_administrator_invitation().await;
    let invitation = invitation.expect("works").expect("unclaimed").reveal();
    server.disk.set_faults(faults);
    let names: Vec<_> = (0..6).map(|n| format!("user{n}")).collect();
    let tries = names.iter().map(|name| {
        let invitation = invitation.clone();
        server.register(v1::RegisterAccountRequest {
            invitation,
            ..registration(name)
        })
    });
    let tries = join_all(tries).await;
    tries.into_iter().filter_map(Result::ok).count()
}

#[tokio::test(start_paused = true)]
async fn of_many_with_one_invitation_one_gets_in_whatever_the_store_does() {
    for seed in 0..30 {
        let server = server(seed).await;
        let rough = Faults {
            unavailable: 0,
            ..Faults::ROUGH
        };
        let winners = six_at_once(&server, rough).await;
        let accounts = server.rows().get(&Table::Account).copied().unwrap_or(0);
        assert!(
            winners <= 1 && accounts <= 1,
            "seed {seed}: {winners} of {accounts}"
        );
        assert!(
            winners <= accounts,
            "seed {seed}: who was told so has an account"
        );
        assert!(
            accounts <= server.keys(),
            "seed {seed}: whose key is there, whatever was unknown"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_refused_an_account_leaves_no_key_behind() {
    let slow = Faults {
        conflict: 100_000,
        delay: 500_000,
        delay_max: Duration::from_millis(5),
        ..Faults::NONE
    };
    let server = server(1).await;
    assert_eq!(six_at_once(&server, slow).await, 1);
    assert_eq!(server.keys(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_sign_out_holds_whatever_the_store_does() {
    for seed in 0..100 {
        let server = server(seed).await;
        let ada = server.administrator("ada").await;
        let other = server.sign_in("ada", PASSWORD).await.expect("signs in");
        assert!(server.is_signed_in(&ada).await);
        server.disk.set_faults(UNKNOWN);
        let outcome = server
            .accounts
            .sign_out(ada.asks(v1::SignOutRequest {}))
            .await;
        server.disk.set_faults(Faults::NONE);
        outcome.expect("retried to the end");
        assert!(!server.is_signed_in(&ada).await, "seed {seed}");
        assert_eq!(
            server.ended.all(),
            [(ada.caller.account, ada.caller.sign_in)],
            "seed {seed}"
        );
        assert!(server.is_signed_in(&other).await, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn ending_a_sign_in_of_unknown_outcome_is_not_told_as_not_found() {
    for seed in 0..100 {
        let server = server(seed).await;
        let ada = server.administrator("ada").await;
        let lost = server.sign_in("ada", PASSWORD).await.expect("signs in");
        let made = server
            .invite(&ada, v1::CreateInvitationRequest::default())
            .await;
        server.disk.set_faults(UNKNOWN);
        let request = ada.asks(v1::DeleteSignInRequest {
            name: lost.sign_in.name.clone(),
        });
        server
            .accounts
            .delete_sign_in(request)
            .await
            .expect("retried to the end");
        let name = made.invitation.expect("given").name;
        let request = ada.asks(v1::DeleteInvitationRequest { name });
        let withdrawn = administration::delete_invitation(&server.accounts, request).await;
        withdrawn.expect("retried to the end");
        server.disk.set_faults(Faults::NONE);
        assert!(
            server.ended.has(&lost) && !server.is_signed_in(&lost).await,
            "seed {seed}"
        );
    }
}

/// Calls that take their time, so that two of them overlap in every way.
const SLOW: Faults = Faults {
    delay: 1_000_000,
    delay_max: Duration::from_millis(20),
    ..Faults::NONE
};

#[tokio::test(start_paused = true)]
async fn two_who_depose_each_other_at_once_leave_one() {
    for seed in 0..50 {
        let server = server(seed).await;
        let ada = server.administrator("ada").await;
        let grace = server.member(&ada, "grace").await;
        let role = v1::account::Role::Administrator.into();
        let request = v1::SetAccountRoleRequest {
            name: grace.account.name.clone(),
            role,
        };
        let promoted = administration::set_account_role(&server.accounts, ada.asks(request)).await;
        promoted.expect("a second");
        let role = v1::account::Role::Member.into();
        let depose_grace = v1::SetAccountRoleRequest {
            name: grace.account.name.clone(),
            role,
        };
        let depose_ada = v1::SuspendAccountRequest {
            name: ada.account.name.clone(),
        };
        let by_grace = Caller {
            administrator: true,
            ..grace.caller
        };
        server.disk.set_faults(SLOW);
        let (one, other) = tokio::join!(
            administration::set_account_role(&server.accounts, ada.asks(depose_grace)),
            administration::suspend_account(&server.accounts, asked_by(by_grace, depose_ada)),
        );
        assert!(
            one.is_ok() != other.is_ok(),
            "seed {seed}: {one:?} {other:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_suspension_and_a_sign_in_at_once_leave_nobody_signed_in() {
    for seed in 0..50 {
        let server = server(seed).await;
        let ada = server.administrator("ada").await;
        let grace = server.member(&ada, "grace").await;
        server.disk.set_faults(SLOW);
        let request = ada.asks(v1::SuspendAccountRequest {
            name: grace.account.name.clone(),
        });
        let (suspended, signed_in, _) = tokio::join!(
            administration::suspend_account(&server.accounts, request),
            server.sign_in("grace", PASSWORD),
            server.accounts.authenticate(&grace.token),
        );
        suspended.expect("an administrator may");
        server.disk.set_faults(Faults::NONE);
        assert!(!server.is_signed_in(&grace).await, "seed {seed}");
        if let Ok(late) = signed_in {
            assert!(
                !server.is_signed_in(&late).await && server.ended.has(&late),
                "seed {seed}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sign_ins_at_the_same_moment_stay_within_the_bound() {
    for seed in 0..10 {
        let server = server(seed).await;
        let ada = server.administrator("ada").await;
        let account = ada.caller.account;
        assert_eq!(server.plant_sign_ins(account, 99).await, 100);
        server.disk.set_faults(SLOW);
        let all_at_once = (0..8).map(|_| server.sign_in("ada", PASSWORD));
        for device in join_all(all_at_once).await {
            device.expect("signs in");
        }
        server.disk.set_faults(Faults::NONE);
        assert_eq!(server.sign_ins_of(account).await.len(), 100, "seed {seed}");
    }
}

/// A sign-in that would displace another loses to one that makes room, and displaces nothing.
#[tokio::test(start_paused = true)]
async fn a_sign_in_that_still_stands_is_not_told_as_ended() {
    for seed in 0..50 {
        let server = server(seed).await;
        let ada = server.administrator("ada").await;
        let account = ada.caller.account;
        assert_eq!(server.plant_sign_ins(account, 99).await, 100);
        server.disk.set_faults(SLOW);
        let (signed_in, signed_out) = tokio::join!(
            server.sign_in("ada", PASSWORD),
            server.accounts.sign_out(ada.asks(v1::SignOutRequest {})),
        );
        signed_in.expect("signs in");
        signed_out.expect("signs out");
        server.disk.set_faults(Faults::NONE);
        let standing = server.sign_ins_of(account).await;
        for (_, told) in server.ended.all() {
            assert!(!standing.contains(&told), "seed {seed}: {told} stands");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_change_of_unknown_outcome_happens_once() {
    const NEW_PASSWORD: &str = "P4ck the lightest bag";
    for seed in 0..50 {
        let server = server(seed).await;
        let ada = server.administrator("ada").await;
        let other = server.sign_in("ada", PASSWORD).await.expect("signs in");
        server.disk.set_faults(UNKNOWN);
        let request = ada.asks(v1::ChangePasswordRequest {
            current_password: PASSWORD.into(),
            new_password: NEW_PASSWORD.into(),
        });
        server
            .accounts
            .change_password(request)
            .await
            .expect("retried to the end");
        server.disk.set_faults(Faults::NONE);
        server
            .sign_in("ada", PASSWORD)
            .await
            .expect_err("the old one");
        server
            .sign_in("ada", NEW_PASSWORD)
            .await
            .expect("the new one");
        assert!(server.is_signed_in(&ada).await && !server.is_signed_in(&other).await);
        assert!(
            server.ended.has(&other) && !server.ended.has(&ada),
            "seed {seed}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_does_not_count_as_a_wrong_password() {
    let server = server(1).await;
    server.administrator("ada").await;
    server.disk.set_faults(Faults {
        unavailable: 1_000_000,
        ..Faults::NONE
    });
    for _ in 0..100 {
        let failed = server
            .sign_in_as(credentials("ada", PASSWORD))
            .await
            .expect_err("down");
        assert_eq!(failed.code(), Code::Unavailable);
    }
    server.disk.set_faults(Faults::NONE);
    server
        .sign_in("ada", PASSWORD)
        .await
        .expect("nobody was throttled");
}
