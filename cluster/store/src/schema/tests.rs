//! The stored bytes are a promise: they read back, keep the order, and stay as they are.

use std::collections::BTreeSet;
use std::fmt::Debug;

use cluster_types::{
    AccountId, FileId, InvitationId, Month, NodeId, RoomId, Seq, Shard, SignInId, Week,
};
use proptest::prelude::*;

use super::*;

/// Equal ids and neighbours are common, so that later fields decide.
fn id() -> impl Strategy<Value = [u8; 16]> {
    prop_oneof![
        (0..3_u8).prop_map(|byte| [byte; 16]),
        Just([0xff; 16]),
        any::<[u8; 16]>()
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..16).prop_map(|chars| chars.into_iter().collect())
}

fn check_pair<K: Row + Debug + Ord + Clone>(one: &K, other: &K) -> Result<(), TestCaseError> {
    let (one_key, other_key) = (one.encode(), other.encode());
    prop_assert_eq!(&K::decode(&one_key).expect("what was encoded decodes"), one);
    prop_assert_eq!(one.cmp(other), one_key.cmp(&other_key));
    prop_assert_eq!(Table::of_key(&one_key), Some(K::TABLE));
    Ok(())
}

proptest! {
    #[test]
    fn keys_read_back_and_sort_as_their_fields(
        a in id(), b in id(), c in id(), d in id(),
        n in any::<u64>(), m in any::<u64>(), s in name(), t in name(),
        p in any::<u32>(), q in any::<u32>(),
    ) {
        let (room, other_room) = (RoomId::from_bytes(a), RoomId::from_bytes(b));
        let (account, other) = (AccountId::from_bytes(c), AccountId::from_bytes(d));
        let hash = |x: [u8; 16], y: [u8; 16]| {
            let mut hash = [0; 32];
            hash[..16].copy_from_slice(&x);
            hash[16..].copy_from_slice(&y);
            hash
        };
        check_pair(&Account { account }, &Account { account: other })?;
        check_pair(&AccountName { folded: s.clone() }, &AccountName { folded: t.clone() })?;
        check_pair(&SchemaUpgrade { step: s }, &SchemaUpgrade { step: t })?;
        check_pair(
            &SignIn { account, sign_in: SignInId::from_bytes(a) },
            &SignIn { account: other, sign_in: SignInId::from_bytes(b) },
        )?;
        check_pair(&Token { hash: hash(a, b) }, &Token { hash: hash(c, d) })?;
        check_pair(
            &Invitation { invitation: InvitationId::from_bytes(a) },
            &Invitation { invitation: InvitationId::from_bytes(b) },
        )?;
        check_pair(&InvitationSecret { hash: hash(a, b) }, &InvitationSecret { hash: hash(c, d) })?;
        check_pair(&AccountNameHash { hash: hash(a, b) }, &AccountNameHash { hash: hash(c, d) })?;
        check_pair(&Room { room }, &Room { room: other_room })?;
        check_pair(&RoomHead { room }, &RoomHead { room: other_room })?;
        check_pair(&RoomEvent { room, seq: Seq(n) }, &RoomEvent { room: other_room, seq: Seq(m) })?;
        check_pair(&RoomEvent { room, seq: Seq(n) }, &RoomEvent { room, seq: Seq(m) })?;
        check_pair(&RoomMember { room, account }, &RoomMember { room: other_room, account: other })?;
        check_pair(&RoomBan { room, account }, &RoomBan { room, account: other })?;
        check_pair(&ReadMark { room, account }, &ReadMark { room: other_room, account })?;
        check_pair(
            &ClientMessage { account, client_message_id: a },
            &ClientMessage { account: other, client_message_id: b },
        )?;
        check_pair(&AccountRoom { account, room }, &AccountRoom { account: other, room: other_room })?;
        check_pair(&DirectRoom::between(account, other), &DirectRoom::between(other, account))?;
        check_pair(&RoomLink { hash: hash(a, b) }, &RoomLink { hash: hash(c, d) })?;
        check_pair(&RoomDeletion { room }, &RoomDeletion { room: other_room })?;
        check_pair(&ServerKey { purpose: [a[0]] }, &ServerKey { purpose: [b[0]] })?;
        check_pair(
            &AccountKey { account, month: Month(p) },
            &AccountKey { account: other, month: Month(q) },
        )?;
        check_pair(&RoomKey { room, week: Week(p) }, &RoomKey { room: other_room, week: Week(q) })?;
        check_pair(&RoomKey { room, week: Week(p) }, &RoomKey { room, week: Week(q) })?;
        check_pair(&Erasure { digest: hash(a, b) }, &Erasure { digest: hash(c, d) })?;
        let (file, other_file) = (FileId::from_bytes(a), FileId::from_bytes(b));
        check_pair(&Upload { account, file }, &Upload { account: other, file: other_file })?;
        check_pair(&File { file }, &File { file: other_file })?;
        check_pair(&FileRemoval { file }, &FileRemoval { file: other_file })?;
        check_pair(&FileQuota { account }, &FileQuota { account: other })?;
        let (node, other_node) = (NodeId::from_bytes(a), NodeId::from_bytes(b));
        check_pair(&Node { node }, &Node { node: other_node })?;
        check_pair(&NodeHeartbeat { node }, &NodeHeartbeat { node: other_node })?;
        let (shard, other_shard) = (Shard::of_room(room), Shard::of_room(other_room));
        check_pair(&ShardOwner { shard }, &ShardOwner { shard: other_shard })?;
    }

    #[test]
    fn only_whole_keys_of_the_table_decode(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(row) = RoomEvent::decode(&bytes) {
            prop_assert_eq!(&row.encode()[..], &bytes[..]);
        }
        let mut key = Account { account: AccountId::from_bytes([1; 16]) }.encode().to_vec();
        key.extend_from_slice(&bytes);
        prop_assert_eq!(Account::decode(&key).is_ok(), bytes.is_empty());
        if let Ok(row) = ShardOwner::decode(&[&[6, 2], &bytes[..]].concat()) {
            prop_assert_eq!(&row.encode()[2..], &bytes[..]);
        }
    }
}

