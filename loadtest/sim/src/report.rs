//! What a campaign has found, for people and as the one object that every measurement of this workspace
//! ends with.
//!
//! Invariant: a campaign is met only if each of its rows is, and among these are those that say that it did
//! something: orders and deliveries to check, and each kind of fault that was asked for.

use std::fmt::Write as _;
use std::time::Duration;

use clap::ValueEnum as _;
use serde_json::{Map, Value, json};

use crate::campaign::{Seed, Totals};
use crate::check::Rule;
use crate::limits::SEEDS_FOR_EVERY_FAULT;
use crate::plan::{FaultKind, FaultKinds};

/// The promises that have a row of their own.
const PROMISES: [(&str, &str); 6] = [
    ("P1", "acknowledged appends lost"),
    ("P2", "order broken"),
    ("P3", "done more or less than once"),
    ("P4", "gaps on streams"),
    ("P5", "writes under a stale epoch"),
    ("P11", "shown to somebody removed"),
];

/// The seeds that failed: what is wrong, how it came to it, how to see it again. Empty if none did.
pub(crate) fn failures(totals: &Totals, faults: &[FaultKind]) -> String {
    let mut text = String::new();
    for failure in &totals.failed {
        let seed = &failure.seed;
        let note = if seed.note.is_empty() {
            String::new()
        } else {
            format!(" ({})", seed.note)
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "seed {} failed{note}", seed.number);
        for line in &failure.lines {
            let _ = writeln!(text, "  {line}");
        }
        // What is on the list runs with everything, whatever was asked for.
        let faults = if seed.note.is_empty() {
            faults
        } else {
            &[FaultKind::All]
        };
        let again = again(seed, faults);
        let _ = writeln!(text, "  run it again: {again}\n");
    }
    if !text.is_empty() {
        text.push_str(
            "Seeds that failed belong into loadtest/sim/regressions.txt, each with why.\n",
        );
    }
    text
}

/// The command that runs a seed again.
fn again(seed: &Seed, faults: &[FaultKind]) -> String {
    let mut command = format!("cargo xtask sim --seed {} --trace", seed.number);
    if seed.nodes > 1 {
        // Writing to a string does not fail.
        let _ = write!(command, " --nodes {}", seed.nodes);
    }
    if !faults.contains(&FaultKind::All) {
        let names: Vec<_> = faults.iter().copied().map(name).collect();
        let _ = write!(command, " --faults {}", names.join(","));
    }
    command
}

/// One figure that has to be something.
#[derive(Debug)]
struct Row {
    figure: String,
    value: u64,
    goal: Goal,
}

#[derive(Clone, Copy, Debug)]
enum Goal {
    /// It must not happen.
    Never,
    /// It has to have happened, or nothing was shown.
    Once,
}

/// What a campaign is judged by.
#[derive(Debug)]
pub(crate) struct Judged {
    /// What was allowed to go wrong.
    pub(crate) kinds: FaultKinds,
    /// With how many nodes.
    pub(crate) nodes: usize,
}

/// The figures of a campaign.
fn rows(totals: &Totals, judged: &Judged) -> Vec<Row> {
    let row = |figure: &str, value, goal| Row {
        figure: figure.to_owned(),
        value,
        goal,
    };
    let mut rows = vec![
        row("violations", totals.violations(), Goal::Never),
        row("trace mismatches", totals.mismatches, Goal::Never),
    ];
    for (promise, what) in PROMISES {
        let broken = totals.broken.iter();
        let broken = broken.filter(|(rule, _)| rule.promise() == promise);
        let count = broken.map(|(_, count)| count).sum();
        rows.push(row(&format!("{promise}: {what}"), count, Goal::Never));
    }
    for (what, count) in [
        ("seeds run", totals.seeds),
        ("appends checked", totals.checked.appends),
        ("deliveries checked", totals.checked.deliveries),
    ] {
        rows.push(row(what, count, Goal::Once));
    }
    if judged.nodes > 1 {
        let figure = "writes to rooms held against owners";
        rows.push(row(figure, totals.checked.owned, Goal::Once));
    }
    // A few seeds need not have drawn every fault.
    if totals.seeds >= SEEDS_FOR_EVERY_FAULT {
        for kind in FaultKind::each(judged.nodes).filter(|kind| judged.kinds.has(*kind)) {
            let figure = format!("faults injected: {}", name(kind));
            rows.push(row(&figure, totals.injected.of_kind(kind), Goal::Once));
        }
    }
    rows
}

