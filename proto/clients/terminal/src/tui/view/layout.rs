//! What an entry of a room looks like, line by line.
//!
//! Invariant: pure, and the only place that knows how tall an entry is; scrolling asks it.

use ratatui::text::{Line, Span};
use rookery_client::v1::membership_change::Kind as Membership;
use rookery_client::v1::{Format, MembershipChange, Message, Priority, RoomChange};

use super::markdown;
use super::theme;
use super::transfers;
use super::wrap::wrap;
use crate::limits;
use crate::text::{elide, fit, width};
use crate::time::Zone;
use crate::tui::history::{Entry, What};
use crate::tui::model::{Chat, Unsent};
use crate::tui::room::RoomState;
use crate::tui::scroll::Stack;

/// Columns before what is said: the mark of the selection and of the priority.
const GUTTER: usize = 2;

/// Names shown of those who have read a message.
const READERS_SHOWN: usize = 4;

/// A room as a stack of entries for scrolling.
pub(crate) struct Entries<'a> {
    pub(crate) chat: &'a Chat,
    pub(crate) room: &'a RoomState,
    pub(crate) zone: &'a Zone,
    pub(crate) columns: usize,
}

impl Stack for Entries<'_> {
    fn above(&self, key: Option<u64>) -> Option<u64> {
        let key = key.unwrap_or(u64::MAX);
        self.room.history.before(key).map(|entry| entry.seq)
    }

    fn below(&self, key: u64) -> Option<u64> {
        self.room.history.after(key).map(|entry| entry.seq)
    }

    fn height(&self, key: u64) -> usize {
        self.lines(key).len().max(1)
    }
}

