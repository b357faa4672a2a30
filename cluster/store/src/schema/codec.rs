//! How fields become bytes of a key: fixed width, big-endian, order-preserving.

use bytes::{BufMut, BytesMut};
use cluster_types::{
    AccountId, FileId, InvitationId, Month, NodeId, RoomId, Seq, Shard, SignInId, Week,
};

use crate::limits::NAME_KEY_BYTES_MAX;

/// Bytes that are not a key of the table asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a key of this table")]
pub struct InvalidKey;

/// One field of a key.
pub(crate) trait Field: Sized {
    /// Appends the field.
    fn put(&self, key: &mut BytesMut);

    /// Takes the field from the front.
    fn take(key: &mut &[u8]) -> Result<Self, InvalidKey>;
}

fn take_array<const N: usize>(key: &mut &[u8]) -> Result<[u8; N], InvalidKey> {
    let (array, rest) = key.split_first_chunk::<N>().ok_or(InvalidKey)?;
    *key = rest;
    Ok(*array)
}

impl<const N: usize> Field for [u8; N] {
    fn put(&self, key: &mut BytesMut) {
        key.put_slice(self);
    }

    fn take(key: &mut &[u8]) -> Result<Self, InvalidKey> {
        take_array(key)
    }
}

impl Field for Seq {
    fn put(&self, key: &mut BytesMut) {
        key.put_u64(self.0);
    }

    fn take(key: &mut &[u8]) -> Result<Self, InvalidKey> {
        take_array(key).map(u64::from_be_bytes).map(Self)
    }
}

impl Field for Shard {
    fn put(&self, key: &mut BytesMut) {
        key.put_u16(self.number());
    }

    fn take(key: &mut &[u8]) -> Result<Self, InvalidKey> {
        let number = take_array(key).map(u16::from_be_bytes)?;
        Self::try_from(number).map_err(|_| InvalidKey)
    }
}

macro_rules! period_fields {
    ($($period:ty),*) => {$(
        impl Field for $period {
            fn put(&self, key: &mut BytesMut) {
                key.put_u32(self.0);
            }

            fn take(key: &mut &[u8]) -> Result<Self, InvalidKey> {
                take_array(key).map(u32::from_be_bytes).map(Self)
            }
        }
    )*};
}

period_fields!(Month, Week);

macro_rules! id_fields {
    ($($id:ty),*) => {$(
        impl Field for $id {
            fn put(&self, key: &mut BytesMut) {
                key.put_slice(self.as_bytes());
            }

            fn take(key: &mut &[u8]) -> Result<Self, InvalidKey> {
                take_array(key).map(Self::from_bytes)
            }
        }
    )*};
}

id_fields!(AccountId, FileId, InvitationId, NodeId, RoomId, SignInId);

/// Text to the end of the key; only the last field can be one. Longer text than the limit is cut off
/// by nobody: the service that takes names refuses it long before, and reading one back fails.
impl Field for String {
    fn put(&self, key: &mut BytesMut) {
        debug_assert!(
            self.len() <= NAME_KEY_BYTES_MAX,
            "names are checked where they come in"
        );
        key.put_slice(self.as_bytes());
    }

    fn take(key: &mut &[u8]) -> Result<Self, InvalidKey> {
        let bytes = std::mem::take(key);
        if bytes.len() > NAME_KEY_BYTES_MAX {
            return Err(InvalidKey);
        }
        Self::from_utf8(bytes.to_vec()).map_err(|_| InvalidKey)
    }
}
