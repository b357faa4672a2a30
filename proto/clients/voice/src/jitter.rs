//! [`Buffer`]: takes frames as a network brings them, and gives one each 20 ms, in order.
//!
//! Invariant: frames come out in the order in which they were said, each at most once, and there are never more than
//! [`WAITING_FRAMES_MAX`] inside. Whatever comes in is given out or counted by the reason why it was not.
//!
//! How much is held back follows the jitter (RFC 3550, 6.4.1), and the frames that came too late in spite of it. Delay
//! is taken where nothing comes anyway, or between words; it is given back by what is missing, or by laying two
//! frames over each other, between words first. Silence is not jitter: when nothing comes for long, the
//! count of turns stops, and begins with the frame that comes next.
//!
//! Leaves out sound: what a frame is, is up to the caller, who says whether it is quiet. Time is an argument.

mod estimate;
mod history;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use estimate::Estimate;
use history::{Behind, History};
use watch::Watch;

use crate::frame::FRAME_TIME;
use crate::limits::{
    BEHIND_FRAMES_MAX, CONCEALED_IN_A_ROW_MAX, DELAY_MAX_FRAMES, DELAY_MIN_FRAMES, HASTE_FRAMES,
    LATE_FORGOTTEN_TURNS, WAITING_FRAMES_MAX,
};

/// The frames of one speaker on their way from the network to the ear.
#[derive(Debug)]
pub struct Buffer<T> {
    state: State,
    waiting: BTreeMap<u64, Waiting<T>>,
    /// The frame whose turn is next; none before the first was given.
    next: Option<u64>,
    /// Frames that were made up since the buffer ran dry, and whose turns are not over yet.
    dry: u64,
    history: History,
    estimate: Estimate,
    watch: Watch,
    /// Frames that are held back besides what the jitter asks for, since some came too late.
    margin: u64,
    turns_since_late: u64,
    counts: Counts,
}

/// What to play for 20 ms.
#[derive(Debug, Eq, PartialEq)]
pub enum Play<'a, T> {
    /// Nobody speaks.
    Silence,
    /// This frame.
    Frame(T),
    /// Two frames in the time of one, the second faded in over the first: delay is given back.
    Both(T, T),
    /// A frame is missing, or not yet there: make it up, out of the next one if that is here.
    Conceal(Option<&'a T>),
}

/// What became of all frames.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Came in.
    pub received: u64,
    /// Were given out.
    pub played: u64,
    /// Have not come, though their turn is over.
    pub lost: u64,
    /// Came after their turn.
    pub late: u64,
    /// Came once more.
    pub doubled: u64,
    /// Were dropped, because newer ones needed the place or began another count.
    pub dropped: u64,
    /// Turns in which a frame was made up, for whatever reason.
    pub concealed: u64,
    /// Turns that gave two frames.
    pub shortened: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Nothing waits.
    Silent,
    /// The first frames wait until there are enough, since the first came.
    Filling {
        since: Duration,
    },
    Playing,
}

#[derive(Debug)]
struct Waiting<T> {
    quiet: bool,
    frame: T,
}

impl<T> Buffer<T> {
    /// A buffer that has heard nothing yet.
    pub const fn new() -> Self {
        Self {
            state: State::Silent,
            waiting: BTreeMap::new(),
            next: None,
            dry: 0,
            history: History::new(),
            estimate: Estimate::new(),
            watch: Watch::new(),
            margin: 0,
            turns_since_late: 0,
            counts: Counts {
                received: 0,
                played: 0,
                lost: 0,
                late: 0,
                doubled: 0,
                dropped: 0,
                concealed: 0,
                shortened: 0,
            },
        }
    }

    /// Takes a frame that came at `now`. Its number counts what was said, whether or not it arrives; `quiet` says that
    /// nobody would miss it.
    pub fn insert(&mut self, now: Duration, number: u64, quiet: bool, frame: T) {
        self.counts.received += 1;
        if self.is_of_another_count(number) {
            self.restart();
        }
        if self.next.is_some_and(|next| number < next) {
            self.too_late(number);
            return;
        }
        if self.waiting.contains_key(&number) {
            self.counts.doubled += 1;
            return;
        }
        if self.state == State::Silent {
            // The pause before it was one in speech, not on the way.
            self.estimate.begin(now, number);
            self.state = State::Filling { since: now };
        } else {
            self.estimate.add(now, number);
        }
        self.waiting.insert(number, Waiting { quiet, frame });
        self.make_place();
    }

