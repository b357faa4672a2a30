//! Many seeds: those that ever failed first, each run twice and compared, on as many threads as there
//! are cores.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;

use crate::check::{Checked, Rule, Violation, check, excerpt};
use crate::history::History;
use crate::limits::{FAILED_SEEDS_SHOWN_MAX, SHOWN_MAX};
use crate::plan::FaultKinds;
use crate::run::Outcome;

mod injected;

pub(crate) use injected::Injected;

/// Every seed that ever failed, with why.
const REGRESSIONS: &str = include_str!("../regressions.txt");

/// A seed to be run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Seed {
    pub(crate) number: u64,
    /// With how many nodes.
    pub(crate) nodes: usize,
    /// Why it is on the list of those that failed; empty for all others.
    pub(crate) note: String,
}

/// Seeds to be run.
#[derive(Debug)]
pub(crate) struct Campaign {
    /// Those that ever failed, with every kind of fault, as they did when they failed.
    pub(crate) regressions: Vec<Seed>,
    /// All others, with the kinds that were asked for.
    pub(crate) seeds: Vec<Seed>,
    pub(crate) kinds: FaultKinds,
    pub(crate) jobs: NonZeroUsize,
}

/// What all seeds so far have brought.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) seeds: u64,
    pub(crate) span: Duration,
    pub(crate) checked: Checked,
    pub(crate) injected: Injected,
    pub(crate) broken: BTreeMap<Rule, u64>,
    pub(crate) mismatches: u64,
    pub(crate) failed: Vec<Failure>,
}

/// A seed that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) seed: Seed,
    /// What is wrong, in lines; empty where too many others have failed already.
    pub(crate) lines: Vec<String>,
}

/// What one seed has brought.
struct Result {
    seed: Seed,
    span: Duration,
    checked: Checked,
    injected: Injected,
    broken: Vec<Rule>,
    is_mismatch: bool,
    lines: Vec<String>,
}

/// The seeds that ever failed with so many nodes.
///
/// # Errors
/// If a line of the list is not one.
pub(crate) fn regressions(nodes: usize) -> anyhow::Result<Vec<Seed>> {
    let mut seeds = parse(REGRESSIONS)?;
    seeds.retain(|seed| seed.nodes == nodes);
    Ok(seeds)
}

fn parse(list: &str) -> anyhow::Result<Vec<Seed>> {
    let lines = list.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let seed = |line: &str| {
        let (seed, note) = line.split_once('#').unwrap_or((line, ""));
        let (number, nodes) = seed.split_once("of").unwrap_or((seed, "1"));
        anyhow::Ok(Seed {
            number: number.trim().parse()?,
            nodes: nodes.trim().parse()?,
            note: note.trim().to_owned(),
        })
    };
    lines
        .map(|line| seed(line).with_context(|| format!("not a seed in regressions.txt: {line}")))
        .collect()
}

/// Runs a seed once.
///
/// # Errors
/// If it cannot be run, or panics.
pub(crate) fn one_seed(seed: &Seed, kinds: &FaultKinds) -> anyhow::Result<Outcome> {
    let run = AssertUnwindSafe(|| crate::run::run(seed.number, kinds, seed.nodes));
    let ran = catch_unwind(run).unwrap_or_else(|_| Err(anyhow::anyhow!("the simulation panicked")));
    let panics = crate::panics::take();
    match panics.first() {
        Some(panic) => Err(anyhow::anyhow!("panicked: {panic}")),
        None => ran,
    }
}

// === impl Campaign ===

impl Campaign {
    /// How many seeds there are.
    pub(crate) fn all(&self) -> u64 {
        (self.regressions.len() + self.seeds.len()) as u64
    }

    /// The seed at this place, and what may go wrong in it.
    fn seed(&self, place: usize) -> Option<(&Seed, FaultKinds)> {
        match place.checked_sub(self.regressions.len()) {
            None => Some((&self.regressions[place], FaultKinds::ALL)),
            Some(place) => Some((self.seeds.get(place)?, self.kinds.clone())),
        }
    }

