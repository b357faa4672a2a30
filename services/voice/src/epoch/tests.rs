//! Epochs of a call over time: offered, acknowledged, switched, taken over.

use std::collections::BTreeSet;

use super::*;
use crate::Nonce;
use crate::limits::{EPOCH_EVERY_MIN, EPOCH_OFFER_MAX, EPOCH_OVERLAP, EPOCH_PERIOD_DEFAULT};
use crate::testing::epochs;

const TERM: Epoch = Epoch(3);
const START: Duration = Duration::from_secs(100);
const ANN: Nonce = Nonce([1; 16]);
const BOB: Nonce = Nonce([2; 16]);

fn both() -> BTreeSet<Nonce> {
    [ANN, BOB].into()
}

/// One in which somebody has just left, and what that offers.
fn offering() -> (Schedule, KeyEpoch, Duration) {
    let mut schedule = Schedule::new(TERM, EPOCH_PERIOD_DEFAULT, START);
    schedule.want();
    let now = START + EPOCH_EVERY_MIN;
    schedule.turn(now, both);
    let offered = schedule.epochs().offered.expect("an offer");
    (schedule, offered, now)
}

#[test]
fn an_offer_becomes_present_once_all_have_acknowledged() {
    let (mut schedule, offered, now) = offering();
    assert!(schedule.acknowledge(ANN, offered));
    schedule.turn(now, both);
    assert_eq!(schedule.epochs().offered, Some(offered));
    assert!(!schedule.acknowledge(BOB, offered.next()), "of another");
    assert!(schedule.acknowledge(BOB, offered));
    schedule.turn(now, both);
    assert_eq!(schedule.epochs().present, offered);
    schedule.turn(now + EPOCH_OVERLAP, both);
    assert_eq!(schedule.epochs().former, None);
}

#[test]
fn an_offer_waits_for_nobody_longer_than_it_may() {
    let (mut schedule, offered, now) = offering();
    assert_eq!(schedule.deadline(), now + EPOCH_OFFER_MAX);
    schedule.turn(now + EPOCH_OFFER_MAX, both);
    assert_eq!(schedule.epochs().present, offered);
}

#[test]
fn who_is_gone_is_not_waited_for() {
    let (mut schedule, offered, now) = offering();
    schedule.gone(ANN);
    schedule.gone(BOB);
    schedule.turn(now, both);
    assert_eq!(schedule.epochs().present, offered);
}

#[test]
fn an_epoch_lasts_its_period() {
    let mut schedule = Schedule::new(TERM, EPOCH_PERIOD_DEFAULT, START);
    assert_eq!(schedule.deadline(), START + EPOCH_PERIOD_DEFAULT);
    schedule.turn(START + EPOCH_PERIOD_DEFAULT, both);
    assert!(schedule.epochs().offered.is_some());
}

#[test]
fn another_home_offers_a_later_epoch_with_another_mark() {
    let earlier = epochs(None, 2 << 32 | 900, Some(2 << 32 | 901));
    let schedule = Schedule::taken_over(TERM, EPOCH_PERIOD_DEFAULT, &earlier, START);
    let now = schedule.epochs();
    let offered = now.offered.expect("an offer");
    assert_eq!(now.present, earlier.present);
    assert!(offered.is_of(TERM) && offered > earlier.newest());
    assert!(earlier.iter().all(|known| known.mark() != offered.mark()));
}
