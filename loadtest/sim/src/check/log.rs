//! [`Log`]: a room's log as it was read in the end, and what it says about the room at each place.

use std::collections::{BTreeMap, BTreeSet};

use cluster_types::Seq;
use proto::v1::member::Role;
use proto::v1::membership_change::Kind as Change;

use crate::history::{Ask, Event, Kind};
use crate::names::Person;

/// A log. Of a room that is gone by the end, as much as anybody has seen.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) events: BTreeMap<Seq, Event>,
    /// Whether a member has read all of it in the end.
    pub(super) is_complete: bool,
    /// How far it is known without a gap.
    pub(super) whole: Seq,
    standings: BTreeMap<Person, Vec<(Seq, bool)>>,
}

/// A room after some event.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Stand {
    pub(super) members: BTreeMap<Person, Member>,
    pub(super) banned: BTreeSet<Person>,
    pub(super) messages: u64,
    pub(super) archived: bool,
    /// `None`: as it was made.
    pub(super) display_name: Option<String>,
}

/// A member after some event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Member {
    pub(super) role: Role,
    pub(super) muted: bool,
}

impl Log {
    /// The newest event.
    pub(super) fn head(&self) -> Seq {
        self.events.keys().next_back().copied().unwrap_or_default()
    }

    /// Once all events are in.
    pub(super) fn close(&mut self) {
        self.whole = (1..)
            .map(Seq)
            .find(|seq| !self.events.contains_key(seq))
            .map_or(Seq::ZERO, Seq::previous);
        for event in self.events.values() {
            if let Some((whom, is_member)) = event.standing() {
                let standings = self.standings.entry(whom).or_default();
                // Who is banned without having been there loses nothing.
                if standings.last().is_some_and(|(_, was)| *was) != is_member {
                    standings.push((event.seq, is_member));
                }
            }
        }
    }

    /// Whether somebody is a member after this event.
    pub(super) fn is_member(&self, who: Person, at: Seq) -> bool {
        self.standing(who, at)
            .is_some_and(|(_, is_member)| is_member)
    }

    /// For somebody who is not a member after the event `at`: where it lost the room (0 if it never had
    /// it), and where it got it afterwards, if it did. `None`: it is a member there.
    pub(super) fn outside(&self, who: Person, at: Seq) -> Option<(Seq, Option<Seq>)> {
        let (lost, is_member) = self.standing(who, at).unwrap_or_default();
        if is_member {
            return None;
        }
        let mut later = self.changes(who).iter().filter(|(seq, _)| *seq > at);
        let gained = later.find(|(_, is_member)| *is_member);
        Some((lost, gained.map(|(seq, _)| *seq)))
    }

    /// Each time that somebody became a member or ceased to be one.
    pub(super) fn changes(&self, who: Person) -> &[(Seq, bool)] {
        self.standings.get(&who).map_or(&[], Vec::as_slice)
    }

    /// The same for everybody.
    pub(super) fn all_changes(&self) -> impl Iterator<Item = (Person, &[(Seq, bool)])> {
        let all = self.standings.iter();
        all.map(|(who, changes)| (*who, changes.as_slice()))
    }

    /// How often anybody lost the room.
    pub(super) fn losses(&self) -> usize {
        let changes = self.standings.values().flatten();
        changes.filter(|(_, is_member)| !is_member).count()
    }

    /// The first place from `at` on where the room is as `is_so` wants it.
    pub(super) fn first_from(&self, at: Seq, is_so: impl Fn(&Stand) -> bool) -> Option<Seq> {
        let mut stand = self.stand(at);
        if is_so(&stand) {
            return Some(at);
        }
        let later = self.events.range(at.next()..);
        for (seq, event) in later.filter(|(_, event)| event.changes_the_room()) {
            stand.apply(event);
            if is_so(&stand) {
                return Some(*seq);
            }
        }
        None
    }

