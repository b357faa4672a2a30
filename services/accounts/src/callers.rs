//! [`Callers`]: who shows which token, so that most calls are authenticated without a read.
//!
//! Owns: a bounded map from the digest of a token to the caller behind it.
//!
//! Invariant: an entry was true in the store on the day it was made, and no ending of a sign-in has
//! been finished since. A read that began before an ending does not get in after it: the
//! [`Ticket`] taken before the read is void once anything has been cleared.
//!
//! On a node that shares its store with others, an ending by one of them is only read some moments later: there
//! entries count until a moment that [moves on](Callers::trust_until) with each such look.
//!
//! Entries live for the day they were made on, so that the first use on a new day goes to the store,
//! where the end of the token is moved, and for [`CALLER_AGE_MAX`] at most.

use cluster_types::{Caller, Day};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::bounded::{BoundedMap, Forget};
use crate::limits::{CALLER_AGE_MAX, CALLERS_MAX};
use crate::secret::Digest;

#[derive(Debug)]
pub(crate) struct Callers {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    entries: BoundedMap<Digest, Entry>,
    /// How often something was cleared.
    clearings: u64,
    /// Until when entries count. `None`: nobody else ends sign-ins.
    trusted_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    caller: Caller,
    day: Day,
    since: Instant,
}

impl Forget for Entry {
    fn forgotten_at(&self) -> Instant {
        self.since + CALLER_AGE_MAX
    }
}

/// The right to remember what is read from now on, unless something is cleared meanwhile.
#[derive(Debug)]
#[must_use = "take it before reading, give it back with what was read"]
pub(crate) struct Ticket {
    clearings: u64,
}

impl Callers {
    pub(crate) fn new() -> Self {
        Self::bounded(CALLERS_MAX)
    }

    fn bounded(max: usize) -> Self {
        Self {
            state: Mutex::new(State {
                entries: BoundedMap::new(max),
                clearings: 0,
                trusted_until: None,
            }),
        }
    }

    /// The caller with this token, or a ticket to remember who it is.
    pub(crate) fn look_up(&self, token: &Digest, today: Day) -> Result<Caller, Ticket> {
        let state = self.state.lock();
        let now = Instant::now();
        let trusted = state.trusted_until.is_none_or(|until| now < until);
        let entry = state.entries.get(token, now);
        let fresh = entry.filter(|entry| trusted && entry.day == today);
        fresh.map(|entry| entry.caller).ok_or(Ticket {
            clearings: state.clearings,
        })
    }

    /// Remembers what was read under `ticket`.
    pub(crate) fn remember(&self, ticket: &Ticket, token: Digest, caller: Caller, day: Day) {
        let mut state = self.state.lock();
        if state.clearings != ticket.clearings {
            return;
        }
        let since = Instant::now();
        state
            .entries
            .insert(token, Entry { caller, day, since }, since);
    }

    /// Forgets these tokens, and whatever is being read right now. If there are none, nothing has changed: with a
    /// store that is slower than what looks for changes, nobody would ever be remembered.
    pub(crate) fn clear(&self, tokens: impl IntoIterator<Item = Digest>) {
        let mut tokens = tokens.into_iter().peekable();
        if tokens.peek().is_none() {
            return;
        }
        let mut state = self.state.lock();
        state.clearings += 1;
        for token in tokens {
            state.entries.remove(&token);
        }
    }

    /// Forgets all.
    pub(crate) fn clear_all(&self) {
        let mut state = self.state.lock();
        state.clearings += 1;
        state.entries.clear();
    }

    /// From now on entries count until then, and no longer.
    pub(crate) fn trust_until(&self, until: Instant) {
        self.state.lock().trusted_until = Some(until);
    }
}

#[cfg(test)]
mod tests {
    use cluster_types::{AccountId, SignInId};
    use tokio::time::advance;

    use super::*;

    const TODAY: Day = Day(7);

    fn caller(n: u8) -> Caller {
        Caller {
            account: AccountId::from_bytes([n; 16]),
            sign_in: SignInId::from_bytes([n; 16]),
            administrator: false,
        }
    }

    fn remember(callers: &Callers, n: u8) {
        let ticket = callers.look_up(&[n; 32], TODAY).expect_err("not known yet");
        callers.remember(&ticket, [n; 32], caller(n), TODAY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_is_known_for_the_day_and_for_a_while() {
        let callers = Callers::new();
        remember(&callers, 1);
        assert_eq!(callers.look_up(&[1; 32], TODAY).ok(), Some(caller(1)));
        assert!(callers.look_up(&[1; 32], Day(8)).is_err(), "another day");
        assert!(
            callers.look_up(&[1; 32], Day(6)).is_err(),
            "the clock went back"
        );
        advance(CALLER_AGE_MAX).await;
        assert!(callers.look_up(&[1; 32], TODAY).is_err(), "too long ago");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_before_a_clearing_is_not_remembered_after_it() {
        let callers = Callers::new();
        let ticket = callers.look_up(&[1; 32], TODAY).expect_err("not known yet");
        callers.clear([[1; 32]]);
        callers.remember(&ticket, [1; 32], caller(1), TODAY);
        assert!(callers.look_up(&[1; 32], TODAY).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_finds_no_change_keeps_nobody_from_being_remembered() {
        let callers = Callers::new();
        let ticket = callers.look_up(&[1; 32], TODAY).expect_err("not known yet");
        callers.clear([]);
        callers.remember(&ticket, [1; 32], caller(1), TODAY);
        assert_eq!(callers.look_up(&[1; 32], TODAY).ok(), Some(caller(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clearing_takes_what_it_names() {
        let callers = Callers::new();
        remember(&callers, 1);
        remember(&callers, 2);
        callers.clear([[1; 32]]);
        assert!(callers.look_up(&[1; 32], TODAY).is_err());
        assert_eq!(callers.look_up(&[2; 32], TODAY).ok(), Some(caller(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_counts_as_long_as_it_is_trusted() {
        let callers = Callers::new();
        remember(&callers, 1);
        let second = std::time::Duration::from_secs(1);
        callers.trust_until(Instant::now() + second);
        assert_eq!(callers.look_up(&[1; 32], TODAY).ok(), Some(caller(1)));
        advance(second).await;
        assert!(callers.look_up(&[1; 32], TODAY).is_err(), "not trusted");
        callers.trust_until(Instant::now() + second);
        assert_eq!(callers.look_up(&[1; 32], TODAY).ok(), Some(caller(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_make_room() {
        let callers = Callers::bounded(8);
        for n in 0..9 {
            remember(&callers, n);
            advance(std::time::Duration::from_millis(1)).await;
        }
        assert!(callers.look_up(&[0; 32], TODAY).is_err());
        for n in 1..9 {
            assert_eq!(
                callers.look_up(&[n; 32], TODAY).ok(),
                Some(caller(n)),
                "{n}"
            );
        }
    }
}