const ROOM: RoomId = RoomId::from_bytes([0xa1; 16]);
const ACCOUNT: AccountId = AccountId::from_bytes([0xb2; 16]);
const OTHER: AccountId = AccountId::from_bytes([0xc3; 16]);
const HASH: [u8; 32] = [0xf6; 32];

/// `stored` in hexadecimal; `b2*16` is sixteen bytes of 0xb2.
fn check_golden<K: Row>(row: &K, stored: &str) -> Table {
    let mut expected = String::new();
    for part in stored.split(' ') {
        match part.split_once('*') {
            Some((byte, times)) => expected += &byte.repeat(times.parse().expect("a number")),
            None => expected += part,
        }
    }
    let hex: String = row
        .encode()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, expected);
    K::TABLE
}

#[test]
fn stored_bytes_stay_as_they_are() {
    let (room, account, hash) = (ROOM, ACCOUNT, HASH);
    let sign_in = SignIn {
        account,
        sign_in: SignInId::from_bytes([0xd4; 16]),
    };
    let invitation = Invitation {
        invitation: InvitationId::from_bytes([0xe5; 16]),
    };
    let message = ClientMessage {
        account,
        client_message_id: [7; 16],
    };
    let tables = [
        check_golden(&Deployment {}, "0001"),
        check_golden(&SchemaUpgrade { step: "ab".into() }, "0002 6162"),
        check_golden(&Account { account }, "0101 b2*16"),
        check_golden(
            &AccountName {
                folded: "anna".into(),
            },
            "0102 616e6e61",
        ),
        check_golden(&sign_in, "0103 b2*16 d4*16"),
        check_golden(&Token { hash }, "0104 f6*32"),
        check_golden(&invitation, "0105 e5*16"),
        check_golden(&InvitationSecret { hash }, "0106 f6*32"),
        check_golden(&AccountNameHash { hash }, "0107 f6*32"),
        check_golden(&SignInChange { seq: Seq(258) }, "0108 0000000000000102"),
        check_golden(&Room { room }, "0201 a1*16"),
        check_golden(&RoomHead { room }, "0202 a1*16"),
        check_golden(
            &RoomEvent {
                room,
                seq: Seq(0x0102_0304),
            },
            "0203 a1*16 0000000001020304",
        ),
        check_golden(&RoomMember { room, account }, "0204 a1*16 b2*16"),
        check_golden(&RoomBan { room, account }, "0205 a1*16 b2*16"),
        check_golden(&ReadMark { room, account }, "0206 a1*16 b2*16"),
        check_golden(&message, "0207 b2*16 07*16"),
        check_golden(&AccountRoom { account, room }, "0208 b2*16 a1*16"),
        check_golden(&DirectRoom::between(OTHER, account), "0209 b2*16 c3*16"),
        check_golden(&RoomLink { hash }, "020a f6*32"),
        check_golden(&RoomDeletion { room }, "020b a1*16"),
        check_golden(&Vault {}, "0301"),
        check_golden(&ServerKey { purpose: [7] }, "0302 07"),
        check_golden(
            &AccountKey {
                account,
                month: Month(0x0102),
            },
            "0303 b2*16 00000102",
        ),
        check_golden(
            &RoomKey {
                room,
                week: Week(0x0102),
            },
            "0304 a1*16 00000102",
        ),
        check_golden(&KeyRotation {}, "0305"),
        check_golden(&Erasure { digest: hash }, "0401 f6*32"),
    ];
    let tables = [&tables[..], &golden_since_files()].concat();
    assert_eq!(tables, Table::ALL, "every table has golden bytes");
}

