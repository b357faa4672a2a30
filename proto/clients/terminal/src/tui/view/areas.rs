//! Which part of the screen is for what.
//!
//! Invariant: pure; scrolling and drawing use the same numbers. Parts that do not fit are empty, the
//! conversation last of all.

use ratatui::layout::Rect;

use crate::limits;
use crate::tui::composer::Composer;
use crate::tui::model::{Chat, Model};

/// The parts of the screen of somebody who is signed in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Areas {
    /// The rooms; empty on a narrow screen.
    pub(crate) list: Rect,
    pub(crate) title: Rect,
    pub(crate) history: Rect,
    /// The file that is on its way.
    pub(crate) transfer: Rect,
    /// Who writes, what goes wrong, what is being answered.
    pub(crate) hint: Rect,
    pub(crate) input: Rect,
    pub(crate) status: Rect,
}

impl Areas {
    pub(crate) fn of(model: &Model, chat: &Chat) -> Self {
        let (columns, rows) = model.size;
        let list = if columns >= limits::LIST_SHOWN_FROM_COLUMNS {
            limits::LIST_COLUMNS
        } else {
            0
        };
        let status = u16::from(rows >= 2);
        let body = rows - status;
        // One column between the list and the conversation.
        let left = if list > 0 { list + 1 } else { 0 };
        let wide = columns - left;
        let input = input_rows(&chat.writing().composer, wide)
            .min(body.saturating_sub(3))
            .max(u16::from(body >= 1));
        let hint = u16::from(body >= input + 4);
        let title = u16::from(body >= input + 3);
        let transfer = u16::from(body >= input + 5 && !chat.transfers.is_empty());
        let history = body - input - hint - title - transfer;
        let row = |top: u16, height: u16| Rect::new(left, top, wide, height);
        Self {
            list: Rect::new(0, 0, list, body),
            title: row(0, title),
            history: row(title, history),
            transfer: row(title + history, transfer),
            hint: row(title + history + transfer, hint),
            input: row(title + history + transfer + hint, input),
            status: Rect::new(0, body, columns, status),
        }
    }
}

/// Columns that the input keeps for its mark.
pub(crate) const PROMPT_COLUMNS: u16 = 2;

fn input_rows(composer: &Composer, columns: u16) -> u16 {
    let inner = columns.saturating_sub(PROMPT_COLUMNS);
    let (rows, _, _) = composer.rows(inner.into());
    u16::try_from(rows.len())
        .unwrap_or(limits::INPUT_LINES_MAX)
        .min(limits::INPUT_LINES_MAX)
}