    /// What to play for the next 20 ms. To be asked each 20 ms.
    pub fn turn(&mut self, now: Duration) -> Play<'_, T> {
        self.turns_since_late += 1;
        if self.turns_since_late >= LATE_FORGOTTEN_TURNS {
            self.turns_since_late = 0;
            self.margin = self.margin.saturating_sub(1);
        }
        match self.state {
            State::Silent => Play::Silence,
            State::Filling { since } => {
                let waited = now.saturating_sub(since);
                let enough = FRAME_TIME * u32::try_from(self.target()).unwrap_or(u32::MAX);
                if self.span() < self.target() && waited < enough {
                    return Play::Silence;
                }
                self.begin();
                self.play()
            }
            State::Playing => self.play(),
        }
    }

    /// What became of all frames so far.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Frames inside.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether a frame is played or waited for.
    pub fn is_silent(&self) -> bool {
        self.state == State::Silent
    }

    /// The jitter between arrivals, as RFC 3550 counts it.
    pub const fn jitter(&self) -> Duration {
        self.estimate.jitter()
    }

    /// How much is held back at the moment.
    pub fn delay(&self) -> Duration {
        FRAME_TIME * u32::try_from(self.span()).unwrap_or(u32::MAX)
    }

    /// Frames that should be held back: twice the jitter, which is more than nineteen frames of twenty differ by, and the one
    /// that is played.
    fn target(&self) -> u64 {
        let jitter = self.jitter().as_micros() * 2;
        let frames = jitter.div_ceil(FRAME_TIME.as_micros());
        let frames = u64::try_from(frames).unwrap_or(u64::MAX);
        frames
            .saturating_add(1 + self.margin)
            .clamp(DELAY_MIN_FRAMES, DELAY_MAX_FRAMES)
    }

    /// Frames from the one whose turn is next to the newest, those that are missing included.
    fn span(&self) -> u64 {
        let Some((newest, _)) = self.waiting.last_key_value() else {
            return 0;
        };
        let first = match self.state {
            State::Playing => self.next,
            State::Silent | State::Filling { .. } => None,
        };
        let first = first.or_else(|| self.waiting.keys().next().copied());
        first.map_or(0, |first| newest - first + 1)
    }

    /// Whether it is so far from what is expected that it cannot be counted together with it.
    fn is_of_another_count(&self, number: u64) -> bool {
        let behind = self
            .next
            .is_some_and(|next| number.saturating_add(BEHIND_FRAMES_MAX) < next);
        let oldest = self.waiting.keys().next().copied();
        let base = oldest.or(self.next);
        let ahead = base.is_some_and(|base| number >= base.saturating_add(BEHIND_FRAMES_MAX));
        behind || ahead
    }

    fn restart(&mut self) {
        self.counts.dropped += self.waiting.len() as u64;
        self.waiting.clear();
        self.state = State::Silent;
        self.next = None;
        self.dry = 0;
        self.history = History::new();
        self.watch = Watch::new();
    }

    fn too_late(&mut self, number: u64) {
        let next = self.next.unwrap_or(number);
        match self.history.came(next - number) {
            Behind::Missed => self.counts.lost = self.counts.lost.saturating_sub(1),
            Behind::Forgotten => {}
            Behind::Played => {
                self.counts.doubled += 1;
                return;
            }
        }
        self.counts.late += 1;
        self.margin = (self.margin + 1).min(DELAY_MAX_FRAMES);
        self.turns_since_late = 0;
    }

    /// Drops frames for newer ones, so that all that wait are within [`WAITING_FRAMES_MAX`] of the newest.
    fn make_place(&mut self) {
        if self.span() <= WAITING_FRAMES_MAX {
            return;
        }
        let newest = self.waiting.keys().next_back().copied().unwrap_or(0);
        let floor = (newest + 1).saturating_sub(WAITING_FRAMES_MAX);
        let playing = self.state == State::Playing;
        while let Some(entry) = self.waiting.first_entry()
            && *entry.key() < floor
        {
            let (number, _) = entry.remove_entry();
            self.counts.dropped += 1;
            if playing {
                self.miss_until(number);
                self.give(true);
            }
        }
        if playing {
            self.miss_until(floor);
        } else {
            self.history = History::new();
            self.next = Some(floor);
        }
    }

    /// The first frame that waits is the next: what lies between was said and has not come.
    fn begin(&mut self) {
        self.state = State::Playing;
        self.dry = 0;
        self.watch = Watch::new();
        let Some(oldest) = self.waiting.keys().next().copied() else {
            return;
        };
        match self.next {
            // So many are not lost: they were not forwarded, since others were louder.
            Some(next) if oldest - next > WAITING_FRAMES_MAX => {
                self.history = History::new();
                self.next = Some(oldest);
            }
            Some(_) => self.miss_until(oldest),
            None => self.next = Some(oldest),
        }
    }

    /// Ends turns without a frame, up to this one.
    fn miss_until(&mut self, number: u64) {
        while self.next.is_some_and(|next| next < number) {
            self.counts.lost += 1;
            self.give(false);
        }
    }

    /// Ends the turn of one frame.
    fn give(&mut self, came: bool) {
        self.history.push(came);
        self.next = self.next.map(|next| next + 1);
    }

    fn play(&mut self) -> Play<'_, T> {
        let (span, target) = (self.span(), self.target());
        self.watch.look(span, target);
        let (Some(next), Some(oldest)) = (self.next, self.waiting.keys().next().copied()) else {
            return self.run_dry();
        };
        // Turns that were over before it was known whose they were.
        let paid = self.dry.min(oldest - next);
        self.dry = 0;
        self.miss_until(next + paid);
        // What is missing costs nothing to leave out.
        while self.next.is_some_and(|next| next < oldest) && self.watch.excess() > 0 {
            self.miss_until(self.next.unwrap_or(oldest) + 1);
            self.watch.given_back();
        }
        let next = self.next.unwrap_or(oldest);
        if next < oldest {
            self.counts.lost += 1;
            self.counts.concealed += 1;
            self.give(false);
            let following = self.waiting.get(&(next + 1));
            return Play::Conceal(following.map(|waiting| &waiting.frame));
        }
        self.play_first(next)
    }

    /// Plays a frame that is there.
    fn play_first(&mut self, next: u64) -> Play<'_, T> {
        let quiet = self.waiting.get(&next).is_some_and(|first| first.quiet);
        let excess = self.watch.excess();
        let second = self.waiting.contains_key(&(next + 1));
        if second && excess > 0 && (quiet || excess >= HASTE_FRAMES) {
            let first = self.waiting.remove(&next);
            if let (Some(first), Some(second)) = (first, self.waiting.remove(&(next + 1))) {
                self.give(true);
                self.give(true);
                self.counts.played += 2;
                self.counts.shortened += 1;
                self.watch.given_back();
                return Play::Both(first.frame, second.frame);
            }
        } else if quiet && self.watch.shortage() > 0 {
            self.watch.taken();
            self.counts.concealed += 1;
            return Play::Conceal(None);
        }
        match self.waiting.remove(&next) {
            Some(first) => {
                self.give(true);
                self.counts.played += 1;
                Play::Frame(first.frame)
            }
            None => self.run_dry(),
        }
    }

    /// Nothing waits. It is not known whether the next frame is lost or late, so its turn goes on, and with it the
    /// delay grows; after a while it is taken for the end of what was said.
    fn run_dry(&mut self) -> Play<'_, T> {
        self.dry += 1;
        if self.dry > CONCEALED_IN_A_ROW_MAX {
            self.dry = 0;
            self.state = State::Silent;
            return Play::Silence;
        }
        self.counts.concealed += 1;
        Play::Conceal(None)
    }
}

impl<T> Default for Buffer<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