    /// The room after this event.
    pub(super) fn stand(&self, at: Seq) -> Stand {
        let mut stand = Stand::default();
        self.events
            .range(..=at)
            .for_each(|(_, event)| stand.apply(event));
        stand
    }

    /// Messages up to this event.
    pub(super) fn messages(&self, at: Seq) -> u64 {
        let events = self.events.range(..=at);
        events
            .filter(|(_, event)| matches!(event.kind, Kind::Message(_)))
            .count() as u64
    }

    fn standing(&self, who: Person, at: Seq) -> Option<(Seq, bool)> {
        let standings = self.standings.get(&who)?;
        let until = standings.partition_point(|(seq, _)| *seq <= at);
        standings[..until].last().copied()
    }
}

impl Stand {
    /// Whether the room is as `by` wanted it; `None` if what was wanted does not show here.
    pub(super) fn shows(&self, ask: &Ask, by: Person) -> Option<bool> {
        let member = |whom| self.members.get(whom);
        Some(match ask {
            Ask::Add { whom, .. } => member(whom).is_some(),
            Ask::Remove { whom, .. } => member(whom).is_none(),
            Ask::Join { .. } => member(&by).is_some(),
            Ask::Leave { .. } => member(&by).is_none(),
            Ask::SetRole { whom, role, .. } => member(whom).is_some_and(|m| m.role == *role),
            Ask::Mute { whom, .. } => member(whom).is_some_and(|m| m.muted),
            Ask::Unmute { whom, .. } => member(whom).is_some_and(|m| !m.muted),
            Ask::Ban { whom, .. } => self.banned.contains(whom),
            Ask::Unban { whom, .. } => !self.banned.contains(whom),
            Ask::Archive { archived, .. } => self.archived == *archived,
            Ask::Rename { display_name, .. } => self.display_name.as_ref() == Some(display_name),
            // There is no room then, and no log.
            Ask::DeleteRoom { .. } => false,
            Ask::Send { .. }
            | Ask::Edit { .. }
            | Ask::Delete { .. }
            | Ask::MarkRead { .. }
            | Ask::Typing { .. }
            | Ask::Page { .. }
            | Ask::Readers { .. }
            | Ask::CreateRoom { .. }
            | Ask::OpenDirect { .. }
            | Ask::ViewRoom { .. }
            | Ask::ListRooms
            | Ask::Members { .. }
            | Ask::Bans { .. }
            | Ask::MakeLink { .. }
            | Ask::VoidLink { .. }
            | Ask::SignOut => return None,
        })
    }

    fn apply(&mut self, event: &Event) {
        match &event.kind {
            Kind::Message(_) => self.messages += 1,
            Kind::Edit { .. } | Kind::Deletion { .. } => {}
            Kind::Room {
                display_name,
                archived,
            } => {
                self.display_name = Some(display_name.clone());
                self.archived = *archived;
            }
            Kind::Membership { whom, change, role } => self.apply_membership(*whom, *change, *role),
        }
    }

    fn apply_membership(&mut self, whom: Person, change: Change, role: Role) {
        let muted = self.members.get(&whom).is_some_and(|member| member.muted);
        match change {
            Change::Added | Change::Joined => {
                let muted = false;
                self.members.insert(whom, Member { role, muted });
            }
            Change::Left | Change::Removed => _ = self.members.remove(&whom),
            Change::Banned => {
                self.members.remove(&whom);
                self.banned.insert(whom);
            }
            Change::Unbanned => _ = self.banned.remove(&whom),
            Change::RoleSet => {
                // Nobody ranks above an owner, so an owner is not muted.
                let muted = muted && role != Role::Owner;
                self.members.insert(whom, Member { role, muted });
            }
            Change::Muted => _ = self.members.insert(whom, Member { role, muted: true }),
            Change::Unmuted => _ = self.members.insert(whom, Member { role, muted: false }),
            Change::Unspecified => {}
        }
    }
}
