//! Signing in: what it costs, what it tells, and who has to wait.

use std::time::Duration;

use cluster_store::SimulatedDisk;
use proto::v1;
use proto::v1::accounts_server::Accounts as _;
use services_accounts::{HashCost, Options, administration};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{DAY, PASSWORD, Server, credentials, from_peer, reason, retry_after};

const WRONG: &str = "Not the p4ss, friends";

#[tokio::test]
async fn a_name_in_any_case_and_the_password_sign_in() {
    let server = Server::start().await;
    let ada = server.administrator("Ada").await;
    for name in ["Ada", "ada", "ADA", "ａｄａ"] {
        let device = server.sign_in(name, PASSWORD).await.expect(name);
        assert_eq!(device.account, ada.account);
        assert!(server.is_signed_in(&device).await);
    }
}

#[tokio::test]
async fn an_unknown_name_and_a_wrong_password_are_the_same() {
    let server = Server::start().await;
    server.administrator("ada").await;
    let before = server.hasher.counts();
    let wrong = server
        .sign_in("ada", WRONG)
        .await
        .expect_err("wrong password");
    let between = server.hasher.counts();
    let unknown = server
        .sign_in("grace", WRONG)
        .await
        .expect_err("unknown name");
    let after = server.hasher.counts();

    assert_eq!(wrong.code(), Code::Unauthenticated);
    assert_eq!(
        (wrong.code(), wrong.message()),
        (unknown.code(), unknown.message())
    );
    assert_eq!(wrong.details(), unknown.details());
    assert_eq!(
        between,
        (before.0, before.1 + 1),
        "one verification for a wrong password"
    );
    assert_eq!(
        after,
        (between.0, between.1 + 1),
        "and one for an unknown name"
    );
    let costs = server.hasher.verified_against();
    let [known, nobody] = &costs[before.1..] else {
        panic!("two were verified: {costs:?}");
    };
    assert_eq!(known, nobody, "and both cost the same");
}

