//! [`Schedule`]: the epochs of one call over time.
//!
//! Invariants: at most two epochs are accepted and one more is offered, and no two of them have the same mark; epochs
//! only grow; an offer ends within [`EPOCH_OFFER_MAX`], the former epoch within [`EPOCH_OVERLAP`] of the switch.

use std::collections::BTreeSet;
use std::time::Duration;

use cluster_types::Epoch;

use super::{Epochs, KeyEpoch};
use crate::Nonce;
use crate::limits::{EPOCH_EVERY_MIN, EPOCH_OFFER_MAX, EPOCH_OVERLAP};

/// When which epoch is what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schedule {
    /// Of the home.
    term: Epoch,
    /// How long an epoch lasts.
    period: Duration,
    present: KeyEpoch,
    /// When the present one became that.
    since: Duration,
    /// And until when it is accepted.
    former: Option<(KeyEpoch, Duration)>,
    offer: Option<Offer>,
    /// When the last offer was made.
    offered_at: Duration,
    /// Somebody has left who knows the newest.
    wanted: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Offer {
    epoch: KeyEpoch,
    /// When it becomes the present one, whoever has not acknowledged it.
    until: Duration,
    /// Who has not.
    waiting: BTreeSet<Nonce>,
}

impl Schedule {
    /// Of a call that begins.
    pub const fn new(term: Epoch, period: Duration, now: Duration) -> Self {
        Self {
            term,
            period,
            present: KeyEpoch::first(term, now),
            since: now,
            former: None,
            offer: None,
            offered_at: now,
            wanted: false,
        }
    }

    /// Of a call that had another home, where somebody knew these. The next one is offered; nobody has it yet.
    pub fn taken_over(term: Epoch, period: Duration, earlier: &Epochs, now: Duration) -> Self {
        let mut schedule = Self::new(term, period, now);
        schedule.present = earlier.present;
        let epoch = earlier.newest().taken_over(term, now);
        schedule.offer(epoch, now, BTreeSet::new());
        schedule
    }

    /// Those that are known now.
    pub fn epochs(&self) -> Epochs {
        Epochs {
            present: self.present,
            former: self.former.map(|(epoch, _)| epoch),
            offered: self.offer.as_ref().map(|offer| offer.epoch),
        }
    }

    /// A new epoch is needed, as soon as may be.
    pub const fn want(&mut self) {
        self.wanted = true;
    }

    /// Somebody has what is offered. Says whether that had been waited for.
    pub fn acknowledge(&mut self, nonce: Nonce, epoch: KeyEpoch) -> bool {
        let offer = self.offer.as_mut().filter(|offer| offer.epoch == epoch);
        offer.is_some_and(|offer| offer.waiting.remove(&nonce))
    }

    /// Somebody does not acknowledge any more, who is not connected any more.
    pub fn gone(&mut self, nonce: Nonce) {
        if let Some(offer) = &mut self.offer {
            offer.waiting.remove(&nonce);
        }
    }

    /// Somebody was found to be connected, who has to be told of what is offered.
    pub fn found(&mut self, nonce: Nonce) {
        if let Some(offer) = &mut self.offer {
            offer.waiting.insert(nonce);
        }
    }

    /// Another node had heard of this epoch of an earlier home: frames under it may still come.
    pub fn recall(&mut self, earlier: KeyEpoch, now: Duration) {
        let known = self.epochs();
        // Where marks are the same, frames could not be told apart: those under the older one are lost.
        let is_clear = known.iter().all(|known| known.mark() != earlier.mark());
        if earlier.is_of(self.term) || !is_clear {
            return;
        }
        let until = now + EPOCH_OVERLAP;
        if earlier > self.present {
            let present = std::mem::replace(&mut self.present, earlier);
            self.former = Some((present, until));
        } else if self.former.is_none_or(|(former, _)| former < earlier) {
            self.former = Some((earlier, until));
        }
    }

    /// Does what is due. What is offered is offered to those who are connected.
    pub fn turn(&mut self, now: Duration, connected: impl FnOnce() -> BTreeSet<Nonce>) {
        self.switch(now);
        self.former = self.former.filter(|(_, until)| now < *until);
        if self.offer.is_none() && self.next_offer() <= now {
            self.offer(self.present.next(), now, connected());
            self.switch(now);
        }
    }

    /// When [`Self::turn`] has something to do next.
    pub fn deadline(&self) -> Duration {
        let next = match &self.offer {
            Some(offer) => offer.until,
            None => self.next_offer(),
        };
        self.former.map_or(next, |(_, until)| next.min(until))
    }

    fn next_offer(&self) -> Duration {
        let earliest = self.offered_at + EPOCH_EVERY_MIN;
        if self.wanted {
            earliest
        } else {
            earliest.max(self.since + self.period)
        }
    }

    fn offer(&mut self, epoch: KeyEpoch, now: Duration, waiting: BTreeSet<Nonce>) {
        self.offered_at = now;
        self.wanted = false;
        self.offer = Some(Offer {
            epoch,
            until: now + EPOCH_OFFER_MAX,
            waiting,
        });
    }

    /// What is offered becomes the present one, if nobody is waited for, or long enough.
    fn switch(&mut self, now: Duration) {
        let is_due = |offer: &mut Offer| offer.waiting.is_empty() || offer.until <= now;
        if let Some(offer) = self.offer.take_if(is_due) {
            self.former = Some((self.present, now + EPOCH_OVERLAP));
            self.present = offer.epoch;
            self.since = now;
        }
    }
}
