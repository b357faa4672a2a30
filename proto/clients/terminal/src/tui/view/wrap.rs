//! Breaking styled text into lines of a width.
//!
//! Invariant: no line is wider than asked, whatever the width of its characters, and nothing is lost
//! but the blank at which a line breaks.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::text::{graphemes, width};

/// Breaks one line of text between words, and words that are too long anywhere.
pub(super) fn wrap(spans: &[Span<'_>], columns: usize) -> Vec<Line<'static>> {
    let columns = columns.max(1);
    let mut rows = Rows::default();
    for span in spans {
        for grapheme in graphemes(&span.content) {
            rows.put(grapheme, span.style, columns);
        }
    }
    rows.finish()
}

/// A line in the making: cells, and where it may be broken.
#[derive(Default)]
struct Rows {
    done: Vec<Line<'static>>,
    cells: Vec<(String, Style)>,
    used: usize,
    /// Behind the last blank.
    breakable: usize,
}

impl Rows {
    fn put(&mut self, grapheme: &str, style: Style, columns: usize) {
        if grapheme == " " && self.cells.is_empty() && !self.done.is_empty() {
            // Blanks at which a line broke are not shown; those at the start of the text are.
            return;
        }
        let wide = width(grapheme);
        if self.used + wide > columns && !self.cells.is_empty() {
            if grapheme == " " {
                let rest = std::mem::take(&mut self.cells);
                self.close(rest);
                return;
            }
            let at = if self.breakable > 0 {
                self.breakable
            } else {
                self.cells.len()
            };
            let rest = self.cells.split_off(at);
            let head = std::mem::replace(&mut self.cells, rest);
            self.close(head);
        }
        self.cells.push((grapheme.to_owned(), style));
        self.used += wide;
        if grapheme == " " {
            self.breakable = self.cells.len();
        }
    }

    /// Ends a line; what is left in `cells` begins the next.
    fn close(&mut self, mut head: Vec<(String, Style)>) {
        while head.last().is_some_and(|(text, _)| text == " ") {
            head.pop();
        }
        self.done.push(line(head));
        self.used = self.cells.iter().map(|(text, _)| width(text)).sum();
        self.breakable = 0;
    }

    fn finish(mut self) -> Vec<Line<'static>> {
        if !self.cells.is_empty() || self.done.is_empty() {
            self.done.push(line(self.cells));
        }
        self.done
    }
}

/// Cells of one style become one span.
fn line(cells: Vec<(String, Style)>) -> Line<'static> {
    let mut spans: Vec<Span<'static>> = Vec::new();
    for (text, style) in cells {
        match spans.last_mut() {
            Some(last) if last.style == style => last.content.to_mut().push_str(&text),
            _ => spans.push(Span::styled(text, style)),
        }
    }
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(text: &str, columns: usize) -> Vec<String> {
        let lines = wrap(&[Span::raw(text)], columns);
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 9), ["one two", "three"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("one    two", 4), ["one", "two"]);
    }

    #[test]
    fn a_long_word_breaks_anywhere() {
        assert_eq!(wrapped("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrapped("a bcdefgh", 3), ["a", "bcd", "efg", "h"]);
    }

    #[test]
    fn wide_characters_never_stick_out() {
        for columns in 2..9 {
            for line in wrapped("漢字 and 👩‍🚀 and 漢字漢字漢字", columns) {
                assert!(width(&line) <= columns, "{line:?} in {columns}");
            }
        }
        assert_eq!(
            wrapped("漢", 1),
            ["漢"],
            "what cannot fit is shown all the same"
        );
    }

    #[test]
    fn styles_stay_with_their_text() {
        let bold = Style::new().add_modifier(ratatui::style::Modifier::BOLD);
        let lines = wrap(&[Span::raw("one "), Span::styled("two three", bold)], 7);
        assert_eq!(lines[0].spans.len(), 2);
        assert_eq!(lines[1].spans, [Span::styled("three", bold)]);
    }
}
