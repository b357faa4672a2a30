//! What is said about trouble in the log: each line once in a while, however often it happens.
//!
//! Invariant: whoever keeps on knocking cannot fill the log.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;

use parking_lot::Mutex;
use tokio::time::Instant;
use tonic::Status;

use super::limits::{LINES_MAX, SAME_LINE_EVERY};

/// The lines of late.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    lines: Mutex<BTreeMap<String, Instant>>,
}

impl Complaints {
    /// Whether `line` should be said: it was not of late, and neither were too many others.
    pub(super) fn is_news(&self, line: &str) -> bool {
        let (mut lines, now) = (self.lines.lock(), Instant::now());
        lines.retain(|_, said| now.duration_since(*said) < SAME_LINE_EVERY);
        let news = lines.len() < LINES_MAX && !lines.contains_key(line);
        if news {
            lines.insert(line.to_owned(), now);
        }
        news
    }
}

/// An error and what it comes from.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a text does not fail.
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

/// What a call ended with: what is at the bottom of it, such as an alert of TLS, or else what the other said.
pub(super) fn bottom(status: &Status) -> String {
    let mut bottom = status.source();
    while let Some(below) = bottom.and_then(Error::source) {
        bottom = Some(below);
    }
    bottom.map_or_else(|| status.message().to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_line_is_news_once_a_minute() {
        let complaints = Complaints::default();
        assert!(complaints.is_news("a"));
        assert!(!complaints.is_news("a"));
        assert!(complaints.is_news("b"));
        tokio::time::advance(SAME_LINE_EVERY).await;
        assert!(complaints.is_news("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn many_different_lines_are_not_all_said() {
        let complaints = Complaints::default();
        let said = (0..10 * LINES_MAX).filter(|line| complaints.is_news(&line.to_string()));
        assert_eq!(said.count(), LINES_MAX);
    }
}
