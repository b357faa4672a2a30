//! What is loaded of one room's log, as it is shown.
//!
//! Invariant: the loaded events are one stretch without a hole, `first..=last`, of which a bounded number
//! is kept: at the end where the reader is. Edits and deletions are
//! folded into the messages that they are about. Texts are made harmless on their way in. Pure.

use std::collections::BTreeMap;

use prost_types::Timestamp;
use rookery_client::v1::event::Kind;
use rookery_client::v1::{Event, MembershipChange, Message, RoomChange};

use crate::limits;
use crate::text::{clean, clean_line};

/// One stretch of a log.
#[derive(Debug, Default)]
pub(crate) struct History {
    shown: BTreeMap<u64, Entry>,
    /// One after the stretch when nothing is loaded.
    first: u64,
    last: u64,
    /// Whether the stretch begins somewhere.
    placed: bool,
    /// Whether new events go on where the stretch ends.
    live: bool,
    /// In a conversation of two, who is in it goes without saying.
    hides_membership: bool,
}

/// An event that is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    pub(crate) actor: String,
    pub(crate) at: Timestamp,
    pub(crate) what: What,
}

/// What is shown of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Said(Message),
    Membership(MembershipChange),
    Room(RoomChange),
}

impl History {
    /// Drops everything, and stands after the event `seq`, which is the newest if `live`.
    pub(crate) fn place(&mut self, seq: u64, live: bool) {
        *self = Self {
            first: seq + 1,
            last: seq,
            placed: true,
            live,
            hides_membership: self.hides_membership,
            ..Self::default()
        };
    }

    /// Drops everything, and stands nowhere.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            hides_membership: self.hides_membership,
            ..Self::default()
        };
    }

    /// From here on, who comes and goes is not shown.
    pub(crate) const fn hide_membership(&mut self) {
        self.hides_membership = true;
    }

    pub(crate) const fn is_placed(&self) -> bool {
        self.placed
    }

    pub(crate) const fn is_live(&self) -> bool {
        self.live
    }

    /// The newest event loaded.
    pub(crate) const fn last(&self) -> u64 {
        self.last
    }

    /// The event before the stretch, if there is one.
    pub(crate) fn older(&self) -> Option<u64> {
        (self.placed && self.first > 1).then(|| self.first - 1)
    }

    /// Takes in older events, newest first, that end right before the stretch. Whoever asks for them
    /// reads there: too many are dropped at the newest end, which is then not live.
    pub(crate) fn add_older(&mut self, events: Vec<Event>) {
        for event in events {
            if self.placed && event.seq + 1 == self.first {
                self.first = event.seq;
                self.show(event);
            }
        }
        while self.shown.len() > limits::HISTORY_EVENTS_MAX {
            if let Some((seq, _)) = self.shown.pop_last() {
                self.last = seq - 1;
                self.live = false;
            }
        }
    }

    /// Takes in what has just happened. If there is no room for it and somebody `reads_back`, it is left
    /// for when they come down: the stretch is not live from then on.
    pub(crate) fn happen(&mut self, event: Event, reads_back: bool) {
        if reads_back && self.shown.len() >= limits::HISTORY_EVENTS_MAX {
            self.live = false;
        }
        if self.live {
            self.add_newer(event);
        }
    }

    /// Takes in newer events, oldest first, that begin right after the stretch; too many are dropped at
    /// the oldest end. False if this one does not.
    pub(crate) fn add_newer(&mut self, event: Event) -> bool {
        if !self.placed || event.seq != self.last + 1 {
            return false;
        }
        self.last = event.seq;
        self.show(event);
        while self.shown.len() > limits::HISTORY_EVENTS_MAX {
            if let Some((seq, _)) = self.shown.pop_first() {
                self.first = seq + 1;
            }
        }
        true
    }

    /// From here on, new events go on where the stretch ends.
    pub(crate) const fn go_live(&mut self) {
        self.live = true;
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Entry> {
        self.shown.get(&seq)
    }

    /// The entry before, as it is shown.
    pub(crate) fn before(&self, seq: u64) -> Option<&Entry> {
        self.shown.range(..seq).next_back().map(|(_, entry)| entry)
    }

    /// The entry after, as it is shown.
    pub(crate) fn after(&self, seq: u64) -> Option<&Entry> {
        self.shown.range(seq + 1..).next().map(|(_, entry)| entry)
    }

    /// All entries, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Entry> {
        self.shown.values().rev()
    }

    /// The newest message that is not deleted and that fits.
    pub(crate) fn newest_message(&self, fits: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        self.newest_first()
            .find(|entry| entry.message().is_some_and(|m| !m.deleted) && fits(entry))
    }

    fn show(&mut self, event: Event) {
        let what = match event.kind {
            Some(Kind::Message(mut message)) => {
                message.body = clean(&message.body);
                clean_names(&mut message);
                What::Said(message)
            }
            Some(Kind::MembershipChange(_)) if self.hides_membership => return,
            Some(Kind::MembershipChange(change)) => What::Membership(change),
            Some(Kind::RoomChange(mut change)) => {
                change.display_name = clean_line(&change.display_name);
                change.topic = clean_line(&change.topic);
                What::Room(change)
            }
            Some(Kind::MessageEdit(edit)) => {
                if let Some(message) = edit.message {
                    self.edit(edit.target_seq, message);
                }
                return;
            }
            Some(Kind::MessageDeletion(deletion)) => {
                if let Some(message) = self.said(deletion.target_seq) {
                    message.deleted = true;
                    message.body.clear();
                    message.attachments.clear();
                }
                return;
            }
            None => return,
        };
        let entry = Entry {
            seq: event.seq,
            actor: event.actor,
            at: event.create_time.unwrap_or_default(),
            what,
        };
        self.shown.insert(event.seq, entry);
    }

    /// An edit that is older than what is shown changes nothing: events are read in both directions.
    fn edit(&mut self, target: u64, mut to: Message) {
        clean_names(&mut to);
        if let Some(message) = self.said(target)
            && to.edited_seq >= message.edited_seq
            && !message.deleted
        {
            let body = clean(&to.body);
            *message = Message {
                body,
                // An edit does not say them again.
                priority: message.priority,
                reply_to_seq: message.reply_to_seq,
                client_message_id: std::mem::take(&mut message.client_message_id),
                ..to
            };
        }
    }

    fn said(&mut self, seq: u64) -> Option<&mut Message> {
        match &mut self.shown.get_mut(&seq)?.what {
            What::Said(message) => Some(message),
            What::Membership(_) | What::Room(_) => None,
        }
    }
}