fn golden_since_files() -> [Table; 8] {
    let (room, account) = (ROOM, ACCOUNT);
    let file = FileId::from_bytes([0xd4; 16]);
    let node = NodeId::from_bytes([0xd4; 16]);
    [
        check_golden(&Upload { account, file }, "0501 b2*16 d4*16"),
        check_golden(&File { file }, "0502 d4*16"),
        check_golden(&FileRemoval { file }, "0503 d4*16"),
        check_golden(&FileQuota { account }, "0504 b2*16"),
        check_golden(&Node { node }, "0601 d4*16"),
        check_golden(
            &ShardOwner {
                shard: Shard::of_room(room),
            },
            "0602 01a1",
        ),
        check_golden(&ShardMark {}, "0603"),
        check_golden(&NodeHeartbeat { node }, "0604 d4*16"),
    ]
}

#[tokio::test(start_paused = true)]
async fn ranges_of_leading_fields_hold_exactly_their_rows() {
    let store = crate::Store::new(crate::Simulated::reliable());
    let tx = store.begin().await.expect("begins");
    let last = RoomId::from_bytes([0xff; 16]);
    for room in [RoomId::from_bytes([0; 16]), ROOM, last] {
        for seq in [Seq(1), Seq(2), Seq(u64::MAX)] {
            tx.set_row(&RoomEvent { room, seq }, &Default::default())
                .expect("sets");
        }
    }
    tx.set_row(
        &RoomMember {
            room: ROOM,
            account: ACCOUNT,
        },
        &Default::default(),
    )
    .expect("sets");

    let seqs = async |range: crate::RowRange<RoomEvent>| {
        let page = tx.scan(range, crate::Scan::default()).await.expect("scans");
        page.rows
            .into_iter()
            .map(|(key, _)| key.seq.0)
            .collect::<Vec<_>>()
    };
    let at = |seq| RoomEvent {
        room: ROOM,
        seq: Seq(seq),
    };
    assert_eq!(seqs(RoomEvent::of(ROOM)).await, [1, 2, u64::MAX]);
    assert_eq!(
        seqs(RoomEvent::of(last)).await,
        [1, 2, u64::MAX],
        "the end of the table"
    );
    assert_eq!(seqs(RoomEvent::of(ROOM).after(&at(1))).await, [2, u64::MAX]);
    assert_eq!(seqs(crate::RowRange::between(&at(1), &at(2))).await, [1]);
    assert_eq!(seqs(crate::RowRange::all()).await.len(), 9);

    tx.clear_rows(RoomEvent::of(ROOM)).expect("clears");
    assert_eq!(seqs(crate::RowRange::all()).await.len(), 6);
}

#[test]
fn no_prefix_is_used_twice_and_none_ends_the_key_space() {
    let prefixes: BTreeSet<[u8; 2]> = Table::ALL.iter().map(|table| table.prefix()).collect();
    assert_eq!(prefixes.len(), Table::ALL.len());
    assert!(
        prefixes.iter().all(|prefix| prefix[0] < 0xff),
        "ranges need a byte to count up"
    );
    assert_eq!(Table::of_key(&[0xff, 0xff]), None);
    assert_eq!(Table::of_key(&[0x01]), None);
}
