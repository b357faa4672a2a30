//! Thresholds as rows, for people and as the one object that every measurement ends with.
//!
//! Invariant: a row is met only if k6 says that its threshold held and something was measured: k6 lets a
//! rate or a trend without a single sample pass. The summary that k6 exports marks a threshold that
//! was *crossed* with `true`.

use std::io::{self, Write};

use anyhow::Context;
use serde_json::{Value, json};

use crate::console::{Console, Tone, columns};

/// One threshold of one script.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    figure: String,
    unit: &'static str,
    value: Option<f64>,
    goal: Option<f64>,
    /// The threshold as the script writes it.
    condition: String,
    met: bool,
}

/// All thresholds of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) scripts: usize,
}

impl Report {
    /// Whether every threshold held.
    pub(crate) fn met(&self) -> bool {
        self.rows.iter().all(|row| row.met)
    }

    /// The rows as aligned columns.
    pub(crate) fn table(&self, console: &Console) -> Vec<String> {
        let line = |row: &Row| {
            let value = row.value.map(|value| format!("{value:.3} {}", row.unit));
            let verdict = if row.met {
                console.paint(Tone::Good, "met")
            } else {
                console.paint(Tone::Bad, "NOT MET")
            };
            vec![
                row.figure.clone(),
                value.unwrap_or_default(),
                row.condition.clone(),
                verdict,
            ]
        };
        columns(&self.rows.iter().map(line).collect::<Vec<_>>())
    }

    /// Prints the object as one line on standard output.
    ///
    /// # Errors
    ///
    /// If standard output is closed.
    pub(crate) fn print_object(&self) -> anyhow::Result<()> {
        writeln!(io::stdout().lock(), "{}", self.object()).context("standard output is closed")
    }

    fn object(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "figure": row.figure, "unit": row.unit, "value": row.value, "baseline": null,
                "ratio": null, "goal": row.goal, "met": row.met,
            })
        };
        let conditions: Vec<_> = self
            .rows
            .iter()
            .map(|row| json!({ row.figure.as_str(): row.condition }))
            .collect();
        json!({
            "name": "k6",
            "met": self.met(),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "checked": { "scripts": self.scripts, "thresholds": self.rows.len() },
            "details": { "conditions": conditions },
        })
    }
}

/// The rows in a summary that k6 exported.
///
/// # Errors
///
/// If the text is not such a summary.
pub(crate) fn rows(script: &str, summary: &str) -> anyhow::Result<Vec<Row>> {
    let summary: Value = serde_json::from_str(summary).context("k6's summary is not JSON")?;
    let metrics = summary
        .get("metrics")
        .and_then(Value::as_object)
        .context("no metrics in it")?;
    let mut rows = Vec::new();
    for (name, metric) in metrics {
        let thresholds = metric.get("thresholds").and_then(Value::as_object);
        for (condition, crossed) in thresholds.into_iter().flatten() {
            let held = crossed == &Value::Bool(false) && has_samples(metric);
            rows.push(row(script, name, metric, condition, held));
        }
    }
    Ok(rows)
}

/// Whether a rate or a trend has measured anything. A counter that counted nothing has done its work.
fn has_samples(metric: &Value) -> bool {
    let number = |key| metric.get(key).and_then(Value::as_f64);
    match (number("passes"), number("fails"), number("max")) {
        (Some(passes), Some(fails), _) => passes + fails > 0.0,
        (_, _, Some(max)) => max > 0.0,
        _ => true,
    }
}

fn row(script: &str, metric_name: &str, metric: &Value, condition: &str, met: bool) -> Row {
    let statistic = condition
        .split(['<', '>', '=', '!'])
        .next()
        .unwrap_or(condition)
        .trim();
    // A rate's own value is exported as `value`, everything else under the name of the statistic.
    let value = metric.get(statistic).or_else(|| metric.get("value"));
    let goal = condition
        .rsplit(['<', '>', '='])
        .next()
        .and_then(|goal| goal.trim().parse().ok());
    Row {
        figure: format!("{script}: {metric_name} {statistic}"),
        // Only trends have a median; those of k6 and ours measure milliseconds.
        unit: if metric.get("med").is_some() {
            "ms"
        } else {
            ""
        },
        value: value.and_then(Value::as_f64),
        goal,
        condition: condition.to_owned(),
        met,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: &str = r#"{"metrics": {
        "latency": {"med": 50, "max": 60, "p(95)": 50.5, "thresholds": {"p(95)<200": false, "med < 10": true}},
        "checks": {"value": 0.75, "passes": 3, "fails": 1, "thresholds": {"rate>0.99": true}},
        "data_sent": {"count": 1}
    }}"#;

    #[test]
    fn a_crossed_threshold_is_a_row_that_is_not_met() {
        let rows = rows("send", SUMMARY).expect("a summary");
        assert_eq!(rows.len(), 3);
        let met = |figure: &str| {
            rows.iter()
                .find(|row| row.figure == figure)
                .map(|row| row.met)
        };
        assert_eq!(met("send: latency p(95)"), Some(true));
        assert_eq!(met("send: latency med"), Some(false));
        assert_eq!(met("send: checks rate"), Some(false));
    }

    #[test]
    fn a_threshold_on_nothing_is_not_met() {
        let summary = r#"{"metrics": {
            "checks": {"value": 0, "passes": 0, "fails": 0, "thresholds": {"rate>0.9": false}},
            "latency": {"med": 0, "max": 0, "p(95)": 0, "thresholds": {"p(95)<200": false}},
            "errors": {"count": 0, "rate": 0, "thresholds": {"count<1": false}}
        }}"#;
        let rows = rows("send", summary).expect("a summary");
        let met: Vec<_> = rows
            .iter()
            .filter(|row| row.met)
            .map(|row| &row.figure)
            .collect();
        assert_eq!(met, ["send: errors count"]);
    }

    #[test]
    fn rows_carry_value_goal_and_unit() {
        let rows = rows("send", SUMMARY).expect("a summary");
        let latency = rows
            .iter()
            .find(|row| row.figure.ends_with("p(95)"))
            .expect("it is there");
        assert_eq!(
            (latency.value, latency.goal, latency.unit),
            (Some(50.5), Some(200.0), "ms")
        );
        let checks = rows
            .iter()
            .find(|row| row.figure.ends_with("rate"))
            .expect("it is there");
        assert_eq!(
            (checks.value, checks.goal, checks.unit),
            (Some(0.75), Some(0.99), "")
        );
    }

    #[test]
    fn the_object_is_met_only_if_every_row_is() {
        let report = Report {
            rows: rows("send", SUMMARY).expect("a summary"),
            scripts: 1,
        };
        let object = report.object();
        assert_eq!(object["met"], false);
        assert_eq!(object["checked"]["thresholds"], 3);
        assert_eq!(Report::default().object()["name"], "k6");
    }

    #[test]
    fn something_else_than_a_summary_is_an_error() {
        assert!(rows("send", "{}").is_err());
        assert!(rows("send", "no").is_err());
    }
}
