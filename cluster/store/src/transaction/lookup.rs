//! [`Lookup`]: rows of different tables that are read in one go.
//!
//! Owns: which keys a look-up asks for, and how what is found becomes rows of their types. A backend
//! that hands each read to another thread, or to another machine, is asked once.
//!
//! Leaves out: ranges (`rows`).

use bytes::Bytes;

use super::Transaction;
use super::rows::decode_value;
use crate::StoreError;
use crate::schema::Row;

/// Rows to read in one go: a key, some keys of one table, or a tuple of these.
pub trait Lookup {
    /// The rows, in the shape of the keys.
    type Found;

    /// Adds the keys, as stored.
    #[doc(hidden)]
    fn keys(&self, keys: &mut Vec<Bytes>);

    /// Takes as many values as there are keys, in the same order.
    #[doc(hidden)]
    fn found(
        &self,
        values: &mut dyn Iterator<Item = Option<Bytes>>,
    ) -> Result<Self::Found, StoreError>;
}

impl<K: Row> Lookup for &K {
    type Found = Option<K::Value>;

    fn keys(&self, keys: &mut Vec<Bytes>) {
        keys.push(self.encode());
    }

    fn found(
        &self,
        values: &mut dyn Iterator<Item = Option<Bytes>>,
    ) -> Result<Self::Found, StoreError> {
        let value = values.next().flatten();
        value.map(decode_value::<K>).transpose()
    }
}

impl<K: Row> Lookup for &[K] {
    type Found = Vec<Option<K::Value>>;

    fn keys(&self, keys: &mut Vec<Bytes>) {
        keys.extend(self.iter().map(Row::encode));
    }

    fn found(
        &self,
        values: &mut dyn Iterator<Item = Option<Bytes>>,
    ) -> Result<Self::Found, StoreError> {
        self.iter().map(|key| key.found(values)).collect()
    }
}

macro_rules! tuples {
    ($($part:ident)+) => {
        impl<$($part: Lookup),+> Lookup for ($($part,)+) {
            type Found = ($($part::Found,)+);

            #[expect(non_snake_case, reason = "the parts are named as their types")]
            fn keys(&self, keys: &mut Vec<Bytes>) {
                let ($($part,)+) = self;
                $($part.keys(keys);)+
            }

            #[expect(non_snake_case, reason = "the parts are named as their types")]
            fn found(&self, values: &mut dyn Iterator<Item = Option<Bytes>>) -> Result<Self::Found, StoreError> {
                let ($($part,)+) = self;
                Ok(($($part.found(values)?,)+))
            }
        }
    };
}

tuples!(A B);
tuples!(A B C);
tuples!(A B C D);

impl Transaction {
    /// Rows of one or of several tables, in one go: cheaper than one after the other, and than side by
    /// side. The commit fails if another transaction changes any of them first.
    pub async fn look_up<L: Lookup>(&self, rows: L) -> Result<L::Found, StoreError> {
        let mut keys = Vec::new();
        rows.keys(&mut keys);
        let values = self.get_many(&keys).await?;
        rows.found(&mut values.into_iter())
    }
}

#[cfg(test)]
mod tests {
    use cluster_types::{AccountId, RoomId, Seq};
    use proto::storage::v1;

    use crate::schema::{RoomEvent, RoomHead, RoomMember};
    use crate::{Simulated, Store, StoreError};

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);

    const HEAD: RoomHead = RoomHead { room: ROOM };

    fn head(seq: u64) -> v1::RoomHead {
        v1::RoomHead {
            seq,
            ..Default::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_key_gets_its_row_own_writes_included() {
        let store = Store::new(Simulated::reliable());
        let events = [1, 2, 3].map(|seq| RoomEvent {
            room: ROOM,
            seq: Seq(seq),
        });
        let event = v1::RoomEvent {
            time_ms: 7,
            ..Default::default()
        };
        let tx = store.begin().await.expect("begins");
        tx.set_row(&HEAD, &head(2)).expect("sets");
        tx.set_row(&events[1], &event).expect("sets");
        tx.commit().await.expect("commits");

        let tx = store.begin().await.expect("begins");
        tx.set_row(&HEAD, &head(3)).expect("sets");
        let account = AccountId::from_bytes([2; 16]);
        let member = &RoomMember {
            room: ROOM,
            account,
        };
        let found = tx.look_up((member, events.as_slice(), &HEAD)).await;
        let found = found.expect("reads");
        assert_eq!(found, (None, vec![None, Some(event), None], Some(head(3))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_looked_up_must_not_change_before_the_commit() {
        let store = Store::new(Simulated::reliable());
        let tx = store.begin().await.expect("begins");
        let event = &RoomEvent {
            room: ROOM,
            seq: Seq(1),
        };
        tx.look_up((&HEAD, event)).await.expect("reads");
        tx.set_row(&HEAD, &head(1)).expect("sets");

        let other = store.begin().await.expect("begins");
        other.set_row(event, &Default::default()).expect("sets");
        other.commit().await.expect("commits");
        assert_eq!(tx.commit().await, Err(StoreError::Conflict));
    }
}
