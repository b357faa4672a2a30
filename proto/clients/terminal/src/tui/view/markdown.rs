//! A little Markdown: enough that what people write in a chat looks as they meant it.
//!
//! Knows fenced and inline code, strong and emphasised words, quotes, headings and lists. Invariant:
//! every character of the text is shown; only the marks that were understood are taken away. Pure.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::theme;
use super::wrap::wrap;

/// The lines of a Markdown text.
pub(super) fn lines(text: &str, columns: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut rest = text.lines().peekable();
    while let Some(line) = rest.next() {
        if line.trim_start().starts_with("```") {
            let mut closed = false;
            let mut body = Vec::new();
            for inner in rest.by_ref() {
                if inner.trim_start().starts_with("```") {
                    closed = true;
                    break;
                }
                body.push(inner);
            }
            if closed || !body.is_empty() {
                lines.extend(code(&body.join("\n"), columns));
                continue;
            }
        }
        lines.extend(paragraph(line, columns));
    }
    if lines.is_empty() {
        lines.push(Line::default());
    }
    lines
}

/// The lines of a block of code.
pub(super) fn code(text: &str, columns: usize) -> Vec<Line<'static>> {
    let inner = columns.saturating_sub(2);
    let rows = text
        .split('\n')
        .flat_map(|line| wrap(&[Span::styled(line, theme::CODE)], inner));
    rows.map(|row| bar("┃ ", theme::DIM, row)).collect()
}

/// The lines of a text that is shown as it is.
pub(super) fn plain(text: &str, columns: usize) -> Vec<Line<'static>> {
    let lines = text.split('\n');
    lines
        .flat_map(|line| wrap(&[Span::raw(line)], columns))
        .collect()
}

fn paragraph(line: &str, columns: usize) -> Vec<Line<'static>> {
    if let Some(quoted) = line.strip_prefix('>') {
        let inner = columns.saturating_sub(2);
        let rows = wrap(&inline(quoted.trim_start(), theme::QUOTE), inner);
        return rows
            .into_iter()
            .map(|row| bar("│ ", theme::QUOTE, row))
            .collect();
    }
    let marks = line.len() - line.trim_start_matches('#').len();
    if (1..=6).contains(&marks) && line[marks..].starts_with(' ') {
        return wrap(&inline(line[marks..].trim(), theme::STRONG), columns);
    }
    for mark in ["- ", "* "] {
        let trimmed = line.trim_start();
        if let Some(item) = trimmed.strip_prefix(mark) {
            let depth = (line.len() - trimmed.len()).min(columns / 2);
            let inner = columns.saturating_sub(depth + 2);
            let rows = wrap(&inline(item, theme::PLAIN), inner);
            let indent = " ".repeat(depth);
            let first = |index| if index == 0 { "• " } else { "  " };
            return rows
                .into_iter()
                .enumerate()
                .map(|(index, row)| bar(&format!("{indent}{}", first(index)), theme::DIM, row))
                .collect();
        }
    }
    wrap(&inline(line, theme::PLAIN), columns)
}

/// A line with something before it.
fn bar(mark: &str, style: Style, mut line: Line<'static>) -> Line<'static> {
    line.spans.insert(0, Span::styled(mark.to_owned(), style));
    line
}

/// Marks inside a line. A mark without its counterpart is a character like any other.
fn inline(text: &str, base: Style) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        if let Some((inner, style, length)) = marked(rest, before) {
            if !plain.is_empty() {
                spans.push(Span::styled(std::mem::take(&mut plain), base));
            }
            spans.push(Span::styled(inner.to_owned(), base.patch(style)));
            before = rest[..length].chars().next_back();
            rest = &rest[length..];
        } else {
            plain.push(first);
            before = Some(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    if !plain.is_empty() || spans.is_empty() {
        spans.push(Span::styled(plain, base));
    }
    spans
}

/// The marked text that begins here, how it is shown, and its length with the marks.
fn marked(rest: &str, before: Option<char>) -> Option<(&str, Style, usize)> {
    const MARKS: [(&str, Style); 4] = [
        ("`", theme::CODE),
        ("**", theme::STRONG),
        ("*", theme::EMPHASIS),
        ("_", theme::EMPHASIS),
    ];
    // In the middle of a word, as in snake_case, a mark means nothing.
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    for (mark, style) in MARKS {
        let Some(inner) = rest.strip_prefix(mark) else {
            continue;
        };
        let Some(end) = inner.find(mark) else {
            continue;
        };
        let content = &inner[..end];
        let after = inner[end + mark.len()..].chars().next();
        let tight = !content.is_empty() && content.trim() == content;
        let ends = mark == "`" || !after.is_some_and(char::is_alphanumeric);
        if tight && ends {
            return Some((content, style, end + 2 * mark.len()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, columns: usize) -> Vec<String> {
        lines(text, columns)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn styled(text: &str) -> Vec<(String, Style)> {
        let spans = inline(text, theme::PLAIN);
        spans
            .into_iter()
            .map(|s| (s.content.into_owned(), s.style))
            .collect()
    }

    #[test]
    fn marks_become_styles() {
        let expected = [
            ("a ", theme::PLAIN),
            ("b c", theme::STRONG),
            (" ", theme::PLAIN),
            ("d", theme::EMPHASIS),
            (" ", theme::PLAIN),
            ("e*f", theme::CODE),
        ];
        let expected = expected.map(|(text, style)| (text.to_owned(), style));
        assert_eq!(styled("a **b c** _d_ `e*f`"), expected);
    }

    #[test]
    fn what_is_no_mark_stays() {
        for text in [
            "snake_case_name",
            "2 * 3 * 4",
            "**",
            "`",
            "* a*",
            "5*4*3",
            "_",
        ] {
            assert_eq!(styled(text), [(text.to_owned(), theme::PLAIN)], "{text}");
        }
    }

    #[test]
    fn blocks_have_their_shapes() {
        assert_eq!(shown("# Title", 20), ["Title"]);
        assert_eq!(shown("> said he", 20), ["│ said he"]);
        assert_eq!(shown("- one two three", 9), ["• one two", "  three"]);
        assert_eq!(
            shown("a\n```rust\nlet x;\n\n```\nb", 20),
            ["a", "┃ let x;", "┃ ", "b"]
        );
        assert_eq!(shown("#hash", 20), ["#hash"]);
    }

    #[test]
    fn a_fence_without_an_end_is_code_to_the_end() {
        assert_eq!(shown("```\nlet x;", 20), ["┃ let x;"]);
        assert_eq!(shown("```", 20), ["```"]);
    }

    #[test]
    fn no_line_sticks_out() {
        let text =
            "> quote of many words\n- item of many words\n```\ncode_without_blanks_in_it\n```";
        for columns in 4..20 {
            for line in lines(text, columns) {
                assert!(line.width() <= columns, "{line} in {columns}");
            }
        }
    }
}