    /// Runs all seeds. `step` is called after each, with how many are done, of how many.
    pub(crate) fn run(&self, step: impl Fn(u64, u64, &Totals) + Sync) -> Totals {
        let next = AtomicUsize::new(0);
        let totals = Mutex::new(Totals::default());
        let all = self.all();
        let work = || {
            while let Some((seed, kinds)) = self.seed(next.fetch_add(1, Ordering::Relaxed)) {
                let result = Result::of(seed, &kinds);
                let mut totals = totals.lock();
                totals.add(result);
                step(totals.seeds, all, &totals);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.get() {
                scope.spawn(work);
            }
        });
        let mut totals = totals.into_inner();
        // Threads finish in any order; a report has one.
        totals.failed.sort_by_key(|failure| failure.seed.number);
        for failure in totals.failed.iter_mut().skip(FAILED_SEEDS_SHOWN_MAX) {
            failure.lines.clear();
        }
        totals
    }
}

// === impl Result ===

impl Result {
    /// Runs a seed twice, compares the two, and looks at what happened.
    fn of(seed: &Seed, kinds: &FaultKinds) -> Self {
        let mut result = Self {
            seed: seed.clone(),
            span: Duration::ZERO,
            checked: Checked::default(),
            injected: Injected::default(),
            broken: Vec::new(),
            is_mismatch: false,
            lines: Vec::new(),
        };
        let runs = one_seed(seed, kinds).and_then(|one| {
            let two = one_seed(seed, kinds)?;
            Ok((one, two))
        });
        match runs {
            Ok((one, two)) => result.look_at(&one, &two),
            Err(error) => {
                result.broken.push(Rule::Sound);
                result
                    .lines
                    .push(format!("the run itself failed: {error:#}"));
            }
        }
        result
    }

    fn look_at(&mut self, one: &Outcome, two: &Outcome) {
        self.span = one.span;
        self.injected = Injected::of(one);
        if one.digest != two.digest {
            self.is_mismatch = true;
            self.lines.extend(difference(&one.history, &two.history));
        }
        let verdict = check(&one.history);
        self.checked = verdict.checked;
        self.broken = verdict
            .violations
            .iter()
            .map(|violation| violation.rule)
            .collect();
        for violation in one_of_each(&verdict.violations).take(SHOWN_MAX) {
            self.lines
                .push(format!("{}: {}", violation.rule, violation.what));
            let lines = excerpt(&one.history, violation);
            self.lines
                .extend(lines.iter().map(|line| format!("    {line}")));
        }
    }
}

/// The first violation of each rule, then the others.
fn one_of_each(violations: &[Violation]) -> impl Iterator<Item = &Violation> {
    let mut rules = std::collections::BTreeSet::new();
    let (first, others): (Vec<_>, Vec<_>) = violations
        .iter()
        .partition(|violation| rules.insert(violation.rule));
    first.into_iter().chain(others)
}

/// Where two runs of one seed part.
fn difference(one: &History, two: &History) -> Vec<String> {
    let length = one.entries.len().max(two.entries.len());
    let parts = (0..length).find(|at| one.entries.get(*at) != two.entries.get(*at));
    let Some(at) = parts else {
        return vec!["two runs of this seed left different disks behind".to_owned()];
    };
    let line = |history: &History| match history.entries.get(at) {
        Some(entry) => entry.to_string(),
        None => "nothing more".to_owned(),
    };
    vec![
        format!("two runs of this seed part at entry {at}:"),
        format!("    first:  {}", line(one)),
        format!("    second: {}", line(two)),
    ]
}

// === impl Totals ===

impl Totals {
    /// Violations of all rules.
    pub(crate) fn violations(&self) -> u64 {
        self.broken.values().sum()
    }

