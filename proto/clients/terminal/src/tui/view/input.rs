//! The input, and the commands that what is written in it may become.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::areas::{Areas, PROMPT_COLUMNS};
use super::theme;
use crate::limits;
use crate::text::{elide, fit, width};
use crate::tui::command;
use crate::tui::model::{Chat, Model};
use crate::tui::room::RoomState;

pub(super) fn draw(model: &Model, chat: &Chat, frame: &mut Frame<'_>, areas: Areas) {
    let room = chat.writing();
    draw_input(model, idle(chat), room, frame, areas.input);
    draw_suggestions(room, frame, areas);
}

/// What the input says while nothing is written in it.
fn idle(chat: &Chat) -> &'static str {
    match chat.room() {
        Some(room) if room.room.archived => "this room is read-only",
        Some(_) => "",
        None if chat.lost.is_some() => "nothing can be written here",
        None => "only commands can be written here",
    }
}

fn draw_input(model: &Model, idle: &str, room: &RoomState, frame: &mut Frame<'_>, area: Rect) {
    let inner = area.width.saturating_sub(PROMPT_COLUMNS);
    let (rows, row, column) = room.composer.rows(inner.into());
    // The rows around the cursor, if there are more than fit.
    let skip = (row + 1).saturating_sub(area.height.into());
    let prompt = if room.editing.is_some() {
        "✎ "
    } else {
        "› "
    };
    let lines: Vec<Line<'_>> = rows
        .iter()
        .enumerate()
        .skip(skip)
        .map(|(index, text)| {
            let mark = if index == 0 { prompt } else { "  " };
            Line::from(vec![
                Span::styled(mark, theme::ACCENT),
                Span::raw(text.clone()),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
    if room.composer.is_empty() && !idle.is_empty() {
        let place = Rect::new(area.x + PROMPT_COLUMNS, area.y, inner, area.height.min(1));
        let text = Line::styled(elide(idle, inner.into()), theme::DIM);
        frame.render_widget(Paragraph::new(text), place);
    }
    let (column, row) = (u16::try_from(column), u16::try_from(row - skip));
    let position = Position::new(
        area.x + PROMPT_COLUMNS + column.unwrap_or(0),
        area.y + row.unwrap_or(0),
    );
    if area.contains(position) && model.overlay.is_none() {
        frame.set_cursor_position(position);
    }
}

/// The commands that the line may become, over the end of the conversation.
fn draw_suggestions(room: &RoomState, frame: &mut Frame<'_>, areas: Areas) {
    let suggestions = command::suggestions(room.composer.text());
    if suggestions.is_empty() {
        return;
    }
    let columns = usize::from(areas.history.width);
    let fits = usize::from(areas.history.height).min(limits::SUGGESTIONS_MAX);
    // The last line says how many there are besides.
    let shown = if suggestions.len() > fits {
        fits.saturating_sub(1)
    } else {
        suggestions.len()
    };
    let mut lines: Vec<Line<'_>> = suggestions
        .iter()
        .take(shown)
        .map(|entry| {
            let usage = elide(&format!(" {} {}", entry.name, entry.usage), columns);
            let left = columns.saturating_sub(width(&usage));
            Line::from(vec![
                Span::styled(usage, theme::ACCENT),
                Span::styled(fit(&format!("  {}", entry.about), left), theme::DIM),
            ])
        })
        .collect();
    if suggestions.len() > shown && fits > 0 {
        let text = format!(" … {} more: /help shows all", suggestions.len() - shown);
        lines.push(Line::styled(fit(&text, columns), theme::DIM));
    }
    let height = u16::try_from(lines.len()).unwrap_or(0);
    let history = areas.history;
    let area = Rect::new(history.x, history.bottom() - height, history.width, height);
    frame.render_widget(ratatui::widgets::Clear, area);
    frame.render_widget(Paragraph::new(lines), area);
}
