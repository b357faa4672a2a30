//! What a person sees: stages with a bar while something runs, lines, and the result.
//!
//! Invariant: the result goes to standard output, everything else to standard error. With `--json`, or
//! where nobody looks, there is no bar; where nobody looks and no object is asked for, each stage is a
//! line.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::report::Report;

/// How often a bar moves by itself: often enough to look alive.
const TICK: Duration = Duration::from_millis(120);

/// How a bar looks.
const TEMPLATE: &str = "{spinner} {msg:44} {wide_bar:.cyan/blue} {pos:>7}/{len} {elapsed:>4}";

/// How much is said, and in which form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Console {
    json: bool,
    watched: bool,
}

/// One part of a run, with its bar. Gone when dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    bar: ProgressBar,
    /// Whether what it says is a line, since nobody sees the bar.
    in_lines: bool,
}

impl Console {
    /// Ends with one object if `json`, with a table otherwise.
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            watched: io::stderr().is_terminal(),
        }
    }

    /// Begins a part of the run that takes `steps` steps.
    pub(crate) fn stage(self, what: impl Into<String>, steps: u64) -> Stage {
        let what = what.into();
        if self.json {
            return Stage::hidden();
        }
        if !self.watched {
            say(&what);
            return Stage {
                bar: ProgressBar::hidden(),
                in_lines: true,
            };
        }
        let bar = ProgressBar::new(steps).with_message(what);
        // Only a template with a mistake is refused, and this one is constant.
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Stage {
            bar,
            in_lines: false,
        }
    }

    /// A line for people, unless only the object is wanted.
    pub(crate) fn line(self, text: &str) {
        if !self.json {
            say(text);
        }
    }

    /// The result: a sentence and a table, or the object.
    ///
    /// # Errors
    /// If standard output is closed.
    pub(crate) fn result(self, report: &Report, sentence: &str) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        let text = if self.json {
            format!("{}\n", report.object())
        } else {
            let table = report.table().join("\n");
            let sentence = if sentence.is_empty() {
                String::new()
            } else {
                format!("\n{sentence}\n")
            };
            format!("{}\n{table}\n{sentence}", report.name)
        };
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .context("standard output is closed")
    }
}

impl Stage {
    /// A part of the run that nobody watches.
    pub(crate) fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            in_lines: false,
        }
    }

    /// So many more steps are done.
    pub(crate) fn inc(&self, steps: u64) {
        self.bar.inc(steps);
    }

    /// So many steps are done in all.
    pub(crate) fn set(&self, steps: u64) {
        self.bar.set_position(steps);
    }

    /// What is being done now.
    pub(crate) fn says(&self, what: impl Into<String>) {
        let what = what.into();
        if self.in_lines {
            say(&what);
        }
        self.bar.set_message(what);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A line on standard error.
pub(crate) fn say(text: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