    fn add(&mut self, result: Result) {
        self.seeds += 1;
        self.span += result.span;
        self.checked += result.checked;
        self.injected += result.injected;
        self.mismatches += u64::from(result.is_mismatch);
        let failed = result.is_mismatch || !result.broken.is_empty();
        for rule in result.broken {
            *self.broken.entry(rule).or_default() += 1;
        }
        if failed {
            self.failed.push(Failure {
                seed: result.seed,
                lines: result.lines,
            });
        }
    }
}

// === impl Seed ===

impl Seed {
    /// A seed that has not failed yet.
    pub(crate) const fn new(number: u64, nodes: usize) -> Self {
        Self {
            number,
            nodes,
            note: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Entry, Moment, What, World};
    use crate::plan::FaultKind;

    #[test]
    fn the_list_of_failed_seeds_is_one() {
        for nodes in [1, 3] {
            let seeds = regressions(nodes).expect("a list");
            let explained = seeds.iter().all(|seed| !seed.note.is_empty());
            assert!(explained && !seeds.is_empty(), "each says why");
        }
    }

    #[test]
    fn a_line_that_is_not_a_seed_is_named() {
        let error = parse("7 # a gap\n\n# a remark\nseven # no").expect_err("not a seed");
        assert!(error.to_string().contains("seven"), "{error:#}");
        let seeds = parse("7 # a gap\n# a remark").expect("a list");
        assert_eq!(seeds[0].number, 7);
        assert_eq!((seeds[0].nodes, &*seeds[0].note), (1, "a gap"));
        let seeds = parse("8 of 3 # two owners").expect("a list");
        assert_eq!((seeds[0].number, seeds[0].nodes), (8, 3));
    }

    #[test]
    fn the_first_difference_of_two_runs_is_shown() {
        let entry = |what| Entry {
            at: Moment(1),
            what: What::World(what),
        };
        let one = History {
            entries: vec![entry(World::Started { life: 1 }), entry(World::Crashed)],
        };
        let mut two = one.clone();
        two.entries[1] = entry(World::Drained);
        let lines = difference(&one, &two).join("\n");
        assert!(
            lines.contains("entry 1") && lines.contains("Crashed") && lines.contains("Drained")
        );
        two.entries.truncate(1);
        assert!(difference(&one, &two).join("\n").contains("nothing more"));
    }

    #[test]
    fn what_once_failed_runs_first_and_with_every_fault() {
        let unknown = FaultKinds::only(FaultKind::Unknown);
        let campaign = Campaign {
            regressions: vec![Seed::new(47, 1), Seed::new(51, 1)],
            seeds: vec![Seed::new(1, 1)],
            kinds: unknown.clone(),
            jobs: NonZeroUsize::MIN,
        };
        let order = (0..).map_while(|place| campaign.seed(place));
        let order: Vec<_> = order.map(|(seed, kinds)| (seed.number, kinds)).collect();
        let expected = [(47, FaultKinds::ALL), (51, FaultKinds::ALL), (1, unknown)];
        assert_eq!(order, expected);
        assert_eq!(campaign.all(), 3);
    }

    #[test]
    fn a_seed_is_run_twice_and_agrees_with_itself() {
        let campaign = Campaign {
            regressions: Vec::new(),
            seeds: vec![Seed::new(11, 1)],
            kinds: FaultKinds::ALL,
            jobs: NonZeroUsize::MIN,
        };
        let totals = campaign.run(|_, _, _| ());
        assert_eq!((totals.seeds, totals.mismatches), (1, 0));
        assert!(totals.checked.appends > 0 && totals.checked.deliveries > 0);
    }

    #[test]
    fn three_nodes_keep_every_promise() {
        let outcome = one_seed(&Seed::new(1, 3), &FaultKinds::ALL).expect("it runs");
        let verdict = check(&outcome.history);
        assert_eq!(verdict.violations, []);
        assert!(verdict.checked.owned > 0 && verdict.checked.deliveries > 0);
    }
}
