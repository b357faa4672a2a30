//! What a run has measured: as a table for people, and as the one object that every measurement of this
//! workspace ends with.
//!
//! Invariant: a row without a number is not met, and neither is a report without rows. A report is met
//! only if each of its rows is.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What a figure has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// The value is at most this.
    AtMost(f64),
    /// The value is at least this.
    AtLeast(f64),
    /// The value is this.
    Exactly(f64),
    /// The value is at least this part of the baseline.
    RatioAtLeast(f64),
    /// The value is at most this many times the baseline.
    RatioAtMost(f64),
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) figure: String,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
    pub(crate) baseline: Option<f64>,
    /// `None`: the figure explains another one.
    pub(crate) goal: Option<Goal>,
    /// Whether the goal holds on any machine, in any build, however short the run.
    pub(crate) always: bool,
}

/// All figures of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) rows: Vec<Row>,
    /// What was counted to come to the figures.
    pub(crate) checked: BTreeMap<String, u64>,
    /// How it was measured, for whoever wants to know.
    pub(crate) details: Map<String, Value>,
}

// === impl Goal ===

impl Goal {
    fn number(self) -> f64 {
        match self {
            Self::AtMost(goal)
            | Self::AtLeast(goal)
            | Self::Exactly(goal)
            | Self::RatioAtLeast(goal)
            | Self::RatioAtMost(goal) => goal,
        }
    }

    fn is_met(self, value: f64, ratio: Option<f64>) -> bool {
        match self {
            Self::AtMost(goal) => value <= goal,
            Self::AtLeast(goal) => value >= goal,
            #[expect(clippy::float_cmp, reason = "counts are whole numbers")]
            Self::Exactly(goal) => value == goal,
            Self::RatioAtLeast(goal) => ratio.is_some_and(|ratio| ratio >= goal),
            Self::RatioAtMost(goal) => ratio.is_some_and(|ratio| ratio <= goal),
        }
    }

    fn words(self) -> String {
        match self {
            Self::AtMost(goal) => format!("<= {}", shown(goal)),
            Self::AtLeast(goal) => format!(">= {}", shown(goal)),
            Self::Exactly(goal) => format!("= {}", shown(goal)),
            Self::RatioAtLeast(goal) => format!(">= {} x baseline", shown(goal)),
            Self::RatioAtMost(goal) => format!("<= {} x baseline", shown(goal)),
        }
    }
}

// === impl Row ===

impl Row {
    /// A figure by itself.
    pub(crate) fn new(figure: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self {
            figure: figure.into(),
            unit,
            value,
            baseline: None,
            goal: None,
            always: false,
        }
    }

    /// The same figure of the baseline.
    #[must_use]
    pub(crate) fn against(self, baseline: f64) -> Self {
        Self {
            baseline: Some(baseline),
            ..self
        }
    }

    /// What it has to be.
    #[must_use]
    pub(crate) fn goal(self, goal: Goal) -> Self {
        Self {
            goal: Some(goal),
            ..self
        }
    }

    /// What it has to be in a quick run too: a promise, and no matter of speed.
    #[must_use]
    pub(crate) fn must(self, goal: Goal) -> Self {
        Self {
            always: true,
            ..self.goal(goal)
        }
    }

    /// Whether it was measured, and is what it has to be.
    pub(crate) fn is_met(&self) -> bool {
        self.value.is_finite()
            && self
                .goal
                .is_none_or(|goal| goal.is_met(self.value, self.ratio()))
    }

    fn ratio(&self) -> Option<f64> {
        let ratio = self.value / self.baseline?;
        ratio.is_finite().then_some(ratio)
    }

    fn object(&self) -> Value {
        json!({
            "figure": self.figure,
            "unit": self.unit,
            "value": self.value,
            "baseline": self.baseline,
            "ratio": self.ratio(),
            "goal": self.goal.map(Goal::number),
            "met": self.is_met(),
        })
    }

