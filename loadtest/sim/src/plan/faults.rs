//! What goes wrong: kinds of faults, and the weather, which is how often each comes.

use std::time::Duration;

use cluster_store::Faults;
use cluster_types::Rng;

use super::{among, millis, percent};
use crate::limits::DOUBT;

/// A kind of fault that can be asked for by name.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, clap::ValueEnum)]
pub enum FaultKind {
    /// Commits of which nobody can say whether they happened, both ways.
    Unknown,
    /// Conflicts, lost snapshots, transactions that cannot begin.
    Conflicts,
    /// Calls of the store that take long or very long.
    Stalls,
    /// No space on the disk.
    Full,
    /// The node dies, or stops, and starts again on the same disk.
    Crash,
    /// The wall clock jumps.
    Clocks,
    /// Of several nodes: one stands still for longer than a lease, and goes on.
    Pause,
    /// Of several nodes: what one sends to another is held, one way or both.
    Partition,
    /// Of several nodes: links break, or are late.
    Links,
    /// Of several nodes: monotonic clocks go too fast or too slow.
    Drift,
    /// Of several nodes: one does not reach the store.
    CutOff,
    /// All of them.
    All,
}

/// The kinds that may happen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FaultKinds(Vec<FaultKind>);

/// How often what goes wrong in a storm. Each storm has some of it.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    worst: Faults,
    kinds: FaultKinds,
    /// The store takes this long now and then, in any weather: else nothing would ever overlap.
    breeze: Duration,
}

// === impl FaultKind ===

impl FaultKind {
    /// Every kind that may happen to one node.
    pub(crate) const EACH: [Self; 6] = [
        Self::Unknown,
        Self::Conflicts,
        Self::Stalls,
        Self::Full,
        Self::Crash,
        Self::Clocks,
    ];

    /// What else may happen to several nodes.
    pub(crate) const OF_NODES: [Self; 5] = [
        Self::Pause,
        Self::Partition,
        Self::Links,
        Self::Drift,
        Self::CutOff,
    ];

    /// Every kind that may happen to so many nodes.
    pub(crate) fn each(nodes: usize) -> impl Iterator<Item = Self> {
        let of_nodes = Self::OF_NODES.into_iter().filter(move |_| nodes > 1);
        Self::EACH.into_iter().chain(of_nodes)
    }
}

// === impl FaultKinds ===

impl FaultKinds {
    /// All kinds.
    pub const ALL: Self = Self(Vec::new());

    /// One kind, or all of them.
    pub fn only(kind: FaultKind) -> Self {
        Self::of(&[kind])
    }

    /// These kinds; all of them if there are none.
    pub fn of(kinds: &[FaultKind]) -> Self {
        if kinds.contains(&FaultKind::All) {
            Self::ALL
        } else {
            Self(kinds.to_vec())
        }
    }

    /// Whether commits whose outcome is unknown are all that may go wrong. Then they are what a seed is about.
    pub(crate) fn is_doubt_alone(&self) -> bool {
        self.0 == [FaultKind::Unknown]
    }

    /// Whether this kind may happen.
    pub fn has(&self, kind: FaultKind) -> bool {
        self.0.is_empty() || self.0.contains(&kind)
    }
}

// === impl Weather ===

impl Weather {
    pub(super) fn draw(rng: &Rng, kinds: &FaultKinds) -> Self {
        // Each order of magnitude is as likely as any other.
        let odds = |max: u64| {
            let odds = max >> rng.below(8);
            if percent(rng, 75) { odds } else { 0 }
        };
        let worst = Faults {
            unknown_committed: odds(250_000),
            unknown_lost: odds(250_000),
            conflict: odds(300_000),
            too_old: odds(50_000),
            unavailable: odds(60_000),
            delay: odds(900_000),
            delay_max: millis(among(rng, 1..=250)),
            stall: odds(3_000),
            stall_span: millis(among(rng, 1_000..=15_000)),
        };
        let mut weather = Self {
            worst,
            kinds: kinds.clone(),
            breeze: millis(among(rng, 1..=8)),
        };
        if kinds.is_doubt_alone() {
            weather.worst.unknown_committed = among(rng, DOUBT);
            weather.worst.unknown_lost = among(rng, DOUBT);
        }
        weather
    }

