//! The rooms, the conversation and the status line.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use rookery_client::v1::Priority;
use rookery_client::v1::presence::State;

use super::areas::Areas;
use super::layout::Entries;
use super::{input, theme, transfers};
use crate::limits;
use crate::text::{elide, fit, width};
use crate::tui::history::Entry;
use crate::tui::model::{Chat, Connection, Model};
use crate::tui::room::RoomState;
use crate::tui::scroll::{Scroll, Stack as _};

pub(super) fn draw(model: &Model, chat: &Chat, frame: &mut Frame<'_>) {
    let areas = Areas::of(model, chat);
    draw_list(chat, frame, areas.list);
    draw_separator(frame, areas);
    if let Some(room) = chat.room() {
        draw_title(chat, room, frame, areas.title);
        draw_history(model, chat, room, frame, areas.history);
        draw_hint(model, chat, room, frame, areas.hint);
    } else {
        draw_nowhere(chat, frame, areas.history);
        draw_notice(model, frame, areas.hint);
    }
    transfers::draw(chat, frame, areas.transfer);
    input::draw(model, chat, frame, areas);
    draw_status(model, chat, frame, areas.status);
}

fn draw_separator(frame: &mut Frame<'_>, areas: Areas) {
    if areas.list.width > 0 {
        let lines = vec![Line::styled("│", theme::DIM); areas.list.height.into()];
        let column = Rect::new(areas.list.right(), 0, 1, areas.list.height);
        frame.render_widget(Paragraph::new(lines), column);
    }
}

