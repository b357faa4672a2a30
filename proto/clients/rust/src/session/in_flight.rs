//! Commands that were given and are not answered yet.
//!
//! Invariant: a command leaves the table once, with its answer. Until then it is sent on each new
//! stream, in the order in which it was given, so that one sender's messages keep their order.

use std::collections::{BTreeMap, VecDeque};

use proto::v1::client_frame::Command;
use proto::v1::{ClientFrame, Reply, reply};
use tokio::sync::oneshot;

use crate::{Error, limits};

/// A command and where its answer goes.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) command: Box<Command>,
    pub(super) reply: oneshot::Sender<Result<reply::Result, Error>>,
}

/// The commands of one session.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    asks: BTreeMap<u64, Ask>,
    /// Ids of commands that have to be sent on this stream, in order.
    unsent: VecDeque<u64>,
    last_id: u64,
}

impl InFlight {
    /// Whether one more may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.asks.len() < limits::IN_FLIGHT_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asks.is_empty()
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Takes a command in, to be sent.
    pub(super) fn insert(&mut self, ask: Ask) {
        self.last_id += 1;
        self.asks.insert(self.last_id, ask);
        self.unsent.push_back(self.last_id);
    }

    /// An id for a frame whose reply nobody waits for.
    pub(super) fn spare_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The next frame to send; commands that nobody waits for any more are passed over.
    pub(super) fn next_unsent(&mut self) -> Option<ClientFrame> {
        loop {
            let request_id = self.unsent.pop_front()?;
            let Some(ask) = self.asks.get(&request_id) else {
                continue;
            };
            if ask.reply.is_closed() {
                self.asks.remove(&request_id);
                continue;
            }
            return Some(ClientFrame {
                request_id,
                command: Some((*ask.command).clone()),
            });
        }
    }

    /// A new stream stands: all that is not answered has to be sent on it.
    pub(super) fn send_again(&mut self) {
        self.asks.retain(|_, ask| !ask.reply.is_closed());
        self.unsent = self.asks.keys().copied().collect();
    }

    /// Hands an answer to whoever waits for it, and gives the command back. `None` for a reply that
    /// nobody asked for.
    pub(super) fn answer(&mut self, reply: Reply) -> Option<(Box<Command>, bool)> {
        let ask = self.asks.remove(&reply.request_id)?;
        let result = match reply.result {
            Some(reply::Result::Error(error)) => Err(error.into()),
            Some(result) => Ok(result),
            None => Err(Error::Nonsense("a reply without a result")),
        };
        let done = result.is_ok();
        // Whoever asked may have stopped waiting; then the answer is nobody's.
        let _ = ask.reply.send(result);
        Some((ask.command, done))
    }

    /// Answers everything with this, since there will be no stream any more.
    pub(super) fn fail_all(&mut self, error: impl Fn() -> Error) {
        self.unsent.clear();
        for (_, ask) in std::mem::take(&mut self.asks) {
            // As above.
            let _ = ask.reply.send(Err(error()));
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::{CommandError, Done, MarkReadRequest};

    use super::*;

    type Answer = oneshot::Receiver<Result<reply::Result, Error>>;

    fn ask(seq: u64) -> (Ask, Answer) {
        let (reply, answer) = oneshot::channel();
        let room = "rooms/a".to_owned();
        let command = Box::new(Command::MarkRead(MarkReadRequest { room, seq }));
        (Ask { command, reply }, answer)
    }

    fn unsent(in_flight: &mut InFlight) -> Vec<u64> {
        std::iter::from_fn(|| in_flight.next_unsent())
            .map(|frame| frame.request_id)
            .collect()
    }

    fn reply(request_id: u64, result: reply::Result) -> Reply {
        Reply {
            request_id,
            result: Some(result),
        }
    }

    #[test]
    fn an_answer_reaches_its_asker_once() {
        let mut in_flight = InFlight::default();
        let (first, mut answer) = ask(1);
        in_flight.insert(first);
        assert_eq!(unsent(&mut in_flight), [1]);
        let done = || reply(1, reply::Result::Done(Done {}));
        assert!(in_flight.answer(done()).is_some());
        assert!(in_flight.answer(done()).is_none());
        assert!(answer.try_recv().expect("answered").is_ok());
        assert!(in_flight.is_empty());
    }

    #[test]
    fn a_new_stream_sends_what_is_not_answered_in_order() {
        let mut in_flight = InFlight::default();
        let answers: Vec<Answer> = (1..=4)
            .map(|seq| {
                let (ask, answer) = ask(seq);
                in_flight.insert(ask);
                answer
            })
            .collect();
        assert_eq!(unsent(&mut in_flight), [1, 2, 3, 4]);
        in_flight.answer(reply(2, reply::Result::Done(Done {})));
        in_flight.send_again();
        assert_eq!(unsent(&mut in_flight), [1, 3, 4]);
        drop(answers);
        in_flight.send_again();
        assert_eq!(unsent(&mut in_flight), [0; 0], "nobody waits any more");
        assert!(in_flight.is_empty());
    }

    #[test]
    fn an_error_is_an_answer() {
        let mut in_flight = InFlight::default();
        let (first, mut answer) = ask(1);
        in_flight.insert(first);
        let refused = CommandError {
            code: 5,
            ..CommandError::default()
        };
        let (_, done) = in_flight
            .answer(reply(1, reply::Result::Error(refused)))
            .expect("asked for");
        assert!(!done);
        let error = answer.try_recv().expect("answered").expect_err("refused");
        assert_eq!(error.code(), Some(tonic::Code::NotFound));
    }

    #[test]
    fn the_end_answers_everything() {
        let mut in_flight = InFlight::default();
        let (first, mut answer) = ask(1);
        in_flight.insert(first);
        in_flight.fail_all(|| Error::SignedOut);
        let error = answer.try_recv().expect("answered").expect_err("failed");
        assert!(matches!(error, Error::SignedOut));
        assert!(!in_flight.has_unsent());
    }

    #[test]
    fn the_table_has_a_bound() {
        let mut in_flight = InFlight::default();
        let mut answers = Vec::new();
        for seq in 0..limits::IN_FLIGHT_MAX as u64 {
            assert!(in_flight.has_room());
            let (ask, answer) = ask(seq);
            in_flight.insert(ask);
            answers.push(answer);
        }
        assert!(!in_flight.has_room());
    }
}
