//! The same service over the store that a server really has, with a restart in between.

use std::path::Path;

use cluster_store::{Embedded, EmbeddedOptions, SimulatedDisk, Store};
use cluster_types::Rng;
use futures::future::join_all;
use proto::v1;
use proto::v1::accounts_server::Accounts as _;
use services_accounts::{HashCost, Options};

use crate::harness::{PASSWORD, Server, registration};

async fn server(data_dir: &Path, seed: u64) -> Server {
    let embedded = Embedded::open(data_dir, EmbeddedOptions::default()).expect("a fresh folder");
    let unused = SimulatedDisk::new();
    let rng = Rng::seeded(seed);
    Server::over(
        Store::new(embedded),
        unused,
        rng,
        Options::default(),
        HashCost::LEAST,
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let first = server(data_dir.path(), 1).await;
    let ada = first.administrator("ada").await;
    let gone = first.sign_in("ada", PASSWORD).await.expect("signs in");
    first
        .accounts
        .sign_out(gone.asks(v1::SignOutRequest {}))
        .await
        .expect("signed out");
    let spare = first
        .invite(&ada, v1::CreateInvitationRequest::default())
        .await
        .secret;
    first.store.close().await;
    drop(first);

    let second = server(data_dir.path(), 2).await;
    let claimed = second
        .accounts
        .ensure_administrator_invitation()
        .await
        .expect("works");
    assert!(claimed.is_none());
    let caller = second
        .accounts
        .authenticate(&ada.token)
        .await
        .expect("still signed in");
    assert_eq!(caller, ada.caller);
    assert!(!second.is_signed_in(&gone).await, "still signed out");
    second
        .sign_in("ADA", PASSWORD)
        .await
        .expect("the password is known");
    let request = v1::RegisterAccountRequest {
        invitation: spare,
        ..registration("grace")
    };
    second
        .register(request)
        .await
        .expect("the invitation is known");
    second.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_use_one_invitation_at_once_one_gets_in() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let server = server(data_dir.path(), 1).await;
    let invitation = server
        .accounts
        .ensure_administrator_invitation()
        .await
        .expect("works");
    let invitation = invitation.expect("unclaimed").reveal();
    let names: Vec<_> = (0..16).map(|n| format!("user{n}")).collect();
    let tries = names.iter().map(|name| {
        let invitation = invitation.clone();
        server.register(v1::RegisterAccountRequest {
            invitation,
            ..registration(name)
        })
    });
    let winners = join_all(tries)
        .await
        .into_iter()
        .filter_map(Result::ok)
        .count();
    assert_eq!(winners, 1);
    server.store.close().await;
}
