//! The form to sign in or to make an account.

use ratatui::Frame;
use ratatui::layout::Position;
use ratatui::text::{Line, Span};

use super::{card, theme};
use crate::text::{fit, width};
use crate::tui::form::SignInForm;
use crate::tui::model::Model;

/// Columns of the labels.
const LABEL_COLUMNS: usize = 16;

/// Columns of what is typed, where there are as many.
const INPUT_COLUMNS: usize = 34;

/// Columns that the box takes around its text.
const FRAME_COLUMNS: usize = 4;

/// Lines of the box that are neither fields nor problems, with all its blank ones.
const LINES_AROUND: usize = 8;

pub(super) fn draw(model: &Model, form: &SignInForm, frame: &mut Frame<'_>) {
    let columns = usize::from(frame.area().width).saturating_sub(FRAME_COLUMNS + LABEL_COLUMNS);
    let columns = columns.clamp(2, INPUT_COLUMNS);
    // On a low screen the blank lines go before anything else does.
    let needed = form.fields().len() + form.problems.len() + LINES_AROUND;
    let roomy = usize::from(frame.area().height) >= needed;
    let mut lines = Vec::new();
    if roomy {
        lines.push(Line::styled(format!("on {}", model.server), theme::DIM));
        lines.push(Line::default());
    }
    let mut cursor = (0, 0);
    for (index, field) in form.fields().iter().enumerate() {
        let (text, column) = form.shown(*field);
        let here = index == form.at;
        // What is left of a long text is the part at the cursor.
        let skip = if here {
            column.saturating_sub(columns - 1)
        } else {
            0
        };
        let shown = skip_columns(&text, skip);
        let style = if here { theme::ACCENT } else { theme::PLAIN };
        if here {
            cursor = (LABEL_COLUMNS + column - skip, lines.len());
        }
        lines.push(Line::from(vec![
            Span::styled(fit(field.label(), LABEL_COLUMNS), style),
            Span::raw(fit(&shown, columns)),
        ]));
    }
    let problems = form.problems.iter();
    let problems = problems.map(|problem| Line::styled(problem.clone(), theme::BAD));
    if roomy {
        lines.push(Line::default());
        lines.extend(problems);
        if !form.problems.is_empty() {
            lines.push(Line::default());
        }
    } else {
        lines.extend(problems);
    }
    lines.push(if form.busy {
        Line::styled("…", theme::DIM)
    } else {
        keys(form.registering)
    });
    let title = if form.registering {
        "New account"
    } else {
        "Sign in"
    };
    let area = card(frame, title, lines);
    let (column, row) = (u16::try_from(cursor.0), u16::try_from(cursor.1));
    let position = Position::new(
        area.x + 2 + column.unwrap_or(0),
        area.y + 1 + row.unwrap_or(0),
    );
    if area.contains(position) && model.overlay.is_none() {
        frame.set_cursor_position(position);
    }
}

fn keys(registering: bool) -> Line<'static> {
    let other = if registering {
        " I have an account"
    } else {
        " I have an invitation"
    };
    Line::from(vec![
        Span::styled("Enter", theme::ACCENT),
        Span::raw(" go   "),
        Span::styled("F2", theme::ACCENT),
        Span::raw(other),
        Span::raw("   "),
        Span::styled("Esc", theme::ACCENT),
        Span::raw(" leave"),
    ])
}

fn skip_columns(text: &str, columns: usize) -> String {
    let mut skipped = 0;
    crate::text::graphemes(text)
        .skip_while(|grapheme| {
            let skip = skipped < columns;
            skipped += width(grapheme);
            skip
        })
        .collect()
}
