//! Parts of calls for tests: slots, participants and views by small numbers.

use cluster_types::{AccountId, Epoch, NodeId, RoomId, SignInId};

use crate::{
    Datagram, Epochs, Flags, KeyEpoch, KeyId, Keys, Level, Nonce, Participant, Seat, Slot,
    TAG_BYTES, Version, View,
};

pub(crate) fn slot(number: u16) -> Slot {
    Slot::try_from(number).expect("a slot")
}

pub(crate) fn epochs(former: Option<u64>, present: u64, offered: Option<u64>) -> Epochs {
    Epochs {
        former: former.map(KeyEpoch),
        present: KeyEpoch(present),
        offered: offered.map(KeyEpoch),
    }
}

pub(crate) fn participant(number: u8) -> Participant {
    Participant {
        seat: Seat {
            account: AccountId::from_bytes([number; 16]),
            sign_in: SignInId::from_bytes([number; 16]),
        },
        nonce: Nonce([number; 16]),
        node: NodeId::from_bytes([1; 16]),
        is_connected: true,
        flags: Flags::default(),
    }
}

pub(crate) fn view<const N: usize>(epochs: Epochs, of: [(u16, Participant); N]) -> View {
    View {
        room: RoomId::from_bytes([1; 16]),
        version: Version {
            term: Epoch(1),
            number: 1,
        },
        keys: Keys::OfServer,
        epochs,
        participants: of.map(|(number, one)| (slot(number), one)).into(),
    }
}

/// A frame, as if it were sealed.
pub(crate) fn datagram(slot: Slot, epoch: KeyEpoch, count: u64, level: Level) -> Vec<u8> {
    let datagram = Datagram {
        slot,
        level,
        key: KeyId::new(slot, epoch),
        count,
    };
    let header = datagram.header();
    let sealed = [9; TAG_BYTES + 1];
    [&datagram.metadata()[..], header.as_bytes(), &sealed].concat()
}
