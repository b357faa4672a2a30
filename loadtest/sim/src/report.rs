//! What a campaign has found, for people and as the one object that every measurement of this workspace
//! ends with.

use std::fmt::Write as _;
use std::time::Duration;

use clap::ValueEnum as _;
use serde_json::{Map, Value, json};

use crate::campaign::Totals;
use crate::check::Rule;
use crate::plan::FaultKind;

/// The promises that have a row of their own.
const PROMISES: [(&str, &str); 5] = [
    ("P1", "acknowledged appends lost"),
    ("P2", "order broken"),
    ("P3", "done more or less than once"),
    ("P4", "gaps on streams"),
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
        let again = again(seed.number, faults);
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
fn again(seed: u64, faults: &[FaultKind]) -> String {
    let mut command = format!("cargo xtask sim --seed {seed} --trace");
    if !faults.contains(&FaultKind::All) {
        let names = faults.iter().filter_map(FaultKind::to_possible_value);
        let names: Vec<_> = names.map(|name| name.get_name().to_owned()).collect();
        let _ = write!(command, " --faults {}", names.join(","));
    }
    command
}

/// The table for people.
pub(crate) fn table(totals: &Totals, took: Duration) -> String {
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
    text.push_str(if totals.is_met() {
        "everything held\n"
    } else {
        "NOT everything held\n"
    });
    text
}

/// The object of `--json`.
pub(crate) fn object(totals: &Totals, took: Duration) -> Value {
    let violations = |promise: &str| -> u64 {
        let broken = totals
            .broken
            .iter()
            .filter(|(rule, _)| rule.promise() == promise);
        broken.map(|(_, count)| count).sum()
    };
    let mut rows = vec![
        figure("violations", totals.violations()),
        figure("trace mismatches", totals.mismatches),
    ];
    for (promise, what) in PROMISES {
        rows.push(figure(&format!("{promise}: {what}"), violations(promise)));
    }
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
        "met": totals.is_met(),
        "rows": rows,
        "checked": counts,
        "details": {
            "seeds": totals.seeds,
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

fn figure(name: &str, count: u64) -> Value {
    json!({
        "figure": name, "unit": "count", "value": count, "baseline": null, "ratio": null,
        "goal": 0, "met": count == 0,
    })
}

fn checked(totals: &Totals) -> [(&'static str, u64); 8] {
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
    ]
}

fn hours(span: Duration) -> f64 {
    span.as_secs_f64() / 3_600.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::{Failure, Seed};

    fn failed() -> Totals {
        let mut totals = Totals {
            seeds: 2,
            ..Totals::default()
        };
        totals.broken.insert(Rule::Gap, 3);
        totals.failed.push(Failure {
            seed: Seed::new(42),
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
        let object = object(&failed(), Duration::from_secs(1));
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
        assert!(!Totals::default().is_met());
    }

    #[test]
    fn the_table_names_broken_rules_and_says_that_not_everything_held() {
        let text = table(&failed(), Duration::from_secs(90));
        assert!(text.contains("P4: a gap on a stream"), "{text}");
        assert!(text.contains("NOT everything held"), "{text}");
    }
}
