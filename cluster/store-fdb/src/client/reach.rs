//! Whether the cluster answers, told when it changes and not with every request.

use std::sync::atomic::{AtomicBool, Ordering};

/// What the last answers, or their want, have shown.
#[derive(Debug, Default)]
pub(super) struct Reach {
    silent: AtomicBool,
}

impl Reach {
    /// The cluster did not answer; whether that is news.
    pub(super) fn lost(&self) -> bool {
        !self.silent.swap(true, Ordering::Relaxed)
    }

    /// The cluster answered; whether that is news.
    pub(super) fn found(&self) -> bool {
        // Nearly every call finds it answering: a look costs less than a write that all cores share.
        self.silent.load(Ordering::Relaxed) && self.silent.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_its_end_are_news_once_each() {
        let reach = Reach::default();
        assert!(!reach.found(), "a cluster that answers is no news");
        assert_eq!([reach.lost(), reach.lost()], [true, false]);
        assert_eq!([reach.found(), reach.found()], [true, false]);
        assert!(reach.lost());
    }
}
