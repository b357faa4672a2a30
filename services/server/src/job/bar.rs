//! A bar with how much is done, how fast it goes and how long it will take.
//!
//! Invariant: where nobody looks, or an object is wanted, nothing is drawn.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::TellOptions;

/// How a bar looks.
const TEMPLATE: &str = "{msg:34} {wide_bar:.cyan/blue} {percent:>3} %  {eta} left";

/// Steps of a bar: finer than any terminal is wide.
const STEPS: u64 = 10_000;

/// How often it is drawn, so that the time left counts down.
const TICK: Duration = Duration::from_millis(250);

/// One bar. Gone when dropped.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    begun: Instant,
    // Those that were there before it began do not count for how fast it is.
    first: Option<u64>,
}

impl Bar {
    pub(crate) fn new(tell: TellOptions) -> Self {
        let bar = ProgressBar::new(STEPS);
        if tell.json || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        } else {
            // Only a template with a mistake is refused, and this one is constant.
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
        }
        Self {
            bar,
            begun: Instant::now(),
            first: None,
        }
    }

    /// `part` of the work is done, from 0 to 1, and with it so many bytes.
    pub(crate) fn set(&mut self, what: &str, part: f64, bytes: u64) {
        let first = *self.first.get_or_insert(bytes);
        let rate = super::rate(bytes.saturating_sub(first), self.seconds());
        let bytes = HumanBytes(bytes);
        self.bar
            .set_message(format!("{what} {bytes}, {rate:.1} MB/s"));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part is from 0 to 1"
        )]
        let steps = (part.clamp(0.0, 1.0) * STEPS as f64) as u64;
        self.bar.set_position(steps);
    }

    /// How long it has been there.
    pub(crate) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
