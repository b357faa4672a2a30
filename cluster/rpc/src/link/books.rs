//! The books of one link: what waits to be sent, what may be sent, what is asked and what is owed. Pure.
//!
//! Invariants: asks and tells leave in the order in which they came in, each with credit. An ask has one
//! outcome. What is kept is bounded: what waits by [`Limits`], what the other has asked for by the credit
//! that it was given, since an ask counts until its answer has left.
//!
//! Answers overtake asks and tells, and need no credit: two nodes that wait for each other's answers would
//! otherwise wait for ever.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use bytes::Bytes;
use proto::cluster::v1::frame::Kind;
use proto::cluster::v1::{self as wire, Credit, Farewell, FarewellReason, Hello, Refusal, answer};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::{AskError, TellError};
use super::limits::{BODY_BYTES_MAX, CREDIT_PART, Limits};

/// Where the outcome of an ask goes.
pub(super) type Asker = oneshot::Sender<Result<Bytes, AskError>>;

/// What to send next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Frame(Kind),
    /// Nothing can be sent for now.
    Wait,
    /// Nothing will be sent any more.
    End,
}

/// The other node has sent more than it had credit for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it sent more than it had credit for")]
pub(super) struct Flood;

#[derive(Debug)]
pub(super) struct Books {
    limits: Limits,
    hello: Option<Hello>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// What the other node takes.
    credit: Purse,
    asks: Asks,
    /// The id of the newest ask, and of the newest one that was sent.
    asked: u64,
    asked_sent: u64,
    /// What the other node may still send, and what of it will be given back.
    granted: Purse,
    due: Purse,
    /// Asks of the other node whose answers have not left.
    owed: usize,
    answers: VecDeque<Answered>,
    answers_bytes: usize,
    ending: Ending,
    /// Wakes whoever sends, once there is something to send.
    sender: Option<Waker>,
}

/// Asks of this node that wait to be sent or for their answer, whether or not anybody waits for it.
#[derive(Debug, Default)]
struct Asks {
    open: BTreeMap<u64, (Asker, usize)>,
    bytes: usize,
}

#[derive(Debug)]
enum Waiting {
    Ask {
        id: u64,
        deadline: Instant,
        body: Bytes,
    },
    Tell(Bytes),
}

#[derive(Debug)]
struct Answered {
    id: u64,
    /// Bytes of the ask, to be given back.
    asked_bytes: usize,
    outcome: Result<Bytes, Refusal>,
}

/// An amount of credit. The bytes may be overdrawn by one body.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Purse {
    frames: i64,
    bytes: i64,
}

#[derive(Debug, Default)]
enum Ending {
    #[default]
    Not,
    /// Nothing new is taken; once all is sent and answered, a farewell.
    Leaving,
    /// This, and nothing else.
    Saying(Farewell),
    Said,
}

// === impl Purse ===

impl Purse {
    fn of(credit: Credit) -> Self {
        Self {
            frames: credit.frames.into(),
            bytes: i64::try_from(credit.bytes).unwrap_or(i64::MAX),
        }
    }

