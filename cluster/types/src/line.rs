//! What a text that stands in one line among others may hold: names, topics, labels, notes.
//!
//! Owns the two questions that every such text is asked, whoever wrote it and wherever it is shown.
//!
//! Leaves out: how long it may be, and in which form it is stored.

/// Whether a text stays within its line: no control characters, no separators of lines, and none of
/// the controls that turn the direction of what follows: with those a name could rewrite the line that
/// it stands in.
pub fn is_one_line(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || breaks_the_line(c))
}

/// Whether a text has a character that can be seen: not spaces alone, nor what is drawn as nothing.
pub fn is_visible(text: &str) -> bool {
    !text.chars().all(is_invisible)
}

const fn breaks_the_line(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}'
        | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{00ad}' | '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_its_line_is_found() {
        for text in [
            "a\nb",
            "a\u{7}",
            "a\u{2028}b",
            "\u{202e}cba",
            "a\u{2066}b",
            "\u{200f}",
        ] {
            assert!(!is_one_line(text), "{text:?}");
        }
        for text in ["", "tea", "חדר תה", "👩\u{200d}🚀", "a\u{a0}b"] {
            assert!(is_one_line(text), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_found() {
        for text in [
            "",
            " ",
            "\u{200b}\u{200b}",
            "\u{a0}\u{2800}\u{feff}",
            "\u{e0041}",
        ] {
            assert!(!is_visible(text), "{text:?}");
        }
        for text in [".", " a ", "\u{200b}茶"] {
            assert!(is_visible(text), "{text:?}");
        }
    }
}
