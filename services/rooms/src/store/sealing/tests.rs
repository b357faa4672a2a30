//! What is sealed opens in its place, and only with its keys.

use cluster_store::schema::{Room, RoomMember};
use cluster_store::{Simulated, Store};
use cluster_types::Rng;
use v1::room_event::Kind;

use super::*;
use crate::EventKind;
use crate::state::Salt;

const ROOM: RoomId = RoomId::from_bytes([1; 16]);
const OTHER: RoomId = RoomId::from_bytes([2; 16]);
const AUTHOR: AccountId = AccountId::from_bytes([3; 16]);
const FILE: Bytes = Bytes::from_static(&[10; 16]);
const NOON: UnixMillis = UnixMillis(20_000 * 86_400_000 + 43_200_123);

async fn vault() -> Vault {
    crate::testing::vault(&Store::new(Simulated::reliable()), &Rng::seeded(1)).await
}

/// A row with something in each of its fields.
fn row(kind: Kind) -> v1::RoomEvent {
    v1::RoomEvent {
        time_ms: NOON.0,
        actor_id: Bytes::copy_from_slice(AUTHOR.as_bytes()),
        message_count: 4,
        day: NOON.day().0,
        sealed: Bytes::new(),
        kind: Some(kind),
    }
}

fn attachment() -> v1::Attachment {
    v1::Attachment {
        file_id: FILE,
        key: Bytes::from_static(&[11; 32]),
        name: "a.png".to_owned(),
        size: 12,
        media_type: "image/png".to_owned(),
        sha256: Bytes::from_static(&[13; 32]),
    }
}

fn message() -> v1::RoomEvent {
    row(Kind::Message(v1::Message {
        body: "hello".to_owned(),
        format: 2,
        priority: 3,
        reply_to_seq: 4,
        client_message_id: Bytes::from_static(&[5; 16]),
        edited_seq: 6,
        deleted: false,
        salt: Bytes::from_static(&[8; 16]),
        attachments: vec![attachment()],
        file_ids: vec![FILE],
    }))
}

fn mute() -> v1::RoomEvent {
    row(Kind::Membership(v1::MembershipChange {
        account_id: Bytes::from_static(&[9; 16]),
        change: 8,
        role: 1,
        until_ms: NOON.0 + 1,
        muted: true,
    }))
}

fn renaming() -> v1::RoomEvent {
    row(Kind::Room(v1::RoomChange {
        display_name: "tea".to_owned(),
        topic: "and biscuits".to_owned(),
        archived: true,
    }))
}

fn key(room: RoomId, seq: u64) -> RoomEvent {
    let seq = Seq(seq);
    RoomEvent { room, seq }
}

/// The message at 7, sealed.
async fn sealed_message(vault: &Vault) -> v1::RoomEvent {
    let pair = vault.sealing_pair(AUTHOR, ROOM, NOON).await;
    let pair = pair.expect("keys are made");
    seal_message(
        &pair,
        &mut vault.nonces(1),
        &key(ROOM, 7),
        AUTHOR,
        message(),
    )
}

async fn read(
    vault: &Vault,
    room: RoomId,
    seq: u64,
    row: v1::RoomEvent,
) -> Result<Salted, StoreError> {
    let opener = Opener::of(vault, room).await.expect("keys are read");
    let mut events = opener.events([(Seq(seq), row)]).await?;
    Ok(events.pop().expect("one event for one row"))
}

