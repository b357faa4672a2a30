//! Files on their way: one at a time, the others in the order in which they were asked for.
//!
//! Invariant: pure; as many as [`limits::TRANSFERS_MAX`], those that failed included. At most one goes on.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use rookery_client::{Attached, Progress};

use super::command::Words;
use crate::limits;
use crate::text::clean_line;

/// All that are on their way, wait, or have failed.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    all: Vec<Transfer>,
    last_id: u64,
}

/// A file on its way.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) id: u64,
    pub(crate) errand: Errand,
    pub(crate) state: State,
}

/// What is to be done with a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Errand {
    /// Send it up, and then a message with it.
    Send {
        room: String,
        path: PathBuf,
        words: Words,
        reply_to: u64,
    },
    /// Save it: in a folder, at a path, or where downloads are.
    Save {
        of: Box<Attached>,
        to: Option<PathBuf>,
    },
}

/// How far it is.
#[derive(Debug)]
pub(crate) enum State {
    Waiting,
    Going(Pace),
    Failed(String),
}

/// How fast something goes, seen over the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// How far it was when, oldest first; time counts from the beginning of the transfer.
    seen: VecDeque<(Duration, u64)>,
    pub(crate) progress: Option<Progress>,
}

impl Transfers {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Transfer> {
        self.all.iter()
    }

    /// One more. False if there are too many.
    pub(crate) fn push(&mut self, errand: Errand) -> bool {
        if self.all.len() >= limits::TRANSFERS_MAX {
            return false;
        }
        self.last_id += 1;
        self.all.push(Transfer {
            id: self.last_id,
            errand,
            state: State::Waiting,
        });
        true
    }

    /// The next one to begin, which goes on from here on.
    pub(crate) fn begin(&mut self) -> Option<(u64, Errand)> {
        if self.all.iter().any(|transfer| transfer.pace().is_some()) {
            return None;
        }
        let is_waiting = |transfer: &&mut Transfer| matches!(transfer.state, State::Waiting);
        let next = self.all.iter_mut().find(is_waiting)?;
        next.state = State::Going(Pace::default());
        Some((next.id, next.errand.clone()))
    }

    /// It is that far, so long after it began.
    pub(crate) fn moved(&mut self, id: u64, at: Duration, progress: Progress) {
        let transfer = self.all.iter_mut().find(|transfer| transfer.id == id);
        if let Some(State::Going(pace)) = transfer.map(|transfer| &mut transfer.state) {
            pace.take(at, progress);
        }
    }

    /// It is over. `None` if nobody waits for it any more.
    pub(crate) fn end(&mut self, id: u64) -> Option<Errand> {
        let at = self.all.iter().position(|transfer| transfer.id == id)?;
        Some(self.all.remove(at).errand)
    }

    /// It failed, and waits for somebody to decide.
    pub(crate) fn fail(&mut self, id: u64, why: String) {
        if let Some(transfer) = self.all.iter_mut().find(|transfer| transfer.id == id) {
            transfer.state = State::Failed(why);
        }
    }

    /// Gives up the one that goes on, or else the first that waits.
    pub(crate) fn cancel(&mut self) -> Option<Transfer> {
        let going = self.all.iter().position(|t| t.pace().is_some());
        let is_waiting = |t: &Transfer| matches!(t.state, State::Waiting);
        let at = going.or_else(|| self.all.iter().position(is_waiting))?;
        Some(self.all.remove(at))
    }

    /// What failed waits again.
    pub(crate) fn retry(&mut self) {
        for transfer in &mut self.all {
            if matches!(transfer.state, State::Failed(_)) {
                transfer.state = State::Waiting;
            }
        }
    }

    /// What failed is forgotten.
    pub(crate) fn discard(&mut self) {
        let has_failed = |transfer: &Transfer| matches!(transfer.state, State::Failed(_));
        self.all.retain(|transfer| !has_failed(transfer));
    }
}

impl Transfer {
    /// What the file is called on this screen.
    pub(crate) fn name(&self) -> String {
        self.errand.name()
    }

    const fn pace(&self) -> Option<&Pace> {
        match &self.state {
            State::Going(pace) => Some(pace),
            State::Waiting | State::Failed(_) => None,
        }
    }
}

impl Errand {
    /// What the file is called on this screen.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Send { path, .. } => {
                clean_line(&path.file_name().unwrap_or_default().to_string_lossy())
            }
            Self::Save { of, .. } => clean_line(&of.file.display_name),
        }
    }
}