fn clean_names(message: &mut Message) {
    for file in &mut message.attachments {
        file.display_name = clean_line(&file.display_name);
        file.media_type = clean_line(&file.media_type);
    }
}

impl Entry {
    pub(crate) const fn message(&self) -> Option<&Message> {
        match &self.what {
            What::Said(message) => Some(message),
            What::Membership(_) | What::Room(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rookery_client::v1::{MessageDeletion, MessageEdit};

    use super::*;

    fn message(body: &str) -> Message {
        Message {
            body: body.to_owned(),
            ..Message::default()
        }
    }

    fn event(seq: u64, kind: Kind) -> Event {
        Event {
            seq,
            kind: Some(kind),
            ..Event::default()
        }
    }

    fn said(seq: u64) -> Event {
        event(seq, Kind::Message(message(&format!("number {seq}"))))
    }

    fn bodies(history: &History) -> Vec<&str> {
        let messages = history.shown.values().filter_map(Entry::message);
        messages.map(|message| message.body.as_str()).collect()
    }

    #[test]
    fn a_stretch_grows_at_both_ends_and_has_no_hole() {
        let mut history = History::default();
        assert!(!history.add_newer(said(1)), "it stands nowhere");
        history.place(5, true);
        history.add_older(vec![said(5), said(4), said(2)]);
        assert!(history.add_newer(said(6)));
        assert!(!history.add_newer(said(8)), "7 is missing");
        assert_eq!(bodies(&history), ["number 4", "number 5", "number 6"]);
        assert_eq!((history.older(), history.last()), (Some(3), 6));
    }

    #[test]
    fn edits_and_deletions_change_what_they_are_about() {
        let mut history = History::default();
        history.place(0, true);
        for seq in 1..=2 {
            history.add_newer(said(seq));
        }
        let edited = Message {
            edited_seq: 3,
            ..message("better\u{1b}")
        };
        history.add_newer(event(
            3,
            Kind::MessageEdit(MessageEdit {
                target_seq: 1,
                message: Some(edited),
            }),
        ));
        history.add_newer(event(
            4,
            Kind::MessageDeletion(MessageDeletion { target_seq: 2 }),
        ));
        assert_eq!(bodies(&history), ["better␛", ""]);
        assert!(
            history
                .get(2)
                .and_then(Entry::message)
                .expect("a tombstone")
                .deleted
        );
        assert_eq!(history.last(), 4);
        assert_eq!(
            history.newest_message(|_| true).expect("one is left").seq,
            1
        );
    }

    #[test]
    fn an_older_edit_does_not_undo_a_newer_one() {
        let mut history = History::default();
        history.place(9, true);
        let edit = |seq, body: &str| {
            let message = Message {
                edited_seq: seq,
                ..message(body)
            };
            let message = Some(message);
            event(
                seq,
                Kind::MessageEdit(MessageEdit {
                    target_seq: 7,
                    message,
                }),
            )
        };
        // Read backward, the message comes last, as it stands now.
        let now = Message {
            edited_seq: 9,
            ..message("newest")
        };
        history.add_older(vec![
            edit(9, "newest"),
            edit(8, "older"),
            event(7, Kind::Message(now)),
        ]);
        assert_eq!(bodies(&history), ["newest"]);
        history.edit(
            7,
            Message {
                edited_seq: 8,
                ..message("older")
            },
        );
        assert_eq!(bodies(&history), ["newest"]);
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut history = History::default();
        history.place(0, true);
        for seq in 1..=limits::HISTORY_EVENTS_MAX as u64 + 10 {
            history.add_newer(said(seq));
        }
        assert_eq!(history.shown.len(), limits::HISTORY_EVENTS_MAX);
        assert_eq!(history.older(), Some(10));
    }

    #[test]
    fn whoever_reads_back_keeps_what_they_read() {
        let max = limits::HISTORY_EVENTS_MAX as u64;
        let mut history = History::default();
        history.place(2 * max, true);
        history.add_older((max - 9..=2 * max).rev().map(said).collect());
        assert_eq!(history.shown.len(), limits::HISTORY_EVENTS_MAX);
        assert!(history.get(max - 9).is_some(), "what was asked for");
        assert_eq!((history.last(), history.is_live()), (2 * max - 10, false));
        assert!(history.add_newer(said(2 * max - 9)), "and goes on there");
    }

    #[test]
    fn what_happens_does_not_take_away_what_is_read() {
        let max = limits::HISTORY_EVENTS_MAX as u64;
        let mut history = History::default();
        history.place(0, true);
        (1..=max).for_each(|seq| history.happen(said(seq), true));
        assert!(history.is_live() && history.last() == max);
        history.happen(said(max + 1), true);
        assert!(history.get(1).is_some());
        assert_eq!((history.last(), history.is_live()), (max, false));

        history.go_live();
        history.happen(said(max + 1), false);
        assert_eq!((history.older(), history.last()), (Some(1), max + 1));
    }
}