/// The page on what is kept lists these as readable: what is added here is added there.
#[test]
fn what_stays_readable_is_what_rows_are_found_counted_and_ordered_by() {
    let readable = |kind| v1::RoomEvent {
        time_ms: 0,
        ..row(kind)
    };
    let left = |mut row: v1::RoomEvent| {
        row.take_private();
        row
    };
    let expected = Kind::Message(v1::Message {
        edited_seq: 6,
        file_ids: vec![FILE],
        ..Default::default()
    });
    assert_eq!(left(message()), readable(expected));
    let expected = Kind::Membership(v1::MembershipChange {
        account_id: Bytes::from_static(&[9; 16]),
        change: 8,
        role: 1,
        until_ms: 0,
        muted: true,
    });
    assert_eq!(left(mute()), readable(expected));
    let expected = Kind::Room(v1::RoomChange {
        archived: true,
        ..Default::default()
    });
    assert_eq!(left(renaming()), readable(expected));
    for pointer in [
        Kind::Edit(v1::MessageEdit { target_seq: 1 }),
        Kind::Deletion(v1::MessageDeletion { target_seq: 1 }),
    ] {
        assert_eq!(left(row(pointer.clone())), readable(pointer));
    }
    let mut member = v1::RoomMember {
        role: 1,
        muted: true,
        muted_until_ms: NOON.0,
        sealed: Bytes::new(),
    };
    assert_eq!(member.take_private().muted_until_ms, NOON.0);
    assert_eq!((member.muted, member.muted_until_ms), (true, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_sealed_opens_as_it_was() {
    let vault = vault().await;
    let opened = read(&vault, ROOM, 7, sealed_message(&vault).await).await;
    assert_eq!(opened, values::salted_event(Seq(7), message()));
    let fields = vault.room_sealer(ROOM).await.expect("a key is made");
    for written in [mute(), renaming()] {
        let stored = seal(&fields, &key(ROOM, 7), written.clone());
        assert_ne!(stored, written);
        let opened = read(&vault, ROOM, 7, stored).await;
        assert_eq!(opened, values::salted_event(Seq(7), written));
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_without_a_seal_reads_as_it_is() {
    let vault = vault().await;
    for earlier in [message(), mute(), renaming()] {
        let read = read(&vault, ROOM, 7, earlier.clone()).await;
        assert_eq!(read, values::salted_event(Seq(7), earlier));
    }
    let nothing_to_hide = v1::RoomMember {
        role: 1,
        ..Default::default()
    };
    let fields = vault.room_sealer(ROOM).await.expect("a key is made");
    let place = RoomMember {
        room: ROOM,
        account: AUTHOR,
    };
    assert_eq!(
        seal(&fields, &place, nothing_to_hide.clone()),
        nothing_to_hide
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_moved_or_changed_is_corrupt() {
    let vault = vault().await;
    let (table, sealed) = (Table::RoomEvent, sealed_message(&vault).await);
    let broken = Err(StoreError::Corrupt { table });
    assert_eq!(read(&vault, ROOM, 8, sealed.clone()).await, broken);
    let mut flipped = sealed.clone();
    let mut bytes = flipped.sealed.to_vec();
    bytes[20] ^= 1;
    flipped.sealed = bytes.into();
    assert_eq!(read(&vault, ROOM, 7, flipped).await, broken);
    // Under the key of the room, and not of a message.
    let mut other_kind = sealed;
    other_kind.kind = mute().kind;
    vault.room_sealer(ROOM).await.expect("a key is made");
    assert_eq!(read(&vault, ROOM, 7, other_kind).await, broken);

    let fields = vault.room_sealer(OTHER).await.expect("a key is made");
    let row = v1::Room {
        topic: "tea".to_owned(),
        ..Default::default()
    };
    let row = seal(&fields, &Room { room: OTHER }, row);
    let opener = Opener::of(&vault, ROOM).await.expect("keys are read");
    let table = Table::Room;
    assert_eq!(
        opener.open(&Room { room: ROOM }, row),
        Err(StoreError::Corrupt { table })
    );
}

/// Who can write to the store puts something readable beside a seal.
#[tokio::test(start_paused = true)]
async fn what_lies_readable_beside_a_seal_counts_for_nothing() {
    let vault = vault().await;
    let fields = vault.room_sealer(ROOM).await.expect("a key is made");
    let place = Room { room: ROOM };
    let written = v1::Room {
        display_name: "tea".to_owned(),
        ..Default::default()
    };
    let mut stored = seal(&fields, &place, written.clone());
    stored.topic = "and poison".to_owned();
    let opener = Opener::of(&vault, ROOM).await.expect("keys are read");
    assert_eq!(opener.open(&place, stored), Ok(written));
}

#[tokio::test(start_paused = true)]
async fn a_message_without_its_author_s_key_or_its_room_s_week_is_deleted() {
    for destroys_author in [true, false] {
        let vault = vault().await;
        let stored = sealed_message(&vault).await;
        let destroyed = if destroys_author {
            vault.destroy_account(AUTHOR).await
        } else {
            vault.destroy_room_week(ROOM, NOON.into()).await
        };
        destroyed.expect("keys are destroyed");
        let Salted { event, salt, .. } = read(&vault, ROOM, 7, stored).await.expect("reads");
        assert_eq!(salt, None::<Salt>);
        assert_eq!(
            event.kind,
            EventKind::Message(crate::Message::tombstone(Seq(6)))
        );
        assert_eq!((event.actor, event.message_count), (AUTHOR, 4));
        assert_eq!(event.at, NOON.day().begin());
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_a_room_whose_key_is_gone_is_too_old() {
    let vault = vault().await;
    let fields = vault.room_sealer(ROOM).await.expect("a key is made");
    let stored = seal(&fields, &key(ROOM, 7), renaming());
    vault.destroy_room(ROOM).await.expect("keys are destroyed");
    assert_eq!(read(&vault, ROOM, 7, stored).await, Err(StoreError::TooOld));
}
