//! What is seen: a table that fills in, and what came of the promises.
//!
//! Invariant: the result goes to standard output, and nothing else if an object is wanted. Where nobody looks, only
//! what is over is written.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::closed;
use super::promises::{Promise, Promises, grouped};

/// How the act of now looks.
const TEMPLATE: &str = "{spinner} {msg}";

/// How often it moves by itself.
const TICK: Duration = Duration::from_millis(120);

/// How a promise looks that held: bold and green.
const GOOD: &str = "\x1b[1;32m";

/// How one looks that did not: bold and red.
const BAD: &str = "\x1b[1;31m";

/// The screen.
pub(super) struct Screen {
    json: bool,
    bar: ProgressBar,
    what: String,
    acts: Vec<Value>,
}

/// What came of an act.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Act {
    pub(super) took: Duration,
    /// None: nobody spoke yet.
    pub(super) messages: Option<u64>,
    pub(super) deliveries: Option<u64>,
    /// The longest that a room took no message.
    pub(super) pause: Option<Duration>,
}

impl Act {
    /// One before anybody spoke.
    pub(super) fn new(took: Duration) -> Self {
        Self {
            took,
            ..Self::default()
        }
    }
}

impl Screen {
    pub(super) fn new(json: bool) -> Self {
        let bar = if json || !io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            let bar = ProgressBar::new_spinner();
            // Only a template with a mistake is refused, and this one is constant.
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        };
        let screen = Self {
            json,
            bar,
            what: String::new(),
            acts: Vec::new(),
        };
        let columns = ["took", "messages", "deliveries", "longest wait"];
        screen.line(&row("", columns.map(str::to_owned)));
        screen
    }

    /// Something begins.
    pub(super) fn begin(&mut self, what: &str) {
        what.clone_into(&mut self.what);
        self.bar.set_message(self.what.clone());
    }

    /// What has begun has another name now.
    pub(super) fn named(&mut self, what: String) {
        self.what = what;
    }

    /// What came of it so far.
    pub(super) fn draw(&self, act: &Act) {
        self.bar.set_message(row(&self.what, cells(act)));
    }

    /// It is over.
    pub(super) fn end(&mut self, act: Act) {
        self.bar.set_message(String::new());
        self.line(&format!("  {}", row(&self.what, cells(&act))));
        self.acts.push(json!({
            "act": self.what,
            "seconds": act.took.as_secs_f64(),
            "messages": act.messages,
            "deliveries": act.deliveries,
            "longest_wait_ms": act.pause.map(|pause| pause.as_secs_f64() * 1e3),
        }));
    }

    /// What came of the promises.
    pub(super) fn tell(&self, promises: &Promises) -> anyhow::Result<()> {
        self.clear();
        let mut out = io::stdout().lock();
        let text = if self.json {
            self.object(promises).to_string()
        } else {
            table(promises)
        };
        writeln!(out, "{text}")
            .and_then(|()| out.flush())
            .map_err(closed)
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn object(&self, promises: &Promises) -> Value {
        let promise = |promise: &Promise| {
            json!({
                "promise": promise.name,
                "says": promise.says,
                "checked": promise.checked,
                "looked_at": promise.looked_at,
                "broken": promise.broken,
                "held": promise.held(),
            })
        };
        json!({
            "acts": self.acts,
            "promises": promises.0.iter().map(promise).collect::<Vec<_>>(),
            "held": promises.held(),
        })
    }

    /// A line of the table. It goes to standard error, so that it is in order with what moves.
    fn line(&self, text: &str) {
        if self.json {
            return;
        }
        let line = || {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
        };
        self.bar.suspend(line);
    }
}

fn row(what: &str, [took, messages, deliveries, pause]: [String; 4]) -> String {
    format!("{what:<52} {took:>7} {messages:>9} {deliveries:>11} {pause:>13}")
}

fn cells(act: &Act) -> [String; 4] {
    let number = |number: Option<u64>| number.map_or_else(String::new, grouped);
    [
        format!("{:.1} s", act.took.as_secs_f64()),
        number(act.messages),
        number(act.deliveries),
        act.pause.map_or_else(String::new, |pause| {
            format!("{} ms", grouped(millis(pause)))
        }),
    ]
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn table(promises: &Promises) -> String {
    let mut text = String::new();
    for promise in &promises.0 {
        let held = if promise.held() {
            painted(GOOD, "held")
        } else if promise.looked_at == 0 {
            painted(BAD, "NOT CHECKED: there was nothing to look at")
        } else {
            painted(BAD, &format!("BROKEN {} times", grouped(promise.broken)))
        };
        text.push_str(&format!(
            "\n  {}  {:<32} {:<50} {held}",
            promise.name, promise.says, promise.checked
        ));
    }
    let sentence = if promises.held() {
        painted(GOOD, "Every promise held.")
    } else {
        painted(
            BAD,
            "A promise was broken. Please tell us: that must not happen.",
        )
    };
    format!("{text}\n\n{sentence}")
}

/// In colour, where somebody looks who has not asked for none (no-color.org).
fn painted(tone: &str, text: &str) -> String {
    if io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("{tone}{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