    fn add(&mut self, other: Self) {
        self.frames = self.frames.saturating_add(other.frames);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// Takes one frame with a body of so many bytes, if there is anything left.
    fn spend(&mut self, bytes: usize) -> bool {
        let enough = self.frames > 0 && self.bytes > 0;
        if enough {
            self.frames -= 1;
            self.bytes -= signed(bytes);
        }
        enough
    }

    const fn has_some(self) -> bool {
        self.frames > 0 && self.bytes > 0
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

// === impl Asks ===

impl Asks {
    /// Whether there may be one more of so many bytes.
    fn has_place(&self, bytes: usize, limits: &Limits) -> bool {
        let fits = self.bytes + bytes <= limits.asks_bytes_max || self.open.is_empty();
        fits && self.open.len() < limits.asks_max
    }

    fn insert(&mut self, id: u64, asker: Asker, bytes: usize) {
        self.bytes += bytes;
        self.open.insert(id, (asker, bytes));
    }

    fn remove(&mut self, id: u64) -> Option<Asker> {
        let (asker, bytes) = self.open.remove(&id)?;
        self.bytes -= bytes;
        Some(asker)
    }
}

// === impl Books ===

impl Books {
    /// Those of a link on which nothing has been said.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            hello: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            credit: Purse::default(),
            asks: Asks::default(),
            asked: 0,
            asked_sent: 0,
            granted: Purse {
                frames: limits.credit_frames.into(),
                bytes: limits.credit_bytes.into(),
            },
            due: Purse::default(),
            owed: 0,
            answers: VecDeque::new(),
            answers_bytes: 0,
            ending: Ending::Not,
            sender: None,
        }
    }

    /// Says hello, before everything else.
    pub(super) fn greet(&mut self, hello: Hello) {
        self.hello = Some(hello);
    }

    /// The other node takes more.
    pub(super) fn grant(&mut self, credit: Credit) {
        self.credit.add(Purse::of(credit));
    }

    /// Queues a tell.
    pub(super) fn tell(&mut self, body: Bytes) -> Result<(), TellError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(TellError::TooLarge);
        }
        if !matches!(self.ending, Ending::Not) {
            return Err(TellError::NotLinked);
        }
        if !self.has_room(body.len()) {
            return Err(TellError::Full);
        }
        self.queue(body.len(), Waiting::Tell(body));
        Ok(())
    }

    /// Queues an ask. Returns its id; its outcome goes to `asker`.
    pub(super) fn ask(
        &mut self,
        body: Bytes,
        deadline: Instant,
        asker: Asker,
    ) -> Result<u64, AskError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(AskError::TooLarge);
        }
        if !matches!(self.ending, Ending::Not) {
            return Err(AskError::NotLinked);
        }
        if !self.asks.has_place(body.len(), &self.limits) || !self.has_room(body.len()) {
            return Err(AskError::Full);
        }
        self.asked += 1;
        let id = self.asked;
        self.asks.insert(id, asker, body.len());
        self.queue(body.len(), Waiting::Ask { id, deadline, body });
        Ok(id)
    }

    /// Nobody waits for the answer to an ask any more. Returns whether it may have happened: then it keeps its place
    /// until it is answered, as the other node has its credit until then.
    pub(super) fn forget(&mut self, id: u64) -> bool {
        if id <= self.asked_sent || self.asks.remove(id).is_none() {
            return true;
        }
        let is_it = |waiting: &Waiting| matches!(waiting, Waiting::Ask { id: at, .. } if *at == id);
        if let Some(at) = self.waiting.iter().position(is_it)
            && let Some(Waiting::Ask { body, .. }) = self.waiting.remove(at)
        {
            self.waiting_bytes -= body.len();
        }
        false
    }

    /// The other node has answered. An ask that is not waited for any more may be answered all the same.
    pub(super) fn answered(&mut self, answer: wire::Answer) {
        let Some(asker) = self.asks.remove(answer.id) else {
            return;
        };
        let outcome = match answer.outcome {
            Some(answer::Outcome::Body(body)) => Ok(body),
            Some(answer::Outcome::Refusal(code)) if code == Refusal::Stopping as i32 => {
                Err(AskError::Stopping)
            }
            Some(answer::Outcome::Refusal(_)) | None => Err(AskError::Unanswered),
        };
        let _nobody_waits = asker.send(outcome);
    }

    /// An ask or a tell has come in.
    pub(super) fn arrived(&mut self, bytes: usize) -> Result<(), Flood> {
        self.granted.spend(bytes).then_some(()).ok_or(Flood)
    }

    /// A tell has been dealt with.
    pub(super) fn dealt_with(&mut self, bytes: usize) {
        self.due.add(Purse {
            frames: 1,
            bytes: signed(bytes),
        });
    }

    /// An ask is taken up: an answer is owed. `false` if this node is about to stop: it has been refused.
    pub(super) fn owe(&mut self, id: u64, bytes: usize) -> bool {
        self.owed += 1;
        let staying = matches!(self.ending, Ending::Not);
        if !staying {
            self.answer(id, bytes, Err(Refusal::Stopping));
        }
        staying
    }

    /// Queues the answer to an ask of `asked_bytes`.
    pub(super) fn answer(&mut self, id: u64, asked_bytes: usize, outcome: Result<Bytes, Refusal>) {
        if self.is_closed() {
            return;
        }
        let outcome = outcome.and_then(|body| {
            let fits = body.len() <= BODY_BYTES_MAX
                && (self.answers.is_empty()
                    || self.answers_bytes + body.len() <= self.limits.answers_bytes_max);
            fits.then_some(body).ok_or(Refusal::Dropped)
        });
        self.answers_bytes += outcome.as_ref().map_or(0, Bytes::len);
        self.answers.push_back(Answered {
            id,
            asked_bytes,
            outcome,
        });
    }

    /// Takes nothing new, and says farewell once all is sent and answered.
    pub(super) fn leave(&mut self) {
        if matches!(self.ending, Ending::Not) {
            self.ending = Ending::Leaving;
        }
    }

    /// Says these last words before everything that waits.
    pub(super) fn part(&mut self, reason: FarewellReason, detail: String) {
        if matches!(self.ending, Ending::Not | Ending::Leaving) {
            self.ending = Ending::Saying(Farewell {
                reason: reason.into(),
                detail,
            });
        }
    }

    /// Ends the link: every ask has its outcome now, and nothing but last words is sent any more.
    pub(super) fn close(&mut self) {
        if !matches!(self.ending, Ending::Saying(_)) {
            self.ending = Ending::Said;
        }
        for (id, (asker, _)) in std::mem::take(&mut self.asks).open {
            let outcome = if id > self.asked_sent {
                AskError::NotSent
            } else {
                AskError::Broken
            };
            let _nobody_waits = asker.send(Err(outcome));
        }
        self.waiting = VecDeque::new();
        self.answers = VecDeque::new();
    }

    /// Whether nothing but last words is sent any more.
    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.ending, Ending::Saying(_) | Ending::Said)
    }

    /// What to send next; it counts as sent.
    pub(super) fn take(&mut self, now: impl Fn() -> Instant) -> Next {
        if let Some(hello) = self.hello.take() {
            return Next::Frame(Kind::Hello(hello));
        }
        match std::mem::take(&mut self.ending) {
            Ending::Said => {
                self.ending = Ending::Said;
                return Next::End;
            }
            Ending::Saying(farewell) => {
                self.ending = Ending::Said;
                return Next::Frame(Kind::Farewell(farewell));
            }
            Ending::Leaving if self.is_settled() => {
                self.ending = Ending::Said;
                return Next::Frame(Kind::Farewell(Farewell {
                    reason: FarewellReason::Stopping.into(),
                    detail: String::new(),
                }));
            }
            ending @ (Ending::Not | Ending::Leaving) => self.ending = ending,
        }
        if self.credit_is_due() {
            return Next::Frame(Kind::Credit(self.give_back()));
        }
        if let Some(answered) = self.answers.pop_front() {
            return Next::Frame(Kind::Answer(self.send_answer(answered)));
        }
        self.take_waiting(now).map_or(Next::Wait, Next::Frame)
    }

    /// Wakes `sender` once there is something to send.
    pub(super) fn sleep(&mut self, sender: &Waker) {
        self.sender = Some(sender.clone());
    }

    /// Whoever sends, if it sleeps although there is something to send.
    pub(super) fn sleeper(&mut self) -> Option<Waker> {
        let news = self.hello.is_some()
            || match self.ending {
                Ending::Not => false,
                Ending::Leaving => self.is_settled(),
                Ending::Saying(_) | Ending::Said => true,
            }
            || !self.answers.is_empty()
            || (!self.waiting.is_empty() && self.credit.has_some())
            || self.credit_is_due();
        if news { self.sender.take() } else { None }
    }

    fn has_room(&self, bytes: usize) -> bool {
        let fits = self.waiting_bytes + bytes <= self.limits.waiting_bytes_max;
        self.waiting.len() < self.limits.waiting_frames_max && (fits || self.waiting.is_empty())
    }

    fn queue(&mut self, bytes: usize, waiting: Waiting) {
        self.waiting_bytes += bytes;
        self.waiting.push_back(waiting);
    }

    /// Whether nothing is left to be sent or answered.
    fn is_settled(&self) -> bool {
        self.owed == 0 && self.answers.is_empty() && self.waiting.is_empty()
    }

    fn credit_is_due(&self) -> bool {
        let part = |all: u32| i64::from((all / CREDIT_PART).max(1));
        self.due.frames >= part(self.limits.credit_frames)
            || self.due.bytes >= part(self.limits.credit_bytes)
    }

    fn give_back(&mut self) -> Credit {
        let due = std::mem::take(&mut self.due);
        self.granted.add(due);
        Credit {
            frames: u32::try_from(due.frames).unwrap_or(u32::MAX),
            bytes: due.bytes.unsigned_abs(),
        }
    }

    fn send_answer(&mut self, answered: Answered) -> wire::Answer {
        self.owed = self.owed.saturating_sub(1);
        self.dealt_with(answered.asked_bytes);
        self.answers_bytes -= answered.outcome.as_ref().map_or(0, Bytes::len);
        let outcome = match answered.outcome {
            Ok(body) => answer::Outcome::Body(body),
            Err(refusal) => answer::Outcome::Refusal(refusal.into()),
        };
        wire::Answer {
            id: answered.id,
            outcome: Some(outcome),
        }
    }

    /// The next ask or tell for which there is credit. An ask that nobody would wait for is not sent.
    fn take_waiting(&mut self, now: impl Fn() -> Instant) -> Option<Kind> {
        loop {
            let bytes = match self.waiting.front()? {
                Waiting::Ask { body, .. } | Waiting::Tell(body) => body.len(),
            };
            if !self.credit.has_some() {
                return None;
            }
            let next = self.waiting.pop_front()?;
            self.waiting_bytes -= bytes;
            let (id, deadline, body) = match next {
                Waiting::Tell(body) => {
                    self.credit.spend(bytes);
                    return Some(Kind::Tell(wire::Tell { body }));
                }
                Waiting::Ask { id, deadline, body } => (id, deadline, body),
            };
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                if let Some(asker) = self.asks.remove(id) {
                    let _nobody_waits = asker.send(Err(AskError::NotSent));
                }
                continue;
            }
            self.credit.spend(bytes);
            self.asked_sent = id;
            return Some(Kind::Ask(wire::Ask {
                id,
                deadline_millis: u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1),
                body,
            }));
        }
    }
}

#[cfg(test)]
mod tests;
