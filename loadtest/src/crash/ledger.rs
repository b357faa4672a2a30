//! The ledger: what was sent, what was acknowledged, and how a room's log compares with it.
//!
//! Invariant: pure. An acknowledged message has to be in its room's log once, at the place that was
//! acknowledged, with the content that was sent. One that was sent and not acknowledged may be there once
//! or not at all.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use rookery_client::v1::Event;

use crate::log;

/// SHA-256 of a body.
pub(crate) type Digest = [u8; 32];

/// Of a body.
pub(crate) fn digest_of(body: &str) -> Digest {
    let hash = digest(&SHA256, body.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.as_ref());
    bytes
}

/// All messages of one room, by their ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(BTreeMap<String, Entry>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    digest: Digest,
    /// Where it was acknowledged.
    seq: Option<u64>,
}

/// One event of a room's log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Found {
    pub(crate) seq: u64,
    /// The message's id and content; `None`: not a message.
    pub(crate) message: Option<(String, Digest)>,
}

impl From<&Event> for Found {
    fn from(event: &Event) -> Self {
        let message = log::message(event);
        Self {
            seq: event.seq,
            message: message.map(|message| {
                let id = message.client_message_id.clone();
                (id, digest_of(&message.body))
            }),
        }
    }
}

/// How a log compares with the ledger.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Verdict {
    /// Acknowledged messages that were looked for.
    pub(crate) acked: u64,
    /// Acknowledged messages that are not there.
    pub(crate) lost: u64,
    /// Messages that are there more than once, counted without the first.
    pub(crate) doubled: u64,
    /// Acknowledged messages at another place than was acknowledged, or with other content.
    pub(crate) altered: u64,
    /// Places that are missing, repeated or out of order in the log, and messages that nobody sent.
    pub(crate) broken: u64,
    /// Events that somebody who follows the room missed, or had out of order. No log says so: whoever listens
    /// counts.
    pub(crate) unheard: u64,
}

impl Ledger {
    /// A message goes out.
    pub(crate) fn sent(&mut self, id: &str, digest: Digest) {
        self.0.insert(id.to_owned(), Entry { digest, seq: None });
    }

    /// It was acknowledged.
    pub(crate) fn acked(&mut self, id: &str, seq: u64) {
        if let Some(entry) = self.0.get_mut(id) {
            entry.seq = Some(seq);
        }
    }

    /// Messages that were acknowledged.
    pub(crate) fn acks(&self) -> u64 {
        self.0.values().filter(|entry| entry.seq.is_some()).count() as u64
    }

    /// Compares the whole log of the room, from its first event on.
    pub(crate) fn check(&self, log: &[Found]) -> Verdict {
        let mut verdict = Verdict::default();
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        for (found, expected) in log.iter().zip(1..) {
            verdict.broken += u64::from(found.seq != expected);
            let Some((id, digest)) = &found.message else {
                continue;
            };
            let Some(entry) = self.0.get(id) else {
                verdict.broken += 1;
                continue;
            };
            let times = seen.entry(id).or_default();
            *times += 1;
            if *times > 1 {
                verdict.doubled += 1;
            } else if entry.digest != *digest || entry.seq.is_some_and(|seq| seq != found.seq) {
                verdict.altered += 1;
            }
        }
        for (id, _) in self.0.iter().filter(|(_, entry)| entry.seq.is_some()) {
            verdict.acked += 1;
            verdict.lost += u64::from(!seen.contains_key(id.as_str()));
        }
        verdict
    }
}

impl Verdict {
    /// Both together.
    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            acked: self.acked + other.acked,
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
            altered: self.altered + other.altered,
            broken: self.broken + other.broken,
            unheard: self.unheard + other.unheard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: u64, id: &str, body: &str) -> Found {
        Found {
            seq,
            message: Some((id.to_owned(), digest_of(body))),
        }
    }

    fn joined(seq: u64) -> Found {
        Found { seq, message: None }
    }

    /// `a` and `b` acknowledged at 2 and 3, `c` only sent.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for id in ["a", "b", "c"] {
            ledger.sent(id, digest_of(id));
        }
        ledger.acked("a", 2);
        ledger.acked("b", 3);
        assert_eq!(ledger.acks(), 2);
        ledger
    }

    #[test]
    fn all_that_was_acknowledged_is_there() {
        let fine = Verdict {
            acked: 2,
            ..Verdict::default()
        };
        let log = [joined(1), message(2, "a", "a"), message(3, "b", "b")];
        assert_eq!(ledger().check(&log), fine);
        let with_the_other = [&log[..], &[message(4, "c", "c")]].concat();
        assert_eq!(ledger().check(&with_the_other), fine);
    }

    #[test]
    fn an_acknowledged_message_that_is_gone_is_lost() {
        let verdict = ledger().check(&[joined(1), message(2, "a", "a")]);
        assert_eq!((verdict.acked, verdict.lost), (2, 1));
        assert_eq!(ledger().check(&[]).lost, 2);
    }

    #[test]
    fn a_retry_that_was_carried_out_twice_is_doubled() {
        let log = [
            joined(1),
            message(2, "a", "a"),
            message(3, "b", "b"),
            message(4, "c", "c"),
            message(5, "c", "c"),
            message(6, "a", "a"),
        ];
        assert_eq!(ledger().check(&log).doubled, 2);
    }

    #[test]
    fn another_place_or_content_is_altered() {
        let log = [joined(1), message(2, "b", "b"), message(3, "a", "a")];
        assert_eq!(ledger().check(&log).altered, 2);
        let log = [joined(1), message(2, "a", "x"), message(3, "b", "b")];
        assert_eq!(ledger().check(&log).altered, 1);
    }

    #[test]
    fn holes_repeats_and_strangers_break_the_log() {
        let log = [joined(1), message(3, "b", "b"), message(4, "x", "x")];
        let verdict = ledger().check(&log);
        assert_eq!((verdict.broken, verdict.lost), (3, 1));
    }
}
