//! The input: a text of several lines with a cursor.
//!
//! Invariant: the cursor stands between two characters as people see them, never inside one. Pure.

use unicode_segmentation::UnicodeSegmentation as _;

use crate::text::{clean, graphemes, width};

/// A text that is being written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Composer {
    text: String,
    /// In bytes, on a boundary of graphemes.
    cursor: usize,
}

/// Which way, and how far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Back,
    Forward,
    WordBack,
    WordForward,
    LineStart,
    LineEnd,
    Up,
    Down,
}

impl Composer {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What stands before the cursor.
    pub(crate) fn before(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Gives the text away and starts over.
    pub(crate) fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Starts over with this text, the cursor behind it.
    pub(crate) fn set(&mut self, text: &str) {
        self.text = clean(text);
        self.cursor = self.text.len();
    }

    /// Puts a text in at the cursor. Pasted text is made harmless as any other.
    pub(crate) fn insert(&mut self, text: &str) {
        self.insert_exact(&clean(text));
    }

    /// As [`Composer::insert`], for what is never shown.
    pub(crate) fn insert_exact(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor = self.boundary(self.cursor + text.len());
    }

    /// Puts something else in the place of what stands before the cursor.
    pub(crate) fn replace_before(&mut self, text: &str) {
        self.text.replace_range(..self.cursor, text);
        self.cursor = self.boundary(text.len());
    }

    /// Moves the cursor. False if it stood at the edge already.
    pub(crate) fn go(&mut self, step: Step) -> bool {
        let to = self.target(step);
        let moved = to != self.cursor;
        self.cursor = to;
        moved
    }

    /// Deletes from the cursor to where it would go.
    pub(crate) fn delete(&mut self, step: Step) {
        let to = self.target(step);
        let (from, to) = (to.min(self.cursor), to.max(self.cursor));
        self.text.replace_range(from..to, "");
        self.cursor = self.boundary(from);
    }

    /// The text in rows of at most `columns`, and the row and column of the cursor.
    pub(crate) fn rows(&self, columns: usize) -> (Vec<String>, usize, usize) {
        // One column stays free for the cursor behind a full row.
        let columns = columns.saturating_sub(1).max(1);
        let mut rows = vec![String::new()];
        let mut used = 0;
        let mut cursor = (0, 0);
        for (at, grapheme) in self.text.grapheme_indices(true) {
            let wide = width(grapheme);
            if grapheme != "\n" && used + wide > columns {
                rows.push(String::new());
                used = 0;
            }
            if at == self.cursor {
                cursor = (rows.len() - 1, used);
            }
            if grapheme == "\n" {
                rows.push(String::new());
                used = 0;
            } else if let Some(row) = rows.last_mut() {
                row.push_str(grapheme);
                used += wide;
            }
        }
        if self.cursor == self.text.len() {
            cursor = (rows.len() - 1, used);
        }
        (rows, cursor.0, cursor.1)
    }

    fn target(&self, step: Step) -> usize {
        let (before, after) = self.text.split_at(self.cursor);
        match step {
            Step::Back => graphemes(before)
                .next_back()
                .map_or(0, |g| self.cursor - g.len()),
            Step::Forward => self.cursor + graphemes(after).next().map_or(0, str::len),
            Step::WordBack => {
                let trimmed = before.trim_end();
                trimmed.rfind(char::is_whitespace).map_or(0, |at| {
                    at + trimmed[at..].chars().next().map_or(0, char::len_utf8)
                })
            }
            Step::WordForward => {
                let blanks = after.len() - after.trim_start().len();
                let word = after.trim_start().find(char::is_whitespace);
                self.cursor + word.map_or(after.len(), |at| blanks + at)
            }
            Step::LineStart => before.rfind('\n').map_or(0, |at| at + 1),
            Step::LineEnd => self.cursor + after.find('\n').unwrap_or(after.len()),
            Step::Up => {
                let start = before.rfind('\n').map_or(0, |at| at + 1);
                match start.checked_sub(1) {
                    Some(end) => {
                        let above = self.text[..end].rfind('\n').map_or(0, |at| at + 1);
                        self.column_in(above, end, width(&before[start..]))
                    }
                    None => 0,
                }
            }
            Step::Down => {
                let column = before.rfind('\n').map_or(before, |at| &before[at + 1..]);
                match after.find('\n') {
                    Some(at) => {
                        let start = self.cursor + at + 1;
                        let end = self.text[start..]
                            .find('\n')
                            .map_or(self.text.len(), |at| start + at);
                        self.column_in(start, end, width(column))
                    }
                    None => self.text.len(),
                }
            }
        }
    }

    /// The place in a line that is nearest to a column.
    fn column_in(&self, start: usize, end: usize, column: usize) -> usize {
        let mut used = 0;
        for (at, grapheme) in self.text[start..end].grapheme_indices(true) {
            if used >= column {
                return start + at;
            }
            used += width(grapheme);
        }
        end
    }

    /// The next boundary at or after a place: what was put in may join what stands beside it.
    fn boundary(&self, place: usize) -> usize {
        let ends = self.text.grapheme_indices(true).map(|(at, _)| at);
        ends.chain([self.text.len()])
            .find(|at| *at >= place)
            .unwrap_or(self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Composer {
        let mut composer = Composer::default();
        composer.insert(text);
        composer
    }

    #[test]
    fn the_cursor_goes_over_characters_as_people_see_them() {
        let mut composer = with("a👩‍🚀é");
        assert!(composer.go(Step::Back) && composer.go(Step::Back));
        assert_eq!(composer.before(), "a");
        composer.delete(Step::Forward);
        assert_eq!(composer.text(), "aé");
        assert!(composer.go(Step::Back) && !composer.go(Step::Back));
    }

    #[test]
    fn words_and_lines_go_at_once() {
        let mut composer = with("one two  three");
        composer.delete(Step::WordBack);
        assert_eq!(composer.text(), "one two  ");
        composer.delete(Step::WordBack);
        assert_eq!(composer.text(), "one ");
        composer.go(Step::LineStart);
        composer.go(Step::WordForward);
        assert_eq!(composer.before(), "one");
        composer.set("first\nsecond");
        composer.delete(Step::LineStart);
        assert_eq!(composer.text(), "first\n");
    }

    #[test]
    fn up_and_down_keep_the_column() {
        let mut composer = with("first\nse\nthird");
        composer.go(Step::LineStart);
        composer.go(Step::Forward);
        composer.go(Step::Up);
        assert_eq!(composer.before(), "first\ns");
        composer.go(Step::Up);
        assert_eq!(composer.before(), "f");
        composer.go(Step::LineEnd);
        composer.go(Step::Down);
        assert_eq!(composer.before(), "first\nse");
        composer.go(Step::Down);
        assert!(composer.go(Step::Down), "to the end of the last line");
        assert!(!composer.go(Step::Down));
    }

    #[test]
    fn what_is_pasted_is_harmless() {
        assert_eq!(with("a\u{1b}[2J\r\nb").text(), "a␛[2J\nb");
    }

    #[test]
    fn rows_break_by_columns_and_the_cursor_is_found() {
        let composer = with("abcd漢字\nx");
        let (rows, row, column) = composer.rows(6);
        assert_eq!(rows, ["abcd", "漢字", "x"]);
        assert_eq!((row, column), (2, 1));
        let full = with("abcde");
        assert_eq!(full.rows(6), (vec!["abcde".to_owned()], 0, 5));
        assert_eq!(Composer::default().rows(0), (vec![String::new()], 0, 0));
    }

    #[test]
    fn a_completion_keeps_what_stands_behind_the_cursor() {
        let mut composer = with("/inv now");
        for _ in 0..4 {
            composer.go(Step::Back);
        }
        composer.replace_before("/invite");
        assert_eq!(composer.text(), "/invite now");
        assert_eq!(composer.before(), "/invite");
    }
}
