//! Histories that break each rule, one by one. Each starts from a story that breaks none, and tells it
//! otherwise in one place.

use std::collections::BTreeSet;

use super::{Rule, Verdict, check};
use crate::history::History;

mod delivering;
mod logging;
mod looking;
mod story;

use story::{A, B, C, ROOM, Story};

/// The rules that a story breaks.
fn broken(history: &History) -> BTreeSet<Rule> {
    check(history)
        .violations
        .iter()
        .map(|violation| violation.rule)
        .collect()
}

/// Says that a story breaks one rule and no other.
#[track_caller]
fn breaks(story: Story, rule: Rule) {
    let Verdict { violations, .. } = check(&story.tell());
    let rules: BTreeSet<_> = violations.iter().map(|violation| violation.rule).collect();
    assert_eq!(rules, BTreeSet::from([rule]), "{violations:#?}");
}

#[track_caller]
fn holds(story: Story) {
    let Verdict { violations, .. } = check(&story.tell());
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn a_story_in_which_all_goes_well_breaks_nothing() {
    let mut story = Story::new();
    let stream = story.opens(A, &[(ROOM, 0)]);
    story.says(A, "one");
    story.says(B, "two");
    story.changes(A, 4, "uno");
    story.takes_back(B, 5);
    story.removes(A, B);
    story.adds(A, B);
    story.says(B, "three");
    story.delivers(stream, 1..=10);
    story.rests();
    let checked = check(&story.clone().tell()).checked;
    assert_eq!(checked.appends, 5);
    assert_eq!(checked.deliveries, 10);
    assert_eq!(checked.removals, 1);
    holds(story);
}

#[test]
fn an_empty_history_breaks_nothing_and_has_nothing_checked() {
    let verdict = check(&History::default());
    assert!(verdict.violations.is_empty());
    assert_eq!(verdict.checked, super::Checked::default());
}

#[test]
fn every_rule_is_broken_by_some_story() {
    let mut seen = BTreeSet::new();
    for story in logging::stories()
        .into_iter()
        .chain(delivering::stories())
        .chain(looking::stories())
    {
        seen.extend(broken(&story.tell()));
    }
    let missing: Vec<_> = Rule::ALL
        .into_iter()
        .filter(|rule| !seen.contains(rule))
        .collect();
    assert!(missing.is_empty(), "no story breaks {missing:?}");
}

#[test]
fn an_excerpt_shows_the_entry_at_fault_and_stays_short() {
    let mut story = Story::new();
    let stream = story.opens(C, &[(ROOM, 0)]);
    for number in 0..500 {
        story.says(A, &format!("message {number}"));
    }
    story.delivers(stream, 1..=100);
    story.delivers(stream, 102..=103);
    let history = story.tell();
    let verdict = check(&history);
    let gap = verdict
        .violations
        .iter()
        .find(|violation| violation.rule == Rule::Gap);
    let gap = gap.expect("a gap");
    let lines = super::excerpt(&history, gap);
    assert!(lines.len() <= crate::limits::EXCERPT_LINES_MAX);
    let entry = format!("{:>6} ", gap.about.entry);
    assert!(
        lines.iter().any(|line| line.starts_with(&entry)),
        "{lines:#?}"
    );
}