    fn cells(&self) -> [String; 6] {
        let or_nothing = |number: Option<f64>| number.map(shown).unwrap_or_default();
        let verdict = match (self.goal, self.is_met()) {
            (None, true) => "",
            (Some(_), true) => "met",
            (_, false) => "NOT MET",
        };
        [
            self.figure.clone(),
            format!("{} {}", shown(self.value), self.unit),
            or_nothing(self.baseline),
            or_nothing(self.ratio()),
            self.goal.map(Goal::words).unwrap_or_default(),
            verdict.to_owned(),
        ]
    }
}

// === impl Report ===

impl Report {
    /// A report without figures.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// One more figure.
    pub(crate) fn row(&mut self, row: Row) -> &mut Self {
        self.rows.push(row);
        self
    }

    /// One more count.
    pub(crate) fn check(&mut self, what: &str, count: u64) -> &mut Self {
        self.checked.insert(what.to_owned(), count);
        self
    }

    /// One more detail.
    pub(crate) fn detail(&mut self, what: &str, value: impl Into<Value>) -> &mut Self {
        self.details.insert(what.to_owned(), value.into());
        self
    }

    /// Takes in the figures of a part, under its name.
    pub(crate) fn absorb(&mut self, part: Self) {
        let name = part.name;
        let named = |what: &str| format!("{name}: {what}");
        self.rows.extend(part.rows.into_iter().map(|row| Row {
            figure: named(&row.figure),
            ..row
        }));
        let checked = part.checked.into_iter();
        self.checked
            .extend(checked.map(|(what, count)| (named(&what), count)));
        self.details.insert(name, part.details.into());
    }

    /// The same figures, of which only those have a goal that must always be met.
    #[must_use]
    pub(crate) fn only_promises(mut self) -> Self {
        for row in &mut self.rows {
            row.goal = row.goal.filter(|_| row.always);
        }
        self
    }

    /// Whether every figure is what it has to be.
    pub(crate) fn is_met(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(Row::is_met)
    }

    /// The object of `--json`.
    pub(crate) fn object(&self) -> Value {
        let mut details = self.details.clone();
        let with_goal = self.rows.iter().filter_map(|row| Some((row, row.goal?)));
        let conditions: Map<_, _> = with_goal
            .map(|(row, goal)| (row.figure.clone(), goal.words().into()))
            .collect();
        details.insert("conditions".to_owned(), conditions.into());
        json!({
            "name": self.name,
            "met": self.is_met(),
            "rows": self.rows.iter().map(Row::object).collect::<Vec<_>>(),
            "checked": self.checked,
            "details": details,
        })
    }

    /// The rows as aligned columns under their titles.
    pub(crate) fn table(&self) -> Vec<String> {
        let titles = ["", "measured", "baseline", "ratio", "goal", ""].map(str::to_owned);
        let rows: Vec<[String; 6]> = std::iter::once(titles)
            .chain(self.rows.iter().map(Row::cells))
            .collect();
        let mut widths = [0; 6];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let line = |row: &[String; 6]| {
            let cells = row.iter().zip(widths).enumerate();
            let padded = cells.map(|(column, (cell, width))| match column {
                1..=3 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            });
            let text = padded.collect::<Vec<_>>().join("  ");
            text.trim_end().to_owned()
        };
        rows.iter().map(line).collect()
    }
}