/// Whether everything held, and was put to the test.
pub(crate) fn is_met(totals: &Totals, judged: &Judged) -> bool {
    totals.failed.is_empty() && rows(totals, judged).iter().all(Row::is_met)
}

/// How a kind is called on the command line.
fn name(kind: FaultKind) -> String {
    let value = kind.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// The table for people.
pub(crate) fn table(totals: &Totals, judged: &Judged, took: Duration) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "{name:34} {value:>14}");
    };
    row("seeds, each run twice", totals.seeds.to_string());
    row("simulated hours", format!("{:.2}", hours(totals.span)));
    row(
        "minutes on the clock",
        format!("{:.1}", took.as_secs_f64() / 60.0),
    );
    for (kind, count) in totals.injected.by_kind() {
        row(&format!("  {kind}"), count.to_string());
    }
    for (what, count) in checked(totals) {
        row(what, count.to_string());
    }
    row("trace mismatches", totals.mismatches.to_string());
    row("violations", totals.violations().to_string());
    for (rule, count) in &totals.broken {
        row(&format!("  {rule}"), count.to_string());
    }
    let missed = rows(totals, judged).into_iter().filter(|row| !row.is_met());
    for Row { figure, value, .. } in missed {
        row(&format!("NOT MET: {figure}"), value.to_string());
    }
    text.push_str(if is_met(totals, judged) {
        "everything held\n"
    } else {
        "NOT everything held\n"
    });
    text
}

/// The object of `--json`.
pub(crate) fn object(totals: &Totals, judged: &Judged, took: Duration) -> Value {
    let broken: Map<_, _> = totals
        .broken
        .iter()
        .map(|(rule, count)| (rule.to_string(), json!(count)))
        .collect();
    let injected: Map<_, _> = totals
        .injected
        .by_kind()
        .into_iter()
        .map(|(kind, count)| (kind.to_owned(), json!(count)))
        .collect();
    let counts: Map<_, _> = checked(totals)
        .into_iter()
        .map(|(what, count)| (what.to_owned(), json!(count)))
        .collect();
    let failed: Vec<_> = totals
        .failed
        .iter()
        .map(|failure| failure.seed.number)
        .collect();
    json!({
        "name": "sim",
        "met": is_met(totals, judged),
        "rows": rows(totals, judged).iter().map(Row::object).collect::<Vec<_>>(),
        "checked": counts,
        "details": {
            "seeds": totals.seeds,
            "nodes": judged.nodes,
            "runs_of_each": 2,
            "rules": Rule::ALL.len(),
            "simulated_hours": hours(totals.span),
            "seconds": took.as_secs_f64(),
            "injected": injected,
            "violations_by_rule": broken,
            "failed_seeds": failed,
        },
    })
}