impl Pace {
    fn take(&mut self, at: Duration, progress: Progress) {
        // What was lost with a connection is not counted twice.
        if self
            .seen
            .back()
            .is_some_and(|(_, bytes)| *bytes > progress.bytes)
        {
            self.seen.clear();
        }
        self.progress = Some(progress);
        self.seen.push_back((at, progress.bytes));
        while self.seen.len() > limits::PACE_SEEN_MAX {
            self.seen.pop_front();
        }
    }

    /// Bytes a second; `None` before that can be said.
    pub(crate) fn per_second(&self) -> Option<u64> {
        let (first, last) = (self.seen.front()?, self.seen.back()?);
        let millis = last.0.saturating_sub(first.0).as_millis();
        let bytes = u128::from(last.1.saturating_sub(first.1));
        u64::try_from(bytes * 1_000 / (millis > 0).then_some(millis)?).ok()
    }

    /// Seconds until it is done, if it goes on like this.
    pub(crate) fn seconds_left(&self) -> Option<u64> {
        let progress = self.progress?;
        let left = progress.total.saturating_sub(progress.bytes);
        Some(left.div_ceil(self.per_second().filter(|rate| *rate > 0)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errand(name: &str) -> Errand {
        let mut of = Attached {
            room: "rooms/a".to_owned(),
            seq: 1,
            file: rookery_client::v1::Attachment::default(),
        };
        of.file.display_name = name.to_owned();
        let of = Box::new(of);
        Errand::Save { of, to: None }
    }

    fn progress(bytes: u64) -> Progress {
        Progress {
            bytes,
            total: 10_000,
        }
    }

    #[test]
    fn one_goes_on_and_the_others_wait_for_their_turn() {
        let mut transfers = Transfers::default();
        assert!(transfers.push(errand("a")) && transfers.push(errand("b")));
        let (first, begun) = transfers.begin().expect("the first");
        assert_eq!(begun, errand("a"));
        assert_eq!(transfers.begin(), None);
        assert!(transfers.end(first).is_some() && transfers.end(first).is_none());
        assert_eq!(
            transfers.begin().map(|(_, errand)| errand),
            Some(errand("b"))
        );
    }

    #[test]
    fn what_failed_holds_nobody_up_and_can_be_tried_again() {
        let mut transfers = Transfers::default();
        assert!(transfers.push(errand("a")) && transfers.push(errand("b")));
        let (first, _) = transfers.begin().expect("the first");
        transfers.fail(first, "no".to_owned());
        assert_eq!(
            transfers.begin().map(|(_, errand)| errand),
            Some(errand("b"))
        );
        transfers.retry();
        let cancelled = transfers.cancel().expect("the one that goes on");
        assert_eq!(cancelled.errand, errand("b"));
        let (again, _) = transfers.begin().expect("the first once more");
        transfers.fail(again, "no".to_owned());
        assert!(transfers.cancel().is_none(), "nothing goes on or waits");
        transfers.discard();
        assert!(transfers.is_empty());
    }

    #[test]
    fn there_is_a_bound_that_what_failed_counts_in() {
        let mut transfers = Transfers::default();
        for _ in 0..limits::TRANSFERS_MAX {
            assert!(transfers.push(errand("a")));
        }
        let (first, _) = transfers.begin().expect("the first");
        transfers.fail(first, "no".to_owned());
        assert!(!transfers.push(errand("b")));
    }

    #[test]
    fn a_pace_is_that_of_the_last_seconds_and_survives_a_break() {
        let mut pace = Pace::default();
        let second = Duration::from_secs;
        pace.take(second(1), progress(1_000));
        assert_eq!((pace.per_second(), pace.seconds_left()), (None, None));
        pace.take(second(3), progress(5_000));
        assert_eq!(pace.per_second(), Some(2_000));
        assert_eq!(pace.seconds_left(), Some(3));
        pace.take(second(4), progress(4_000));
        assert_eq!(pace.per_second(), None, "some was lost");
        pace.take(second(5), progress(5_000));
        assert_eq!(pace.seconds_left(), Some(5));
        for tenth in 0..1_000 {
            pace.take(second(6 + tenth), progress(5_000));
        }
        assert_eq!(pace.seconds_left(), None, "it stands still");
        assert_eq!(pace.seen.len(), limits::PACE_SEEN_MAX);
    }
}
