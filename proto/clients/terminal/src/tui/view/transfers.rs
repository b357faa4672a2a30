//! The line that shows what files are on their way, and the lines of those that messages carry.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use rookery_client::v1::Attachment;

use super::theme;
use crate::text::{elide, size, width};
use crate::tui::model::Chat;
use crate::tui::transfers::{Errand, Pace, State, Transfer, Transfers};

/// Columns of a name beside a bar.
const NAME_COLUMNS: usize = 24;

/// Columns of a bar: below, it says nothing; above, it is only long.
const BAR_COLUMNS: std::ops::RangeInclusive<usize> = 6..=30;

/// A file of a message, as its number says in `/save`.
pub(super) fn attached(number: usize, file: &Attachment, columns: usize) -> Line<'static> {
    let about = format!("  {}  {}", size(file.size), file.media_type);
    let mark = format!("▤ {number} ");
    let left = columns.saturating_sub(width(&mark) + width(&about));
    let name = elide(&file.display_name, left.max(columns.min(NAME_COLUMNS)));
    let left = columns.saturating_sub(width(&mark) + width(&name));
    Line::from(vec![
        Span::styled(mark, theme::ACCENT),
        Span::raw(name),
        Span::styled(elide(&about, left), theme::DIM),
    ])
}

/// The one that goes on; or what failed, if none does.
pub(super) fn draw(chat: &Chat, frame: &mut Frame<'_>, area: Rect) {
    if area.is_empty() {
        return;
    }
    let line = line(&chat.transfers, area.width.into());
    frame.render_widget(Paragraph::new(line), area);
}

fn line(transfers: &Transfers, columns: usize) -> Line<'static> {
    let going = transfers
        .iter()
        .find(|t| matches!(t.state, State::Going(_)));
    let Some(shown) = going.or_else(|| transfers.iter().next()) else {
        return Line::default();
    };
    let others = transfers.iter().count() - 1;
    let more = if others > 0 {
        format!("  +{others}")
    } else {
        String::new()
    };
    let room = columns.saturating_sub(width(&more));
    let mut line = match &shown.state {
        State::Going(pace) => going_on(shown, pace, room),
        State::Waiting => Line::from(elide(&format!("{} waits", head(shown)), room)),
        State::Failed(why) => failed(shown, why, room),
    };
    line.push_span(Span::styled(more, theme::DIM));
    line
}

fn head(transfer: &Transfer) -> String {
    let arrow = match transfer.errand {
        Errand::Send { .. } => "↑",
        Errand::Save { .. } => "↓",
    };
    format!("{arrow} {}", elide(&transfer.name(), NAME_COLUMNS))
}

/// Why, and what can be done about it, which is seen whatever the reason.
fn failed(transfer: &Transfer, why: &str, columns: usize) -> Line<'static> {
    let name = elide(&transfer.name(), NAME_COLUMNS);
    let keys = "  /retry /discard";
    let room = columns.saturating_sub(width(keys));
    let mut line = Line::styled(elide(&format!("✗ {name}: {why}"), room), theme::BAD);
    line.push_span(Span::styled(elide(keys, columns), theme::DIM));
    line
}

/// `↑ minutes.pdf ━━━━━━━━━━━━╌╌╌╌╌  42%  12.3 MB/s  0:12`
fn going_on(transfer: &Transfer, pace: &Pace, columns: usize) -> Line<'static> {
    let head = head(transfer);
    let Some(progress) = pace.progress else {
        return Line::styled(elide(&format!("{head} …"), columns), theme::ACCENT);
    };
    let part = |whole: u64| -> u64 {
        let done = u128::from(progress.bytes) * u128::from(whole);
        let part = done / u128::from(progress.total.max(1));
        u64::try_from(part).unwrap_or(whole).min(whole)
    };
    let mut about = format!(" {:>3}%", part(100));
    let rate = pace.per_second().map(|rate| format!("  {}/s", size(rate)));
    about.push_str(rate.as_deref().unwrap_or_default());
    let left = pace.seconds_left().map(|left| format!("  {}", clock(left)));
    about.push_str(left.as_deref().unwrap_or_default());
    let room = columns.saturating_sub(width(&head) + 1 + width(&about));
    if room < *BAR_COLUMNS.start() {
        return Line::styled(elide(&format!("{head}{about}"), columns), theme::ACCENT);
    }
    let long = room.min(*BAR_COLUMNS.end());
    let done = usize::try_from(part(long as u64)).unwrap_or(long);
    Line::from(vec![
        Span::styled(format!("{head} "), theme::ACCENT),
        Span::styled("━".repeat(done), theme::ACCENT),
        Span::styled("╌".repeat(long - done), theme::DIM),
        Span::raw(about),
    ])
}

/// Time left, as people read it.
fn clock(seconds: u64) -> String {
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    match minutes / 60 {
        0 => format!("{minutes}:{seconds:02} left"),
        hours => format!("{hours}:{:02}:{seconds:02} left", minutes % 60),
    }
}