#[tokio::test(start_paused = true)]
async fn tries_past_the_limit_wait_and_cost_no_hash() {
    let server = Server::start().await;
    server.administrator("ada").await;
    let refused = loop {
        let refused = server.sign_in("ada", WRONG).await.expect_err("wrong");
        if refused.code() != Code::Unauthenticated {
            break refused;
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(reason(&refused), "TOO_MANY_TRIES");
    let wait = retry_after(&refused).expect("a RetryInfo");
    let hashed = server.hasher.counts();
    server
        .sign_in("ada", PASSWORD)
        .await
        .expect_err("the right one has to wait as well");
    assert_eq!(server.hasher.counts(), hashed);
    server.sign_in("unknown", WRONG).await.expect_err("wrong");
    tokio::time::advance(wait).await;
    server
        .sign_in("ada", PASSWORD)
        .await
        .expect("there is no lock");
    server
        .sign_in("ada", PASSWORD)
        .await
        .expect("and nothing is left of the delay");
}

#[tokio::test(start_paused = true)]
async fn names_that_nobody_has_are_limited_all_the_same() {
    let server = Server::start().await;
    let mut codes = Vec::new();
    for _ in 0..12 {
        codes.push(
            server
                .sign_in("nobody", WRONG)
                .await
                .expect_err("unknown")
                .code(),
        );
    }
    assert_eq!(codes[0], Code::Unauthenticated);
    assert_eq!(codes[11], Code::ResourceExhausted);
}

#[tokio::test(start_paused = true)]
async fn one_address_with_many_names_has_to_slow_down_and_others_need_not() {
    let server = Server::start().await;
    server.administrator("ada").await;
    let mut last = Code::Unauthenticated;
    for n in 0..61 {
        let request = from_peer(1, credentials(&format!("name{n}"), WRONG));
        last = server
            .accounts
            .sign_in(request)
            .await
            .expect_err("unknown")
            .code();
    }
    assert_eq!(last, Code::ResourceExhausted);
    let elsewhere = from_peer(2, credentials("ada", PASSWORD));
    server
        .accounts
        .sign_in(elsewhere)
        .await
        .expect("another address");
}

#[tokio::test(start_paused = true)]
async fn who_polls_a_name_does_not_lock_its_person_out() {
    let server = Server::start().await;
    server.administrator("ada").await;
    for second in 0..600 {
        // Takes each turn as soon as there is one.
        let polls = from_peer(1, credentials("ada", WRONG));
        server.accounts.sign_in(polls).await.expect_err("wrong");
        if second % 30 == 0 {
            let signs_in = from_peer(2, credentials("ada", PASSWORD));
            server
                .accounts
                .sign_in(signs_in)
                .await
                .expect("whatever somebody elsewhere does");
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_suspended_account_is_told_so_only_with_its_password() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let grace = server.member(&ada, "grace").await;
    let request = ada.asks(v1::SuspendAccountRequest {
        name: grace.account.name.clone(),
    });
    administration::suspend_account(&server.accounts, request)
        .await
        .expect("suspended");

    let right = server
        .sign_in("grace", PASSWORD)
        .await
        .expect_err("suspended");
    assert_eq!(
        (right.code(), reason(&right)),
        (Code::PermissionDenied, "ACCOUNT_SUSPENDED".into())
    );
    let wrong = server.sign_in("grace", WRONG).await.expect_err("wrong");
    assert_eq!(
        (wrong.code(), reason(&wrong)),
        (Code::Unauthenticated, "WRONG_CREDENTIALS".into())
    );
}

#[tokio::test]
async fn a_hash_made_with_less_is_made_anew_at_the_next_sign_in() {
    let disk = SimulatedDisk::new();
    let server = Server::on(disk.clone(), 1, Options::default(), HashCost::LEAST).await;
    server.administrator("ada").await;
    let raised = HashCost {
        memory_kib: 16,
        passes: 2,
    };
    let server = Server::on(disk, 2, Options::default(), raised).await;
    assert_eq!(server.hasher.counts(), (1, 0), "the dummy");
    server
        .sign_in("ada", PASSWORD)
        .await
        .expect("the old hash is good");
    assert_eq!(server.hasher.counts(), (2, 1), "made anew");
    server
        .sign_in("ada", PASSWORD)
        .await
        .expect("the new hash is good");
    assert_eq!(server.hasher.counts(), (2, 2), "once");
    server.sign_in("ada", WRONG).await.expect_err("wrong");
}

#[tokio::test]
async fn a_hundred_sign_ins_are_enough_and_one_more_ends_the_first_to_expire() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    let kept = v1::SignInRequest {
        keep_signed_in: true,
        ..credentials("ada", PASSWORD)
    };
    for _ in 0..99 {
        server.sign_in_as(kept.clone()).await.expect("signs in");
    }
    assert!(server.ended.all().is_empty());
    server.sign_in_as(kept).await.expect("signs in");
    assert_eq!(
        server.ended.all(),
        [(ada.caller.account, ada.caller.sign_in)]
    );
    assert!(
        !server.is_signed_in(&ada).await,
        "the one for a day, of those for ninety"
    );
}

#[tokio::test]
async fn sign_ins_that_are_over_make_room_first() {
    let server = Server::start().await;
    let ada = server.administrator("ada").await;
    server.clock.advance(2 * DAY);
    let again = server.sign_in("ada", PASSWORD).await.expect("signs in");
    assert!(server.ended.has(&ada) && !server.ended.has(&again));
    // Account, name, one sign-in, one token.
    assert_eq!(server.rows().values().sum::<usize>(), 4);
}

#[tokio::test]
async fn when_too_many_sign_in_at_once_the_rest_are_told_to_come_back() {
    let server = Server::open_to_all().await;
    let names: Vec<_> = (0..200).map(|n| format!("nobody{n}")).collect();
    let tries = names.iter().enumerate().map(|(n, name)| {
        let peer = u8::try_from(n).expect("small");
        server
            .accounts
            .sign_in(from_peer(peer, credentials(name, WRONG)))
    });
    let mut busy = 0;
    for outcome in futures::future::join_all(tries).await {
        let refused = outcome.expect_err("unknown");
        if refused.code() == Code::ResourceExhausted {
            let info = refused
                .get_error_details()
                .error_info()
                .expect("one")
                .reason
                .clone();
            assert_eq!(info, "TOO_MANY_SIGN_INS");
            assert_eq!(retry_after(&refused), Some(Duration::from_secs(2)));
            busy += 1;
        }
    }
    assert!(busy > 0, "200 do not fit into 64 and a few");
    assert_eq!(
        server.hasher.counts().1,
        200 - busy,
        "who was refused has cost no hash"
    );
}