fn checked(totals: &Totals) -> [(&'static str, u64); 10] {
    let checked = &totals.checked;
    [
        ("seeds", totals.seeds),
        ("appends acknowledged and checked", checked.appends),
        ("orders of doubtful outcome", checked.doubtful),
        ("events of logs", checked.events),
        ("deliveries checked", checked.deliveries),
        ("pages of logs checked", checked.pages),
        ("streams greeted", checked.streams),
        ("times somebody lost a room", checked.removals),
        ("files in messages at the end", checked.files),
        ("writes to rooms held against owners", checked.owned),
    ]
}

fn hours(span: Duration) -> f64 {
    span.as_secs_f64() / 3_600.0
}

// === impl Row ===

impl Row {
    const fn is_met(&self) -> bool {
        match self.goal {
            Goal::Never => self.value == 0,
            Goal::Once => self.value > 0,
        }
    }

    fn object(&self) -> Value {
        let goal = match self.goal {
            Goal::Never => 0,
            Goal::Once => 1,
        };
        json!({
            "figure": self.figure, "unit": "count", "value": self.value, "baseline": null,
            "ratio": null, "goal": goal, "met": self.is_met(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::Failure;

    fn judged(kinds: FaultKinds) -> Judged {
        Judged { kinds, nodes: 1 }
    }

    /// Of a campaign in which everything happened and held.
    fn held(seeds: u64) -> Totals {
        let mut totals = Totals {
            seeds,
            ..Totals::default()
        };
        totals.checked.appends = 10;
        totals.checked.deliveries = 10;
        totals.injected.store.unknown_lost = 1;
        totals.injected.store.conflict = 1;
        totals.injected.store.stall = 1;
        totals.injected.store.full = 1;
        totals.injected.crashes = 1;
        totals.injected.clock_jumps = 1;
        totals
    }

    #[test]
    fn a_campaign_that_put_nothing_to_the_test_is_not_met() {
        assert!(is_met(&held(1), &judged(FaultKinds::ALL)));
        let mut idle = held(1);
        idle.checked.deliveries = 0;
        assert!(!is_met(&idle, &judged(FaultKinds::ALL)));
        idle = held(1);
        idle.checked.appends = 0;
        assert!(!is_met(&idle, &judged(FaultKinds::ALL)));
    }

    #[test]
    fn a_kind_of_fault_that_never_came_is_not_met_where_it_was_asked_for() {
        let mut totals = held(SEEDS_FOR_EVERY_FAULT);
        assert!(is_met(&totals, &judged(FaultKinds::ALL)));
        totals.injected.crashes = 0;
        assert!(!is_met(&totals, &judged(FaultKinds::ALL)));
        assert!(is_met(
            &totals,
            &judged(FaultKinds::only(FaultKind::Unknown))
        ));
        let text = table(&totals, &judged(FaultKinds::ALL), Duration::ZERO);
        assert!(text.contains("NOT MET: faults injected: crash"), "{text}");
        // One seed may be a fair day.
        totals.seeds = 1;
        assert!(is_met(&totals, &judged(FaultKinds::ALL)));
    }

    #[test]
    fn of_several_nodes_more_is_asked() {
        let totals = held(SEEDS_FOR_EVERY_FAULT);
        let mut judged = judged(FaultKinds::ALL);
        assert!(is_met(&totals, &judged));
        judged.nodes = 3;
        let text = table(&totals, &judged, Duration::ZERO);
        assert!(text.contains("NOT MET: writes to rooms held"), "{text}");
        assert!(text.contains("NOT MET: faults injected: pause"), "{text}");
        let mut failed = failed();
        failed.failed[0].seed.nodes = 3;
        let text = failures(&failed, &[FaultKind::All]);
        assert!(text.contains("--seed 42 --trace --nodes 3"), "{text}");
    }

    fn failed() -> Totals {
        let mut totals = Totals {
            seeds: 2,
            ..Totals::default()
        };
        totals.broken.insert(Rule::Gap, 3);
        totals.failed.push(Failure {
            seed: Seed::new(42, 1),
            lines: vec!["P4: a gap on a stream: p1 got r0 7, and 6 was next".to_owned()],
        });
        totals
    }

    #[test]
    fn a_failed_seed_is_named_with_the_rule_and_the_way_to_run_it_again() {
        let text = failures(&failed(), &[FaultKind::Crash, FaultKind::Unknown]);
        assert!(text.contains("seed 42 failed"), "{text}");
        assert!(text.contains("P4: a gap"), "{text}");
        assert!(
            text.contains("--seed 42 --trace --faults crash,unknown"),
            "{text}"
        );
        assert_eq!(failures(&Totals::default(), &[FaultKind::All]), "");
    }

    #[test]
    fn a_violation_is_not_met_and_neither_is_a_campaign_without_seeds() {
        let object = object(&failed(), &judged(FaultKinds::ALL), Duration::from_secs(1));
        assert_eq!(object["met"], false);
        let row = |name: &str| {
            let rows = object["rows"].as_array().expect("rows");
            rows.iter()
                .find(|row| row["figure"] == name)
                .cloned()
                .expect("a row")
        };
        assert_eq!(row("violations")["value"], 3);
        assert_eq!(row("violations")["met"], false);
        assert_eq!(row("trace mismatches")["met"], true);
        assert_eq!(row("P4: gaps on streams")["value"], 3);
        assert!(!is_met(&Totals::default(), &judged(FaultKinds::ALL)));
    }

    #[test]
    fn the_table_names_broken_rules_and_says_that_not_everything_held() {
        let text = table(&failed(), &judged(FaultKinds::ALL), Duration::from_secs(90));
        assert!(text.contains("P4: a gap on a stream"), "{text}");
        assert!(text.contains("NOT everything held"), "{text}");
    }
}