    /// Only what the store always does.
    pub(crate) fn calm(&self) -> Faults {
        Faults {
            delay: 500_000,
            delay_max: self.breeze,
            ..Faults::NONE
        }
    }

    /// One storm: some of what can go wrong here.
    pub(crate) fn storm(&self, rng: &Rng) -> Faults {
        let (calm, worst) = (self.calm(), self.worst);
        let mut storm = calm;
        // Drawn whether or not it is used, so that a seed is the same storm with fewer kinds in it.
        let [unknown, lost, conflict, old, away, delay, stall] =
            std::array::from_fn(|_| percent(rng, 70));
        if self.kinds.has(FaultKind::Unknown) {
            storm.unknown_committed = if unknown { worst.unknown_committed } else { 0 };
            storm.unknown_lost = if lost { worst.unknown_lost } else { 0 };
        }
        if self.kinds.has(FaultKind::Conflicts) {
            storm.conflict = if conflict { worst.conflict } else { 0 };
            storm.too_old = if old { worst.too_old } else { 0 };
            storm.unavailable = if away { worst.unavailable } else { 0 };
        }
        if self.kinds.has(FaultKind::Stalls) {
            if delay && worst.delay > 0 {
                storm.delay = worst.delay;
                storm.delay_max = worst.delay_max;
            }
            storm.stall = if stall { worst.stall } else { 0 };
            storm.stall_span = worst.stall_span;
        }
        storm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storms(kinds: &FaultKinds) -> Vec<Faults> {
        let seeds = 0..200;
        let storm = |seed| {
            let rng = Rng::seeded(seed);
            Weather::draw(&rng, kinds).storm(&rng)
        };
        seeds.map(storm).collect()
    }

    #[test]
    fn every_kind_of_fault_comes_in_some_storm() {
        let storms = storms(&FaultKinds::ALL);
        let comes = |odds: fn(&Faults) -> u64| storms.iter().any(|storm| odds(storm) > 0);
        assert!(comes(|storm| storm.unknown_committed) && comes(|storm| storm.unknown_lost));
        assert!(comes(|storm| storm.conflict) && comes(|storm| storm.too_old));
        assert!(comes(|storm| storm.unavailable) && comes(|storm| storm.stall));
    }

    #[test]
    fn only_what_is_allowed_goes_wrong() {
        for storm in storms(&FaultKinds::only(FaultKind::Unknown)) {
            let others = storm.conflict + storm.too_old + storm.unavailable + storm.stall;
            assert_eq!(others, 0, "{storm:?}");
        }
    }

    #[test]
    fn doubt_alone_is_much_doubt() {
        let worst = |seed, kinds: &FaultKinds| Weather::draw(&Rng::seeded(seed), kinds).worst;
        for seed in 0..50 {
            let alone = worst(seed, &FaultKinds::only(FaultKind::Unknown));
            assert!(
                DOUBT.contains(&alone.unknown_committed) && DOUBT.contains(&alone.unknown_lost)
            );
        }
        let among_others = (0..50).map(|seed| worst(seed, &FaultKinds::ALL).unknown_lost);
        assert!(
            among_others.min() < Some(*DOUBT.start()),
            "else a rare fault is never tried"
        );
    }

    #[test]
    fn each_kind_is_all_kinds_but_all() {
        use clap::ValueEnum as _;
        let kinds = FaultKind::value_variants().iter();
        let kinds: Vec<_> = kinds.filter(|kind| **kind != FaultKind::All).collect();
        let each: Vec<_> = FaultKind::each(3).collect();
        assert_eq!(kinds, each.iter().collect::<Vec<_>>());
        assert_eq!(FaultKind::each(1).count(), FaultKind::EACH.len());
    }

    #[test]
    fn all_stands_for_every_kind() {
        let kinds = FaultKinds::of(&[FaultKind::Full, FaultKind::All]);
        assert!(kinds.has(FaultKind::Crash));
        assert!(!FaultKinds::of(&[FaultKind::Full]).has(FaultKind::Crash));
    }
}
