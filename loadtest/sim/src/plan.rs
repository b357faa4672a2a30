//! What a seed decides: how many take part, what they like to do, what goes wrong and how often, and
//! when the node dies.
//!
//! Each seed draws a subset of all operations and of all faults, and odds for each. A simulation that
//! always did a bit of everything would seldom do much of one thing, which is what finds defects.
//!
//! Invariant: a plan is a function of the seed and of the kinds of faults that are allowed.

use std::ops::RangeInclusive;
use std::time::Duration;

use cluster_types::Rng;

use crate::limits::{
    ATTEMPTS, CRASHES, DEATH_AFTER_ENTRIES, DEVICES, LIFE, PEOPLE, ROOMS, THINK_MAX, UNDER_WAY,
};

mod deeds;
mod faults;

pub(crate) use deeds::Deed;
pub(crate) use faults::Weather;
pub use faults::{FaultKind, FaultKinds};

/// All that is decided before a simulation starts.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) people: u64,
    pub(crate) devices: u64,
    pub(crate) rooms: u64,
    /// One for each start of the node.
    pub(crate) lives: Vec<Life>,
    pub(crate) kinds: FaultKinds,
    pub(crate) weather: Weather,
    pub(crate) deeds: Vec<(Deed, u64)>,
    pub(crate) think_max: Duration,
    pub(crate) under_way: u64,
    pub(crate) attempts: u64,
    /// In a hundred: how often a person uses its stream where it has one.
    pub(crate) on_stream: u64,
    /// In a thousand: how often a client hangs up on a call.
    pub(crate) hangs_up: u64,
    /// In a hundred: how often a body is long.
    pub(crate) long_bodies: u64,
    /// Tasks of the relay.
    pub(crate) relay_shards: usize,
}

/// One life of the node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) span: Duration,
    pub(crate) end: End,
}

/// How a life ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// By death, when its span is over.
    Crash,
    /// By death, as soon as so many entries have been added to the history.
    CrashAfter(u64),
    /// In order: streams first.
    Drain,
    /// In order, once everybody and everything is made.
    Founded,
    /// Not before everything has been checked.
    Last,
}

// === impl Plan ===

impl Plan {
    /// What `rng` decides.
    pub(crate) fn draw(rng: &Rng, kinds: FaultKinds) -> Self {
        let crashes = if kinds.has(FaultKind::Crash) && rng.below(4) > 0 {
            among(rng, CRASHES)
        } else {
            0
        };
        let mut lives: Vec<_> = (0..crashes).map(|_| Life::draw(rng)).collect();
        lives.push(Life {
            span: millis(among(rng, LIFE)),
            end: End::Last,
        });
        let mut plan = Self {
            people: among(rng, PEOPLE),
            devices: among(rng, DEVICES),
            rooms: among(rng, ROOMS),
            lives,
            weather: Weather::draw(rng, &kinds),
            kinds,
            deeds: deeds::draw(rng),
            think_max: millis(skewed(rng, THINK_MAX)),
            under_way: among(rng, UNDER_WAY),
            attempts: among(rng, ATTEMPTS),
            on_stream: rng.below(101),
            hangs_up: rng.below(2) * rng.below(100),
            long_bodies: rng.below(2) * rng.below(12),
            relay_shards: usize::try_from(1 + rng.below(3)).unwrap_or(1),
        };
        if plan.kinds.is_doubt_alone() {
            // As many commits as there can be, to the end.
            plan.deeds.retain(|(deed, _)| !deed.ends_something());
            plan.think_max = millis(*THINK_MAX.start());
            plan.under_way = *UNDER_WAY.end();
            plan.attempts = *ATTEMPTS.end();
        }
        plan
    }

    /// What a person does next.
    pub(crate) fn deed(&self, rng: &Rng) -> Deed {
        let total = self.deeds.iter().map(|(_, weight)| weight).sum();
        let mut left = rng.below(total);
        for (deed, weight) in &self.deeds {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *deed,
            }
        }
        Deed::Send
    }
}

impl Life {
    /// That of the node which makes everything for a cluster.
    pub(crate) const FOUNDING: Self = Self {
        span: Duration::ZERO,
        end: End::Founded,
    };

    fn draw(rng: &Rng) -> Self {
        Self {
            span: millis(among(rng, LIFE)),
            end: match rng.below(5) {
                0 => End::Drain,
                1 | 2 => End::Crash,
                _ => End::CrashAfter(among(rng, DEATH_AFTER_ENTRIES)),
            },
        }
    }
}

/// A number in the range, each as likely as any other.
pub(crate) fn among(rng: &Rng, range: RangeInclusive<u64>) -> u64 {
    range.start() + rng.below(range.end() - range.start() + 1)
}

/// A number in the range, small ones far more likely: each power of two as likely as any other.
pub(crate) fn skewed(rng: &Rng, range: RangeInclusive<u64>) -> u64 {
    let span = range.end() - range.start() + 1;
    let bits = u64::from(64 - span.leading_zeros());
    range.start() + rng.below(1 << rng.below(bits + 1)).min(span - 1)
}

/// True in so many of a hundred cases.
pub(crate) fn percent(rng: &Rng, parts: u64) -> bool {
    rng.below(100) < parts
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_has_one_plan_and_another_seed_another() {
        let plan = |seed| format!("{:?}", Plan::draw(&Rng::seeded(seed), FaultKinds::ALL));
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn ranges_are_reached_at_both_ends_and_not_left() {
        let rng = Rng::seeded(1);
        let range = 3..=17;
        for draw in [among, skewed] {
            let drawn: std::collections::BTreeSet<_> =
                (0..5_000).map(|_| draw(&rng, range.clone())).collect();
            assert_eq!(drawn.first(), Some(range.start()));
            assert_eq!(drawn.last(), Some(range.end()));
        }
    }

    #[test]
    fn each_deed_is_done_as_often_as_it_weighs() {
        let rng = Rng::seeded(1);
        let mut plan = Plan::draw(&rng, FaultKinds::ALL);
        plan.deeds = vec![(Deed::Send, 3), (Deed::Leave, 0), (Deed::Edit, 1)];
        let drawn: Vec<_> = (0..4_000).map(|_| plan.deed(&rng)).collect();
        let count = |deed| drawn.iter().filter(|drawn| **drawn == deed).count();
        assert!((2_800..3_200).contains(&count(Deed::Send)));
        assert_eq!(count(Deed::Leave), 0);
    }

    #[test]
    fn without_crashes_a_node_has_one_life() {
        let kinds = FaultKinds::only(FaultKind::Unknown);
        for seed in 0..50 {
            let plan = Plan::draw(&Rng::seeded(seed), kinds.clone());
            assert_eq!(plan.lives.len(), 1, "seed {seed}");
        }
    }
}