/// A number as people read it: thousands apart, and no more digits than mean something.
pub(crate) fn shown(number: f64) -> String {
    if !number.is_finite() {
        return "-".to_owned();
    }
    let whole = number.fract() == 0.0 || number.abs() >= 1_000.0;
    let digits = match number.abs() {
        _ if whole => 0,
        size if size >= 100.0 => 1,
        size if size >= 0.1 => 2,
        _ => 4,
    };
    let plain = format!("{number:.digits$}");
    let (sign, plain) = plain
        .strip_prefix('-')
        .map_or(("", &*plain), |rest| ("-", rest));
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_about_the_baseline_needs_one() {
        let row = Row::new("messages", "1/s", 80.0).goal(Goal::RatioAtLeast(0.8));
        assert!(!row.is_met());
        assert!(row.clone().against(100.0).is_met());
        assert!(!row.clone().against(101.0).is_met());
        assert!(!row.against(0.0).is_met());
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        assert!(!Row::new("latency", "ms", f64::NAN).is_met());
        assert!(!Report::new("empty").is_met());
    }

    #[test]
    fn bounds_hold_at_the_bound() {
        assert!(Row::new("a", "", 3.0).goal(Goal::AtMost(3.0)).is_met());
        assert!(!Row::new("a", "", 3.1).goal(Goal::AtMost(3.0)).is_met());
        assert!(Row::new("a", "", 3.0).goal(Goal::AtLeast(3.0)).is_met());
        assert!(!Row::new("a", "", 1.0).goal(Goal::Exactly(0.0)).is_met());
        let slower = Row::new("a", "ms", 3.0).against(1.0);
        assert!(slower.goal(Goal::RatioAtMost(3.0)).is_met());
    }

    #[test]
    fn the_object_has_the_form_that_all_tools_share() {
        let mut report = Report::new("append");
        report
            .row(
                Row::new("messages", "1/s", 90.0)
                    .against(100.0)
                    .goal(Goal::RatioAtLeast(0.8)),
            )
            .row(Row::new("p99", "ms", 4.0))
            .check("messages", 900);
        let object = report.object();
        assert_eq!(object["name"], "append");
        assert_eq!(object["met"], true);
        assert_eq!(
            object["rows"][0],
            json!({"figure": "messages", "unit": "1/s", "value": 90.0, "baseline": 100.0,
                   "ratio": 0.9, "goal": 0.8, "met": true})
        );
        assert_eq!(object["rows"][1]["goal"], Value::Null);
        assert_eq!(object["checked"]["messages"], 900);
        assert_eq!(
            object["details"]["conditions"]["messages"],
            ">= 0.80 x baseline"
        );
    }

    #[test]
    fn one_missed_part_makes_the_whole_missed() {
        let mut part = Report::new("append");
        part.row(Row::new("lost", "", 1.0).goal(Goal::Exactly(0.0)));
        let mut whole = Report::new("bench");
        whole.row(Row::new("fine", "", 1.0)).absorb(part);
        assert!(!whole.is_met());
        assert_eq!(whole.rows[1].figure, "append: lost");
    }

    #[test]
    fn a_quick_run_is_judged_by_what_must_always_be() {
        let slow = Row::new("rate", "1/s", 1.0).goal(Goal::AtLeast(2.0));
        let large = Row::new("memory", "bytes", 2.0).must(Goal::AtMost(1.0));
        let mut report = Report::new("x");
        assert!(report.row(slow).clone().only_promises().is_met());
        assert!(!report.row(large).clone().only_promises().is_met());
    }

    #[test]
    fn numbers_are_shown_for_people() {
        for (number, text) in [
            (48_589.0, "48,589"),
            (1_234_567.8, "1,234,568"),
            (0.8, "0.80"),
            (123.45, "123.5"),
            (0.000_31, "0.0003"),
            (0.0, "0"),
            (-1_500.0, "-1,500"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(shown(number), text);
        }
    }

    #[test]
    fn columns_line_up() {
        let mut report = Report::new("x");
        report
            .row(
                Row::new("a", "1/s", 1_000.0)
                    .against(5.0)
                    .goal(Goal::AtMost(1.0)),
            )
            .row(Row::new("longer", "ms", 2.0));
        let table = report.table();
        assert!(table[1].ends_with("NOT MET"), "{table:#?}");
        assert!(
            table[1].starts_with("a       ") && table[2].starts_with("longer  "),
            "{table:#?}"
        );
    }
}
