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

/// Columns of what is typed.
const INPUT_COLUMNS: usize = 34;

/// Lines above the first field.
const LINES_ABOVE: u16 = 2;

pub(super) fn draw(model: &Model, form: &SignInForm, frame: &mut Frame<'_>) {
    let mut lines = vec![
        Line::styled(format!("on {}", model.server), theme::DIM),
        Line::default(),
    ];
    let mut cursor = (0, 0);
    for (index, field) in form.fields().iter().enumerate() {
        let (text, column) = form.shown(*field);
        let here = index == form.at;
        // What is left of a long text is the part at the cursor.
        let skip = if here {
            column.saturating_sub(INPUT_COLUMNS - 1)
        } else {
            0
        };
        let shown = skip_columns(&text, skip);
        let style = if here { theme::ACCENT } else { theme::PLAIN };
        lines.push(Line::from(vec![
            Span::styled(fit(field.label(), LABEL_COLUMNS), style),
            Span::raw(fit(&shown, INPUT_COLUMNS)),
        ]));
        if here {
            cursor = (LABEL_COLUMNS + column - skip, index);
        }
    }
    lines.push(Line::default());
    for problem in &form.problems {
        lines.push(Line::styled(problem.clone(), theme::BAD));
    }
    if !form.problems.is_empty() {
        lines.push(Line::default());
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
        area.y + 1 + LINES_ABOVE + row.unwrap_or(0),
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
