//! One key for one name, whatever the store says about its commits.

use std::collections::BTreeSet;

use cluster_store::{FaultCounts, Faults, schema};
use cluster_types::UnixMillis;
use futures::future::join_all;
use services_vault::{FieldAad, LookupDomain};

use crate::harness::{DAY_MS, NOON, World, account, assert_opens, generations, room, seal};

/// Some nodes say things at the same moments, on a disk with these faults. Then a node that remembers
/// nothing reads all of it.
async fn everything_that_was_sealed_opens(seed: u64, faults: Faults) -> FaultCounts {
    let world = World::new(seed);
    let nodes = [
        world.vault().await,
        world.vault().await,
        world.vault().await,
    ];
    world.disk.set_faults(faults);
    let mut said = Vec::new();
    for week in 0..16_u64 {
        // Across the ends of weeks and months.
        let time = UnixMillis(NOON.0 + week * 7 * DAY_MS);
        let calls = nodes.iter().flat_map(|node| {
            (0..3).flat_map(move |who| (0..2).map(move |place| (node, who, place)))
        });
        let calls = calls.map(|(node, who, place)| seal(node, account(who), room(place), time));
        let sealed = join_all(calls).await;
        // Whoever heard of an error has sealed nothing.
        said.extend(sealed.into_iter().filter_map(Result::ok));
    }
    world.disk.set_faults(Faults::NONE);
    let reader = world.vault().await;
    assert!(!said.is_empty(), "seed {seed}");
    for message in &said {
        assert_opens(&reader, message).await;
    }
    world.disk.faults_injected()
}

#[tokio::test(start_paused = true)]
async fn no_name_ever_has_two_keys_whatever_commits_are_unknown() {
    let mut unknown = 0;
    for seed in 0..40 {
        let counts = everything_that_was_sealed_opens(seed, Faults::ROUGH).await;
        unknown += counts.unknown_committed + counts.unknown_lost;
    }
    let often = Faults {
        unknown_committed: 300_000,
        unknown_lost: 300_000,
        ..Faults::NONE
    };
    for seed in 0..40 {
        let counts = everything_that_was_sealed_opens(seed, often).await;
        unknown += counts.unknown_committed + counts.unknown_lost;
    }
    assert!(unknown > 1_000, "{unknown} unknown commits prove little");
}

#[tokio::test(start_paused = true)]
async fn each_period_has_a_row_and_no_more() {
    let world = World::new(1);
    let vault = world.vault().await;
    for day in 0..40 {
        let time = UnixMillis(NOON.0 + day * DAY_MS);
        seal(&vault, account(1), room(1), time)
            .await
            .expect("seals");
    }
    let times = (0..40).map(|day| UnixMillis(NOON.0 + day * DAY_MS));
    let months: BTreeSet<_> = times.clone().map(cluster_types::Month::from).collect();
    let weeks: BTreeSet<_> = times.map(cluster_types::Week::from).collect();
    let server = 2;
    let rows = generations(&world.store()).await;
    assert_eq!(rows.len(), months.len() + weeks.len() + server);
}

#[tokio::test(start_paused = true)]
async fn whoever_only_opens_makes_no_key() {
    let world = World::new(1);
    let vault = world.vault().await;
    let before = world.disk.contents();
    let name = services_vault::PairName::at(account(1), room(1), NOON);
    let pairs = vault.opening_pairs(&[name]).await.expect("reads");
    assert!(pairs[0].is_none());
    let accounts = vault.account_openers(&[account(1)]).await.expect("reads");
    let rooms = vault.room_openers(&[room(1)]).await.expect("reads");
    assert!(accounts[0].is_none() && rooms[0].is_none());
    assert_eq!(world.disk.contents(), before);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_messages_opens_in_their_order_with_gaps_where_keys_are_gone() {
    let world = World::new(1);
    let vault = world.vault().await;
    let mut messages = Vec::new();
    for who in [1, 2, 1, 3] {
        messages.push(
            seal(&vault, account(who), room(1), NOON)
                .await
                .expect("seals"),
        );
    }
    vault.destroy_account(account(2)).await.expect("destroys");
    let names: Vec<_> = messages.iter().map(|message| message.name).collect();
    let reader = world.vault().await;
    for _ in ["from the store", "from memory"] {
        let pairs = reader.opening_pairs(&names).await.expect("reads");
        let texts = pairs.iter().zip(&messages).map(|(pair, message)| {
            let opened = pair.as_ref()?.open(&message.aad, &message.sealed);
            Some(opened.expect("its own key"))
        });
        let expected = messages.iter().map(|message| {
            let text = message.text.clone().into_bytes();
            (message.aad.author != account(2)).then_some(text)
        });
        assert!(texts.eq(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn fields_and_lookups_are_the_same_on_every_node_and_after_a_restart() {
    let world = World::new(1);
    let (one, other) = (world.vault().await, world.vault().await);
    let profile = FieldAad::of(
        &schema::Account {
            account: account(1),
        },
        "display_name",
    );
    let topic = FieldAad::of(&schema::Room { room: room(1) }, "topic");
    let sealer = one.account_sealer(account(1)).await.expect("seals");
    let name = sealer.seal(&profile, b"Anna").expect("short");
    let sealer = one.room_sealer(room(1)).await.expect("seals");
    let about = sealer.seal(&topic, b"Birds").expect("short");
    let note = one.server_sealer().seal(&topic, b"for Ben").expect("short");

    let opener = other.account_openers(&[account(1)]).await.expect("reads");
    let opener = opener[0].as_ref().expect("the key is there");
    assert_eq!(opener.open(&profile, &name).as_deref(), Ok(&b"Anna"[..]));
    let opener = other.room_openers(&[room(1)]).await.expect("reads");
    let opener = opener[0].as_ref().expect("the key is there");
    assert_eq!(opener.open(&topic, &about).as_deref(), Ok(&b"Birds"[..]));
    let opened = other.server_sealer().open(&topic, &note);
    assert_eq!(opened.as_deref(), Ok(&b"for Ben"[..]));
    let hashes = [&one, &other].map(|vault| vault.lookups().hash(LookupDomain::Email, "a@b"));
    assert_eq!(hashes[0], hashes[1]);
}

#[tokio::test(start_paused = true)]
async fn a_wrapped_key_that_is_moved_to_another_row_does_not_open() {
    let world = World::new(1);
    let vault = world.vault().await;
    let message = seal(&vault, account(1), room(1), NOON)
        .await
        .expect("seals");
    let store = world.store();
    let tx = store.begin().await.expect("begins");
    let month = message.name.month;
    let [from, to] = [1, 2].map(|who| schema::AccountKey {
        account: account(who),
        month,
    });
    let row = tx.row(&from).await.expect("reads").expect("is there");
    tx.set_row(&to, &row).expect("sets");
    tx.commit().await.expect("commits");
    let error = seal(&world.vault().await, account(2), room(1), NOON).await;
    let error = error.expect_err("refused").to_string();
    assert_eq!(error, "a stored key does not open under generation 1");
}