/// Instead of a conversation, while no room is open.
fn draw_nowhere(chat: &Chat, frame: &mut Frame<'_>, area: Rect) {
    let mut lines = vec![Line::default()];
    if !chat.listed {
        lines = vec![Line::styled("…", theme::DIM)];
    } else if let Some(lost) = &chat.lost {
        lines.push(Line::from(format!("  You are not in {lost} any more.")));
        lines.push(Line::default());
    } else if chat.rooms.is_empty() {
        lines.push(Line::from("  You are in no room yet."));
        lines.push(Line::default());
    }
    if chat.listed && !chat.rooms.is_empty() {
        lines.push(Line::from("  Alt-↑ Alt-↓  goes to a room of the list"));
        lines.push(Line::from("  Ctrl-K       goes to one by its name"));
    }
    if chat.listed && chat.lost.is_some() {
        lines.push(Line::from("  Esc          lets you write a command"));
    } else if chat.listed {
        lines.push(Line::from("  /new NAME    makes one"));
        lines.push(Line::from("  /join LINK   joins one by its link"));
        lines.push(Line::from("  /dm USER     talks to somebody"));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_list(chat: &Chat, frame: &mut Frame<'_>, area: Rect) {
    if area.is_empty() {
        return;
    }
    let mut lines = Vec::new();
    let mut open_at = 0;
    let mut direct = None;
    for room in chat.listing() {
        if direct != Some(room.is_direct()) {
            if direct.is_some() {
                lines.push(Line::default());
            }
            let heading = if room.is_direct() { "People" } else { "Rooms" };
            lines.push(Line::styled(heading, theme::DIM));
            direct = Some(room.is_direct());
        }
        let open = chat.open.as_deref() == Some(room.name());
        if open {
            open_at = lines.len();
        }
        lines.push(list_row(chat, room, open, area.width.into()));
    }
    let skip = (open_at + 2).saturating_sub(area.height.into());
    let lines: Vec<Line<'_>> = lines.into_iter().skip(skip).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn list_row(chat: &Chat, room: &RoomState, open: bool, columns: usize) -> Line<'static> {
    let (dot, dot_style) = if room.is_direct() {
        presence(chat.people.presence(&room.room.peer))
    } else if room.room.archived {
        ("▪", theme::DIM)
    } else {
        ("#", theme::DIM)
    };
    let unread = room.room.unread_count;
    let count = match unread {
        0 => String::new(),
        1..=999 => format!(" {unread}"),
        _ => " 999+".to_owned(),
    };
    let name_columns = columns.saturating_sub(2 + width(&count));
    let loud = match room.loudest {
        Priority::Urgent => theme::BAD,
        Priority::High => theme::WARN,
        Priority::Normal | Priority::Unspecified => theme::STRONG,
    };
    let name_style = if unread > 0 { loud } else { theme::PLAIN };
    let line = Line::from(vec![
        Span::styled(format!("{dot} "), dot_style),
        Span::styled(fit(&chat.title(room), name_columns), name_style),
        Span::styled(count, loud),
    ]);
    if open { line.style(theme::BAR) } else { line }
}

const fn presence(state: State) -> (&'static str, Style) {
    match state {
        State::Online => ("●", theme::GOOD),
        State::Away => ("◐", theme::WARN),
        State::Offline | State::Unspecified => ("○", theme::DIM),
    }
}

fn draw_title(chat: &Chat, room: &RoomState, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width);
    let name = elide(&chat.title(room), columns);
    let mut about = String::new();
    if !room.is_direct() {
        let count = room.room.member_count;
        let plural = if count == 1 { "" } else { "s" };
        about = format!("  {count} member{plural}");
    }
    if room.room.archived {
        about.push_str("  read-only");
    }
    if !room.room.topic.is_empty() {
        about = format!("{about}  {}", room.room.topic);
    }
    let left = columns.saturating_sub(width(&name));
    let line = Line::from(vec![
        Span::styled(name, theme::STRONG),
        Span::styled(fit(&about, left), theme::DIM),
    ]);
    frame.render_widget(Paragraph::new(line.style(theme::TITLE)), area);
}

fn draw_history(model: &Model, chat: &Chat, room: &RoomState, frame: &mut Frame<'_>, area: Rect) {
    let entries = Entries {
        chat,
        room,
        zone: &model.zone,
        columns: area.width.into(),
    };
    let window = usize::from(area.height);
    let mut lines: Vec<Line<'static>> = Vec::new();
    let mut below = 0;
    let mut next = room.scroll.edge(&entries).map(|(seq, cut)| {
        below = cut;
        seq
    });
    if room.scroll == Scroll::Bottom && room.history.is_live() {
        let unsent = chat.unsent.iter();
        let unsent = unsent.filter(|unsent| unsent.message.request().room == room.name());
        for line in unsent.flat_map(|unsent| entries.unsent(unsent)) {
            lines.push(line);
        }
        lines.reverse();
    }
    // From the bottom edge upward, until the window is full.
    while let Some(seq) = next.filter(|_| lines.len() < window) {
        let selected = room.selected == Some(seq);
        let mut entry = entries.lines(seq);
        entry.truncate(entry.len() - below.min(entry.len()));
        below = 0;
        for line in entry.into_iter().rev() {
            lines.push(if selected {
                line.style(theme::SELECTED)
            } else {
                line
            });
        }
        next = entries.above(Some(seq));
    }
    if lines.len() < window {
        let top = if room.loading || !room.history.is_placed() {
            "…"
        } else if room.history.older().is_none() {
            "This is where it begins."
        } else {
            ""
        };
        lines.push(Line::styled(top, theme::DIM));
    }
    lines.truncate(window);
    lines.reverse();
    let height = u16::try_from(lines.len()).unwrap_or(area.height);
    let bottom = Rect::new(area.x, area.bottom() - height, area.width, height);
    frame.render_widget(Paragraph::new(lines), bottom);
}

fn draw_hint(model: &Model, chat: &Chat, room: &RoomState, frame: &mut Frame<'_>, area: Rect) {
    if model.notice.is_some() {
        draw_notice(model, frame, area);
        return;
    }
    let columns = usize::from(area.width);
    let line = if let Some(seq) = room.editing {
        Line::styled(
            format!("changing number {seq}: Enter saves, Esc leaves it"),
            theme::ACCENT,
        )
    } else if let Some(seq) = room.reply_to {
        let who = room
            .history
            .get(seq)
            .map(|entry| chat.people.name(&entry.actor));
        let who = who.unwrap_or_default();
        Line::styled(
            elide(&format!("answering {who}: Esc for no answer"), columns),
            theme::ACCENT,
        )
    } else if let Some(seq) = room.selected {
        let message = room.history.get(seq).and_then(Entry::message);
        let keys = if message.is_some_and(|message| !message.attachments.is_empty()) {
            "↑↓  s save  r answer  e change  Del delete  i readers  Esc"
        } else {
            "↑↓  r answer  e change  Del delete  i readers  Esc"
        };
        Line::styled(elide(keys, columns), theme::ACCENT)
    } else if room.scroll != Scroll::Bottom || !room.history.is_live() {
        let new = room.room.unread_count;
        let text = if new > 0 {
            format!("↓ {new} new below: End goes there")
        } else {
            "↓ End goes to the newest".to_owned()
        };
        Line::styled(text, theme::ACCENT)
    } else {
        Line::styled(elide(&typing(chat, room), columns), theme::DIM)
    };
    frame.render_widget(Paragraph::new(line), area);
}

fn typing(chat: &Chat, room: &RoomState) -> String {
    let names: Vec<String> = room
        .typing
        .keys()
        .map(|account| chat.people.name(account))
        .collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!("{one} is writing …"),
        [one, other] => format!("{one} and {other} are writing …"),
        many => format!("{} people are writing …", many.len()),
    }
}

fn draw_notice(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    if let Some(notice) = &model.notice {
        let style = if notice.bad {
            theme::BAD
        } else {
            theme::ACCENT
        };
        let text = elide(&notice.text, area.width.into());
        frame.render_widget(Paragraph::new(Line::styled(text, style)), area);
    }
}

fn draw_status(model: &Model, chat: &Chat, frame: &mut Frame<'_>, area: Rect) {
    let (text, style) = match &chat.connection {
        Connection::Opening => ("… connecting".to_owned(), theme::WARN),
        Connection::Up => ("● connected".to_owned(), theme::GOOD),
        Connection::Down { at, attempt, .. } => {
            let seconds = at.saturating_sub(model.now).as_secs();
            (
                format!("○ reconnecting in {seconds} s, attempt {attempt}"),
                theme::BAD,
            )
        }
    };
    let waiting = chat
        .unsent
        .iter()
        .filter(|unsent| unsent.failed.is_none())
        .count();
    let mut parts = vec![Span::styled(format!(" {text}"), style)];
    if waiting > 0 && chat.connection != Connection::Up {
        parts.push(Span::styled(format!("  {waiting} to send"), theme::WARN));
    }
    let elsewhere = chat.unread_elsewhere();
    if area.width < limits::LIST_SHOWN_FROM_COLUMNS && elsewhere > 0 {
        parts.push(Span::styled(
            format!("  {elsewhere} unread elsewhere"),
            theme::STRONG,
        ));
    }
    let me = format!("  {}@{}", chat.me.user_name, model.server);
    let keys = " F1 help ";
    let used: usize = parts.iter().map(Span::width).sum();
    let left = usize::from(area.width).saturating_sub(used + width(keys));
    parts.push(Span::styled(fit(&me, left), theme::DIM));
    if left > 0 {
        parts.push(Span::styled(keys, theme::DIM));
    }
    frame.render_widget(Paragraph::new(Line::from(parts)), area);
}
