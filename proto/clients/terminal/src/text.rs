//! Text of others on one's own terminal.
//!
//! Invariant: what comes out of [`clean`] has no character that a terminal acts on or that turns the
//! direction of what stands beside it. Nothing of a message reaches the screen without it.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// What a tab becomes.
const TAB: &str = "    ";

/// Makes a text harmless, keeping its lines. Control characters become visible signs, so that an
/// attempt is seen; characters that turn the direction of writing go.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => out.push('\n'),
            '\t' => out.push_str(TAB),
            '\0'..='\u{1f}' => out.push(picture(char)),
            '\u{7f}' => out.push('␡'),
            '\u{80}'..='\u{9f}' => out.push('\u{fffd}'),
            // Overrides and isolates of the writing direction, marks of it, and invisible marks.
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' => {}
            '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => {}
            _ => out.push(char),
        }
    }
    out
}

/// As [`clean`], on one line: for names and topics.
pub(crate) fn clean_line(text: &str) -> String {
    let cleaned = clean(text);
    cleaned.split('\n').collect::<Vec<_>>().join(" ")
}

/// The sign that stands for a control character.
fn picture(control: char) -> char {
    char::from_u32(0x2400 + u32::from(control)).unwrap_or('\u{fffd}')
}

/// Columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The characters as people see them.
pub(crate) fn graphemes(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.graphemes(true)
}

/// As much of a text as fits, with a mark where something is missing.
pub(crate) fn elide(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in graphemes(text) {
        let wide = width(grapheme);
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        out.push_str(grapheme);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// A number of bytes, as people say it: `1.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    let mut scaled = bytes;
    let mut unit = "B";
    let mut tenths = None;
    for larger in ["kB", "MB", "GB", "TB"] {
        if scaled < 1_000 {
            break;
        }
        tenths = Some(scaled % 1_000 / 100);
        scaled /= 1_000;
        unit = larger;
    }
    match tenths.filter(|_| scaled < 100) {
        Some(tenths) => format!("{scaled}.{tenths} {unit}"),
        None => format!("{scaled} {unit}"),
    }
}

/// A text in exactly this many columns, shortened or filled up with blanks.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    let mut out = elide(text, columns);
    let missing = columns.saturating_sub(width(&out));
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_gets_through() {
        let mut all: String = (0..=0x9f_u32).filter_map(char::from_u32).collect();
        all.push_str("\u{202e}\u{2066}\u{200b}\u{feff}\u{2028}");
        let cleaned = clean(&all);
        let acted_on = |c: char| c.is_control() && c != '\n';
        assert!(!cleaned.contains(acted_on), "{cleaned:?}");
        assert!(!cleaned.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}']));
    }

    #[test]
    fn an_attempt_is_seen() {
        assert_eq!(clean("a\u{1b}[31mb\u{7}"), "a␛[31mb␇");
        assert_eq!(clean("\u{9b}2J"), "\u{fffd}2J");
    }

    #[test]
    fn lines_tabs_and_emoji_stay() {
        assert_eq!(clean("a\r\nb\rc\td"), "a\nb\nc    d");
        assert_eq!(clean("👩‍🚀 é 漢"), "👩‍🚀 é 漢");
        assert_eq!(clean_line("a\nb"), "a b");
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, said) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_450, "1.4 kB"),
            (123_456, "123 kB"),
            (99_950_000, "99.9 MB"),
            (2_147_483_648, "2.1 GB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }

    #[test]
    fn texts_are_cut_between_characters_and_by_columns() {
        assert_eq!(elide("abcdef", 6), "abcdef");
        assert_eq!(elide("abcdef", 4), "abc…");
        assert_eq!(elide("漢字漢字", 5), "漢字…");
        assert_eq!(elide("漢字漢字", 4), "漢…");
        assert_eq!(elide("abc", 0), "");
        assert_eq!(fit("漢字漢字", 4), "漢… ");
        assert_eq!(fit("ab", 4), "ab  ");
    }
}
