//! The model on the screen.
//!
//! Invariant: pure: the same model gives the same screen, at any size, also one too small to be of use.
//! Nothing is drawn that was not made harmless when it came in.

pub(super) mod areas;
mod chat;
mod input;
pub(super) mod layout;
mod markdown;
mod overlay;
mod sign_in;
mod theme;
mod transfers;
mod wrap;

pub(super) use overlay::help_lines;

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::model::{Model, Screen};
use crate::exit::advice;
use crate::text::clean_line;

/// Draws the model.
pub(super) fn view(model: &Model, frame: &mut Frame<'_>) {
    match &model.screen {
        Screen::Connecting(trouble) => {
            let mut lines = vec![Line::from(format!("Connecting to {} …", model.server))];
            if let Some((why, again)) = trouble {
                let seconds = again.saturating_sub(model.now).as_secs();
                lines.push(Line::default());
                lines.push(Line::styled(clean_line(why), theme::WARN));
                lines.push(Line::from(format!("Again in {seconds} s. Esc leaves.")));
            }
            card(frame, "rookery", lines);
        }
        Screen::Trust(fingerprint) => {
            let lines = trust(model, &fingerprint.to_string());
            card(frame, "A server you have not met", lines);
        }
        Screen::Failed(error) => {
            let mut lines = vec![Line::styled(clean_line(&error.to_string()), theme::BAD)];
            lines.push(Line::default());
            lines.extend(advice(error).map(Line::from));
            lines.push(Line::from("Esc leaves."));
            card(frame, "rookery", lines);
        }
        Screen::SignIn(form) => sign_in::draw(model, form, frame),
        Screen::Chat(chat) => chat::draw(model, chat, frame),
    }
    if let Some(overlay) = &model.overlay {
        overlay::draw(model, overlay, frame);
    }
}

fn trust(model: &Model, fingerprint: &str) -> Vec<Line<'static>> {
    // Two halves, so that it can be compared on a narrow screen.
    let (first, second) = fingerprint.split_at(fingerprint.len() / 2 + 1);
    vec![
        Line::from(format!("{} shows a certificate with this", model.server)),
        Line::from("SHA-256 fingerprint:"),
        Line::default(),
        Line::styled(first.to_owned(), theme::STRONG),
        Line::styled(second.to_owned(), theme::STRONG),
        Line::default(),
        Line::from("It should be the one that the server printed when it"),
        Line::from("started. From then on it must stay the same."),
        Line::default(),
        Line::from(vec![
            Span::styled("y", theme::ACCENT),
            Span::raw(" it is the same    "),
            Span::styled("n", theme::ACCENT),
            Span::raw(" it is not: leave"),
        ]),
    ]
}

/// A box in the middle of the screen.
fn card(frame: &mut Frame<'_>, title: &str, lines: Vec<Line<'static>>) -> Rect {
    let wanted = lines.iter().map(Line::width).max().unwrap_or(0);
    let wide = u16::try_from(wanted + 4).unwrap_or(u16::MAX).max(40);
    let area = centered(frame.area(), wide, 0);
    let inner = usize::from(area.width.saturating_sub(4)).max(1);
    let rows: usize = lines
        .iter()
        .map(|line| line.width().div_ceil(inner).max(1))
        .sum();
    let tall = u16::try_from(rows + 2).unwrap_or(u16::MAX);
    let area = centered(frame.area(), wide, tall);
    frame.render_widget(Clear, area);
    let block = Block::bordered()
        .title(format!(" {title} "))
        .title_alignment(Alignment::Left)
        .padding(ratatui::widgets::Padding::horizontal(1));
    let text = Paragraph::new(lines)
        .wrap(Wrap { trim: false })
        .block(block);
    frame.render_widget(text, area);
    area
}

/// A part of this size in the middle, as far as there is room.
fn centered(area: Rect, columns: u16, rows: u16) -> Rect {
    let (width, height) = (columns.min(area.width), rows.min(area.height));
    Rect::new(
        area.x + (area.width - width) / 2,
        area.y + (area.height - height) / 2,
        width,
        height,
    )
}
