//! What lies over the rest: help, texts, questions, the switch between rooms.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Padding, Paragraph};

use super::wrap::wrap;
use super::{card, centered, theme};
use crate::text::{elide, fit, width};
use crate::tui::command;
use crate::tui::model::{Model, Overlay, Screen};
use crate::tui::switch;

/// Keys, as the help shows them.
const KEYS: &[(&str, &str)] = &[
    ("Enter", "send"),
    ("Alt-Enter, Ctrl-J", "a new line"),
    ("Tab", "complete a command, a @name or a path"),
    ("PgUp, PgDn", "scroll; End goes to the newest"),
    (
        "↑ in an empty line",
        "choose a message: r answer, e change, Del delete, i readers, s save its files",
    ),
    ("Alt-↑, Alt-↓", "the room above, below"),
    ("Ctrl-N", "the next room with something new"),
    ("Ctrl-K", "a room by its name"),
    (
        "Ctrl-A, E, U, K, W",
        "line start, end, delete to either, delete a word",
    ),
    ("Esc", "back"),
    ("Ctrl-C, Ctrl-Q", "leave the program"),
];

/// Columns of what is pressed or typed.
const LEFT_COLUMNS: usize = 22;

pub(super) fn draw(model: &Model, overlay: &Overlay, frame: &mut Frame<'_>) {
    match overlay {
        Overlay::Help(skip) => draw_help(*skip, frame),
        Overlay::Text { title, lines } => {
            let mut lines: Vec<Line<'_>> =
                lines.iter().map(|text| Line::from(text.clone())).collect();
            lines.push(Line::default());
            lines.push(Line::styled("Esc closes", theme::DIM));
            card(frame, title, lines);
        }
        Overlay::Confirm { question, .. } => {
            let keys = Line::from(vec![
                Span::styled("y", theme::ACCENT),
                Span::raw(" yes    "),
                Span::styled("any other key", theme::ACCENT),
                Span::raw(" no"),
            ]);
            card(
                frame,
                "Sure?",
                vec![Line::from(question.clone()), Line::default(), keys],
            );
        }
        Overlay::Switch { filter, chosen } => draw_switch(model, filter, *chosen, frame),
    }
}

/// The lines of the help in so many columns.
pub(crate) fn help_lines(columns: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled("Keys", theme::STRONG)];
    let row = |left: &str, right: &str| help_row(left, right, columns);
    lines.extend(KEYS.iter().flat_map(|(keys, about)| row(keys, about)));
    lines.push(Line::default());
    lines.push(Line::styled("Commands", theme::STRONG));
    for entry in command::ENTRIES {
        let usage = format!("{} {}", entry.name, entry.usage);
        if width(&usage) > LEFT_COLUMNS {
            lines.push(Line::styled(usage, theme::ACCENT));
            lines.extend(row("", entry.about));
        } else {
            lines.extend(row(&usage, entry.about));
        }
    }
    lines.push(Line::default());
    lines.extend(row("//text", "a message that begins with a slash"));
    lines
}

/// What is pressed or typed, and beside it what for.
fn help_row(left: &str, right: &str, columns: usize) -> Vec<Line<'static>> {
    let beside = columns.saturating_sub(LEFT_COLUMNS + 1).max(10);
    let mut lines = wrap(&[Span::raw(right)], beside);
    for (index, line) in lines.iter_mut().enumerate() {
        let left = fit(if index == 0 { left } else { "" }, LEFT_COLUMNS + 1);
        line.spans.insert(0, Span::styled(left, theme::ACCENT));
    }
    lines
}

fn draw_help(skip: u16, frame: &mut Frame<'_>) {
    let area = centered(frame.area(), 84, u16::MAX);
    let inner = area.height.saturating_sub(2);
    let lines = help_lines(area.width.saturating_sub(4).into());
    let total = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let skip = skip.min(total.saturating_sub(inner));
    let more = if skip + inner < total {
        " ↓ more, Esc closes "
    } else {
        " Esc closes "
    };
    let block = Block::bordered()
        .title(" Help ")
        .title_bottom(more)
        .padding(Padding::horizontal(1));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).scroll((skip, 0)).block(block), area);
}

fn draw_switch(model: &Model, filter: &str, chosen: usize, frame: &mut Frame<'_>) {
    let Screen::Chat(chat) = &model.screen else {
        return;
    };
    let rooms = switch::matching(chat, filter);
    let area = centered(frame.area(), 50, 14);
    let block = Block::bordered()
        .title(" Go to ")
        .padding(Padding::horizontal(1));
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    let columns = usize::from(inner.width);
    let mut lines = vec![Line::from(vec![
        Span::styled("› ", theme::ACCENT),
        Span::raw(elide(filter, columns.saturating_sub(3))),
    ])];
    let fits = usize::from(inner.height).saturating_sub(1);
    let skip = (chosen + 1).saturating_sub(fits);
    for (index, room) in rooms.iter().enumerate().skip(skip).take(fits) {
        let unread = room.room.unread_count;
        let count = if unread > 0 {
            format!(" {unread}")
        } else {
            String::new()
        };
        let name = fit(&chat.title(room), columns.saturating_sub(width(&count)));
        let line = Line::from(format!("{name}{count}"));
        lines.push(if index == chosen {
            line.style(theme::BAR)
        } else {
            line
        });
    }
    if rooms.is_empty() {
        lines.push(Line::styled("no such room", theme::DIM));
    }
    frame.render_widget(Paragraph::new(lines), inner);
    let cursor = width(filter).min(columns.saturating_sub(3)) + 2;
    let place = Rect::new(inner.x + u16::try_from(cursor).unwrap_or(0), inner.y, 1, 1);
    frame.set_cursor_position(place.as_position());
}
