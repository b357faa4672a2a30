//! Several nodes on one store: what one does to sign-ins holds on the others.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cluster_store::{Faults, MaybeCommitted, SimulatedDisk, StoreError, Transaction, schema};
use cluster_types::Seq;
use proto::storage::v1 as storage;
use proto::v1;
use proto::v1::accounts_server::Accounts as _;
use services_accounts::{AuthenticateError, HashCost, Options, administration};
use tokio::time::sleep;

use crate::harness::{Device, PASSWORD, Server};

/// What is promised about other nodes.
const SECOND: Duration = Duration::from_secs(1);

/// Two nodes, and somebody whom both remember.
async fn two_nodes() -> (Server, Server, Device) {
    let disk = SimulatedDisk::new();
    let one = Server::on(disk.clone(), 1, Options::default(), HashCost::LEAST).await;
    let other = Server::on(disk, 2, Options::default(), HashCost::LEAST).await;
    for node in [&one, &other] {
        let follows = node.accounts.follow_other_nodes().await;
        follows.expect("the store works");
    }
    let ada = one.administrator("ada").await;
    for node in [&one, &other] {
        assert!(node.is_signed_in(&ada).await);
    }
    (one, other, ada)
}

async fn sign_out(node: &Server, device: &Device) {
    let request = device.asks(v1::SignOutRequest::default());
    node.accounts.sign_out(request).await.expect("signs out");
}

#[tokio::test(start_paused = true)]
async fn an_ended_sign_in_opens_nothing_on_another_node_once_that_has_looked() {
    let (one, other, ada) = two_nodes().await;
    sign_out(&one, &ada).await;
    assert_eq!(one.ended.told.load(Ordering::SeqCst), 1, "others are told");
    other.accounts.look().await;
    assert!(!other.is_signed_in(&ada).await);
    assert!(other.ended.has(&ada), "its streams end");
    assert_eq!(other.ended.told.load(Ordering::SeqCst), 0, "not told again");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_nobody_tells_finds_out_within_a_second() {
    let (one, other, ada) = two_nodes().await;
    sign_out(&one, &ada).await;
    sleep(SECOND).await;
    assert!(other.ended.has(&ada));
    assert!(!other.is_signed_in(&ada).await);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_reach_the_store_trusts_what_it_remembers_for_less_than_a_second() {
    let (one, other, ada) = two_nodes().await;
    sign_out(&one, &ada).await;
    other.disk.set_faults(Faults {
        unavailable: 1_000_000,
        ..Faults::NONE
    });
    sleep(SECOND).await;
    let asked = other.accounts.authenticate(&ada.token).await;
    assert!(
        matches!(asked, Err(AuthenticateError::Store(_))),
        "{asked:?}"
    );
    other.disk.set_faults(Faults::NONE);
    sleep(SECOND).await;
    assert!(other.ended.has(&ada), "it reads on from where it was");
}

#[tokio::test(start_paused = true)]
async fn a_role_that_is_taken_away_is_gone_on_every_node() {
    let (one, other, ada) = two_nodes().await;
    let bob = one.member(&ada, "bob").await;
    let set_role = async |role: v1::account::Role| {
        let request = ada.asks(v1::SetAccountRoleRequest {
            name: bob.account.name.clone(),
            role: role.into(),
        });
        let set = administration::set_account_role(&one.accounts, request).await;
        set.expect("an administrator may");
        other.accounts.look().await;
        other.accounts.authenticate(&bob.token).await
    };
    let caller = set_role(v1::account::Role::Administrator).await;
    assert!(caller.expect("is signed in").administrator);
    let caller = set_role(v1::account::Role::Member).await;
    assert!(!caller.expect("is signed in").administrator);
    assert!(!other.ended.has(&bob), "its streams go on");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_account_is_signed_in_nowhere() {
    let (one, other, ada) = two_nodes().await;
    let bob = one.member(&ada, "bob").await;
    let phone = other.sign_in("bob", PASSWORD).await.expect("signs in");
    assert!(other.is_signed_in(&bob).await && other.is_signed_in(&phone).await);
    let request = ada.asks(v1::SuspendAccountRequest {
        name: bob.account.name.clone(),
    });
    let suspended = administration::suspend_account(&one.accounts, request).await;
    suspended.expect("an administrator may");
    other.accounts.look().await;
    for device in [&bob, &phone] {
        assert!(!other.is_signed_in(device).await);
        assert!(other.ended.has(device));
    }
    assert!(other.is_signed_in(&ada).await);
}

#[tokio::test(start_paused = true)]
async fn who_missed_more_than_is_kept_forgets_all_and_ends_all() {
    let (one, other, ada) = two_nodes().await;
    let far_ahead = |tx: Transaction, _: MaybeCommitted| async move {
        let row = storage::SignInChange {
            token_hash: vec![7; 32].into(),
            ..Default::default()
        };
        tx.set_row(&schema::SignInChange { seq: Seq(9_000) }, &row)
    };
    let written: Result<(), StoreError> = one.store.run(far_ahead).await;
    written.expect("the store works");
    other.accounts.look().await;
    assert_eq!(other.ended.lost.load(Ordering::SeqCst), 1);
    assert!(other.is_signed_in(&ada).await, "the store says so");
    other.accounts.look().await;
    assert_eq!(other.ended.lost.load(Ordering::SeqCst), 1, "once");
}

#[tokio::test(start_paused = true)]
async fn only_the_newest_changes_are_kept() {
    let (one, _, ada) = two_nodes().await;
    let almost = |tx: Transaction, _: MaybeCommitted| async move {
        for seq in [1, 2, 4_097] {
            let row = storage::SignInChange::default();
            tx.set_row(&schema::SignInChange { seq: Seq(seq) }, &row)?;
        }
        Ok::<(), StoreError>(())
    };
    one.store.run(almost).await.expect("the store works");
    sign_out(&one, &ada).await;
    let rows = one.disk.contents().into_iter();
    let keys = rows.filter_map(|(key, _)| <schema::SignInChange as schema::Row>::decode(&key).ok());
    let kept: Vec<u64> = keys.map(|key| key.seq.0).collect();
    assert_eq!(
        kept,
        [1, 4_097, 4_098],
        "each new one takes the place of an old one"
    );
}