impl Entries<'_> {
    /// The lines of one entry, with what stands above it because of the one before.
    pub(super) fn lines(&self, seq: u64) -> Vec<Line<'static>> {
        let Some(entry) = self.room.history.get(seq) else {
            return Vec::new();
        };
        let before = self.room.history.before(seq);
        let mut lines = Vec::new();
        if before.is_none_or(|before| !self.zone.same_day(&before.at, &entry.at)) {
            lines.push(rule(&self.zone.day(&entry.at), theme::DIM, self.columns));
        }
        if self.is_first_new(entry, before) {
            lines.push(rule("new", theme::NEW, self.columns));
        }
        match &entry.what {
            What::Said(message) => {
                if !self.continues(entry, before) || !lines.is_empty() {
                    lines.push(self.header(entry));
                }
                lines.extend(self.said(entry, message));
            }
            What::Membership(change) => {
                lines.extend(self.aside(&self.membership(entry, change)));
            }
            What::Room(change) => lines.extend(self.aside(&self.changed(entry, change))),
        }
        lines
    }

    /// The lines of a message that the room does not have yet.
    pub(super) fn unsent(&self, unsent: &Unsent) -> Vec<Line<'static>> {
        let body = crate::text::clean(&unsent.message.request().body);
        let mut lines = Vec::new();
        if !body.is_empty() {
            lines = markdown::plain(&body, self.inner());
        }
        if let Some(file) = &unsent.file {
            lines.push(Line::from(elide(&format!("▤ {file}"), self.inner())));
        }
        let mut lines: Vec<_> = lines
            .into_iter()
            .map(|line| indented(line).style(theme::DIM))
            .collect();
        let mark = match &unsent.failed {
            None => Span::styled("  ⋯ sending", theme::DIM),
            Some(why) => {
                let text = format!("  ✗ not sent: {why} (/retry or /discard)");
                Span::styled(elide(&text, self.columns), theme::BAD)
            }
        };
        lines.push(Line::from(mark));
        lines
    }

    const fn inner(&self) -> usize {
        let inner = self.columns.saturating_sub(GUTTER);
        if inner == 0 { 1 } else { inner }
    }

    fn header(&self, entry: &Entry) -> Line<'static> {
        let clock = self.zone.clock(&entry.at);
        let name = self.chat.people.name(&entry.actor);
        let room = self.columns.saturating_sub(width(&clock) + 2);
        Line::from(vec![
            Span::styled(elide(&name, room), theme::name(&entry.actor)),
            Span::styled(format!("  {clock}"), theme::DIM),
        ])
    }

    fn said(&self, entry: &Entry, message: &Message) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        if message.reply_to_seq > 0 {
            lines.push(indented(self.quoted(message.reply_to_seq)));
        }
        if message.deleted {
            lines.push(indented(Line::styled("deleted", theme::STRUCK)));
            return lines;
        }
        let columns = self.inner();
        let mut body = match message.format() {
            _ if message.body.is_empty() && !message.attachments.is_empty() => Vec::new(),
            Format::Markdown => markdown::lines(&message.body, columns),
            Format::Code => markdown::code(&message.body, columns),
            Format::Plain | Format::Unspecified => markdown::plain(&message.body, columns),
        };
        let files = (1..).zip(&message.attachments);
        body.extend(files.map(|(number, file)| transfers::attached(number, file, columns)));
        let first = lines.len();
        lines.extend(body.into_iter().map(indented));
        match message.priority() {
            Priority::High => mark(&mut lines[first], "! ", theme::WARN),
            Priority::Urgent => {
                for line in &mut lines[first..] {
                    mark(line, "‼ ", theme::BAD);
                }
            }
            Priority::Normal | Priority::Unspecified => {}
        }
        if message.edited_seq > 0 {
            self.append(&mut lines, " (edited)");
        }
        if let Some(readers) = self.readers(entry) {
            lines.push(indented(Line::styled(elide(&readers, columns), theme::DIM)));
        }
        lines
    }

    /// Puts a word behind the last line, or under it if it does not fit.
    fn append(&self, lines: &mut Vec<Line<'static>>, word: &'static str) {
        match lines.last_mut() {
            Some(last) if last.width() + width(word) <= self.columns => {
                last.push_span(Span::styled(word, theme::DIM));
            }
            _ => lines.push(indented(Line::styled(word.trim_start(), theme::DIM))),
        }
    }

    /// The message that is answered, on one line.
    fn quoted(&self, seq: u64) -> Line<'static> {
        let text = self.room.history.get(seq).map_or_else(
            || format!("number {seq}"),
            |entry| {
                let name = self.chat.people.name(&entry.actor);
                let said = entry.message().map_or("", |message| {
                    if message.deleted {
                        "deleted"
                    } else {
                        message.body.lines().next().unwrap_or_default()
                    }
                });
                format!("{name}: {said}")
            },
        );
        let text = elide(&format!("╭ {text}"), self.inner());
        Line::styled(text, theme::QUOTE)
    }

    /// Who has read one's own newest message.
    fn readers(&self, entry: &Entry) -> Option<String> {
        let me = &self.chat.me.name;
        if &entry.actor != me {
            return None;
        }
        let newest = self
            .room
            .history
            .newest_message(|entry| &entry.actor == me)?;
        if newest.seq != entry.seq {
            return None;
        }
        let readers: Vec<String> = self
            .room
            .read_by
            .iter()
            .filter(|(account, seq)| **seq >= entry.seq && *account != me)
            .map(|(account, _)| self.chat.people.name(account))
            .collect();
        let shown = readers
            .iter()
            .take(READERS_SHOWN)
            .cloned()
            .collect::<Vec<_>>();
        match readers.len() {
            0 => None,
            count if count > READERS_SHOWN => Some(format!(
                "✓ read by {} and {} more",
                shown.join(", "),
                count - READERS_SHOWN
            )),
            _ => Some(format!("✓ read by {}", shown.join(", "))),
        }
    }

    /// Whether a message stands under the name of the one before.
    fn continues(&self, entry: &Entry, before: Option<&Entry>) -> bool {
        before.is_some_and(|before| {
            before.message().is_some()
                && before.actor == entry.actor
                && entry.at.seconds.div_euclid(limits::GROUP_SPAN_SECONDS)
                    == before.at.seconds.div_euclid(limits::GROUP_SPAN_SECONDS)
        })
    }

    fn is_first_new(&self, entry: &Entry, before: Option<&Entry>) -> bool {
        let older = || self.room.history.older().unwrap_or(0);
        let previous = before.map_or_else(older, |before| before.seq);
        self.room
            .new_after
            .is_some_and(|after| entry.seq > after && previous <= after)
    }

    fn aside(&self, text: &str) -> Vec<Line<'static>> {
        let lines = wrap(
            &[Span::styled(text.to_owned(), theme::STRUCK)],
            self.inner(),
        );
        lines.into_iter().map(indented).collect()
    }

    fn membership(&self, entry: &Entry, change: &MembershipChange) -> String {
        let people = &self.chat.people;
        let (by, who) = (people.name(&entry.actor), people.name(&change.account));
        match change.kind() {
            Membership::Added if entry.actor == change.account => format!("{by} made this room"),
            Membership::Added => format!("{by} added {who}"),
            Membership::Joined => format!("{who} joined"),
            Membership::Left => format!("{who} left"),
            Membership::Removed => format!("{by} removed {who}"),
            Membership::Banned => format!("{by} banned {who}"),
            Membership::Unbanned => format!("{by} let {who} in again"),
            Membership::RoleSet => {
                let role = format!("{:?}", change.role()).to_lowercase();
                format!("{by} made {who} {role}")
            }
            Membership::Muted => match &change.until {
                Some(until) => format!("{by} muted {who} until {}", self.zone.full(until)),
                None => format!("{by} muted {who}"),
            },
            Membership::Unmuted => format!("{by} let {who} write again"),
            Membership::Unspecified => format!("{by} changed something about {who}"),
        }
    }

    fn changed(&self, entry: &Entry, change: &RoomChange) -> String {
        let by = self.chat.people.name(&entry.actor);
        let archived = if change.archived { ", read-only" } else { "" };
        let topic = if change.topic.is_empty() {
            String::new()
        } else {
            format!(", about {}", change.topic)
        };
        let name = &change.display_name;
        format!("{by} set the room to: {name}{topic}{archived}")
    }
}

fn indented(mut line: Line<'static>) -> Line<'static> {
    line.spans.insert(0, Span::raw(" ".repeat(GUTTER)));
    line
}

fn mark(line: &mut Line<'static>, text: &'static str, style: ratatui::style::Style) {
    if let Some(gutter) = line.spans.first_mut() {
        *gutter = Span::styled(fit(text, GUTTER), style);
    }
}

/// A line across with a word in it.
fn rule(word: &str, style: ratatui::style::Style, columns: usize) -> Line<'static> {
    let word = elide(&format!("── {word} "), columns);
    let rest = "─".repeat(columns.saturating_sub(width(&word)));
    Line::styled(format!("{word}{rest}"), style)
}
