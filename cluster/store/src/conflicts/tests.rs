//! The window of recent writes, against a list of all writes ever.

use proptest::prelude::*;

use super::*;

fn one(byte: u8) -> Bytes {
    Bytes::copy_from_slice(&[byte])
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        3 => (0..16_u8).prop_map(|key| Mutation::Set { key: one(key), value: one(0) }),
        1 => (0..16_u8).prop_map(|key| Mutation::Clear { key: one(key) }),
        1 => (0..16_u8, 0..17_u8)
            .prop_map(|(begin, end)| Mutation::ClearRange { begin: one(begin), end: one(end) }),
    ]
}

fn span() -> impl Strategy<Value = Span> {
    prop_oneof![
        (0..16_u8).prop_map(|key| Span::Key(one(key))),
        (0..16_u8, 0..17_u8).prop_map(|(begin, end)| Span::Range {
            begin: one(begin),
            end: one(end)
        }),
    ]
}

fn bounds(begin: &Bytes, end: &Bytes) -> std::ops::Range<u8> {
    begin[0]..end[0]
}

fn written(mutation: &Mutation) -> std::ops::Range<u8> {
    match mutation {
        Mutation::Set { key, .. } | Mutation::Clear { key } => key[0]..key[0] + 1,
        Mutation::ClearRange { begin, end } => bounds(begin, end),
    }
}

fn read(span: &Span) -> std::ops::Range<u8> {
    match span {
        Span::Key(key) => key[0]..key[0] + 1,
        Span::Range { begin, end } => bounds(begin, end),
    }
}

proptest! {
    #[test]
    fn conflicts_are_found_exactly_where_an_unseen_write_touches_a_read(
        writes in prop::collection::vec(mutation(), 0..40),
        reads in prop::collection::vec(span(), 1..4),
        at in 0..40_u64,
        forgotten in 0..40_u64,
    ) {
        let mut recent = RecentWrites::new(Version(0), 1_000, 1_000);
        for (index, write) in writes.iter().enumerate() {
            recent.record(Version(index as u64 + 1), std::slice::from_ref(write));
        }
        recent.forget_through(Version(forgotten));

        let unseen = writes.iter().enumerate().filter(|(index, _)| *index as u64 + 1 > at);
        let touched = unseen.map(|(_, write)| written(write)).any(|write| {
            reads.iter().map(read).any(|read| {
                write.clone().any(|key| read.contains(&key))
            })
        });
        let answer = recent.check(Version(at), &reads);
        if at < forgotten {
            prop_assert_eq!(answer, Err(StoreError::TooOld));
        } else if touched {
            prop_assert_eq!(answer, Err(StoreError::Conflict));
        } else {
            prop_assert_eq!(answer, Ok(()));
        }
    }
}

#[test]
fn memory_is_bounded_and_what_was_forgotten_is_too_old() {
    let mut recent = RecentWrites::new(Version(0), 10, 2);
    for version in 1..=20 {
        let write = Mutation::Set {
            key: one(version),
            value: one(0),
        };
        recent.record(Version(version.into()), &[write]);
    }
    assert_eq!(recent.order.len(), 10);
    assert_eq!(recent.keys.len(), 10);
    let reads = [Span::Key(one(200))];
    assert_eq!(recent.check(Version(9), &reads), Err(StoreError::TooOld));
    assert_eq!(recent.check(Version(10), &reads), Ok(()));

    for version in 21..=24_u8 {
        let write = Mutation::ClearRange {
            begin: one(0),
            end: one(9),
        };
        recent.record(Version(version.into()), &[write]);
    }
    assert_eq!(recent.ranges.len(), 2);
    assert_eq!(recent.check(Version(21), &reads), Err(StoreError::TooOld));
    assert_eq!(recent.check(Version(22), &reads), Ok(()));
}

#[test]
fn a_blind_write_is_never_too_old() {
    let recent = RecentWrites::new(Version(100), 10, 10);
    assert_eq!(recent.check(Version(1), &[]), Ok(()));
}

#[test]
fn the_oldest_reader_holds_the_rest_back() {
    let mut readers = Readers::default();
    readers.enter(Version(3));
    readers.enter(Version(3));
    readers.enter(Version(5));
    assert_eq!(readers.oldest(Version(9)), Version(3));
    readers.leave(Version(3));
    assert_eq!(readers.oldest(Version(9)), Version(3));
    readers.leave(Version(3));
    assert_eq!(readers.oldest(Version(9)), Version(5));
    readers.leave(Version(5));
    assert_eq!(readers.oldest(Version(9)), Version(9));
}
