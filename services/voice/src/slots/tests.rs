//! Slots of a call: given, left, resting, and given again.

use super::*;
use crate::KeyEpoch;

fn slot(number: u16) -> Slot {
    Slot::try_from(number).expect("a slot")
}

const fn epoch(number: u64) -> KeyEpoch {
    KeyEpoch(number)
}

#[test]
fn only_numbers_below_the_count_are_slots() {
    assert_eq!(slot(SLOTS - 1).number(), SLOTS - 1);
    assert_eq!(Slot::try_from(SLOTS), Err(InvalidSlot));
}

#[test]
fn the_lowest_free_slot_is_next_until_there_is_none() {
    let mut slots = Slots::new();
    for number in 0..SLOTS {
        assert_eq!(slots.free(), Some(slot(number)));
        slots.take(slot(number));
    }
    assert_eq!(slots.free(), None);
    slots.rest(slot(700), epoch(1));
    assert_eq!(slots.free(), None, "it rests");
    slots.wake(epoch(2));
    assert_eq!(slots.free(), Some(slot(700)));
}

#[test]
fn a_slot_rests_until_no_epoch_is_accepted_that_its_owner_knew() {
    let mut slots = Slots::new();
    for number in 0..3 {
        slots.take(slot(number));
    }
    slots.rest(slot(1), epoch(5));
    slots.rest(slot(0), epoch(6));
    slots.wake(epoch(5));
    assert_eq!(slots.free(), Some(slot(3)), "the fifth is accepted");
    slots.wake(epoch(6));
    assert_eq!(slots.free(), Some(slot(1)), "and the sixth still is");
    slots.wake(epoch(7));
    assert_eq!(slots.free(), Some(slot(0)));
}

#[test]
fn sets_hold_what_is_put_into_them() {
    let (mut some, mut others) = (SlotSet::EMPTY, SlotSet::EMPTY);
    for number in [0, 63, 64, SLOTS - 1] {
        some.insert(slot(number));
    }
    others.insert(slot(64));
    others.insert(slot(65));
    let numbers = |set: &SlotSet| set.iter().map(Slot::number).collect::<Vec<_>>();
    assert_eq!(numbers(&some), [0, 63, 64, SLOTS - 1]);
    assert_eq!(numbers(&some.without(&others)), [0, 63, SLOTS - 1]);
    assert_eq!(numbers(&some.or(&others)), [0, 63, 64, 65, SLOTS - 1]);
    some.remove(slot(63));
    assert!(!some.contains(slot(63)) && some.contains(slot(0)));
}
