//! The offline list of common passwords, and what counts as being made of them.
//!
//! 20,041 entries, lower case; data/README.md says where from. Hardly any has 15 characters, so a
//! look-up of the whole password alone would find next to nothing. What counts as common:
//! - the folded password is an entry, or two entries of at least four characters strung together, or
//!   one piece over and over ([`is_listed`], the blocklist of the nist policy);
//! - or that is so once up to ten digits and signs are taken off the front, the end or both, and once
//!   the usual stand-ins for letters (`0` for `o`, `@` for `a`, ...) are undone ([`is_derived`]).
//!
//! A stand-in at the very end (`sunshin3!`) is taken off with the decoration and so not recognised.
//! Costs a few thousand look-ups of about 15 steps at most: below a millisecond.

use std::sync::LazyLock;

use crate::limits::{COMMON_PART_CHARS_MIN, DECORATION_CHARS_MAX};

static LIST: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    include_str!("../../data/common-passwords.txt")
        .lines()
        .collect()
});

fn is_entry(text: &str) -> bool {
    LIST.binary_search(&text).is_ok()
}

/// Whether the folded password is common as it stands.
pub(super) fn is_listed(folded: &str) -> bool {
    is_entry(folded) || is_two_entries(folded) || is_one_piece_repeated(folded)
}

/// Whether the folded password is common under its decoration and stand-ins.
pub(super) fn is_derived(folded: &str) -> bool {
    cores(folded).any(|core| {
        is_listed(core)
            || ['i', 'l']
                .into_iter()
                .any(|one| is_listed(&without_stand_ins(core, one)))
    })
}

fn is_two_entries(text: &str) -> bool {
    let mut places = text
        .char_indices()
        .map(|(place, _)| place)
        .skip(COMMON_PART_CHARS_MIN);
    places.any(|place| {
        let (first, second) = text.split_at(place);
        second.chars().count() >= COMMON_PART_CHARS_MIN && is_entry(first) && is_entry(second)
    })
}

fn is_one_piece_repeated(text: &str) -> bool {
    let places = text.char_indices().map(|(place, _)| place).skip(1);
    places
        .take_while(|place| place * 2 <= text.len())
        .any(|place| {
            text.len().is_multiple_of(place)
                && text
                    .as_bytes()
                    .chunks(place)
                    .all(|piece| piece == &text.as_bytes()[..place])
        })
}

/// The text without decoration at its end, its front, both and neither.
fn cores(text: &str) -> impl Iterator<Item = &str> {
    let is_decoration = |c: char| !c.is_alphabetic();
    let (front, end) = (
        text.trim_start_matches(is_decoration),
        text.trim_end_matches(is_decoration),
    );
    let both = front.trim_end_matches(is_decoration);
    let chars = text.chars().count();
    let decorated_little = move |core: &&str| chars - core.chars().count() <= DECORATION_CHARS_MAX;
    [text, front, end, both]
        .into_iter()
        .filter(decorated_little)
}

/// Undoes the usual stand-ins; `1` and `!` stand for the letter `one`.
fn without_stand_ins(text: &str, one: char) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' | '|' => one,
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        '9' => 'g',
        other => other,
    };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_searched() {
        assert!(LIST.len() > 20_000);
        assert!(
            LIST.is_sorted_by(|a, b| a < b),
            "sorted by bytes, no doubles"
        );
        let folded = LIST.iter().all(|entry| crate::text::fold(entry) == **entry);
        assert!(folded, "entries are compared with folded passwords");
        assert!(
            LIST.iter()
                .all(|entry| entry.len() >= COMMON_PART_CHARS_MIN)
        );
    }

    #[test]
    fn pieces_are_found_at_character_borders_only() {
        assert!(is_one_piece_repeated("äöäöäö"));
        assert!(is_one_piece_repeated("aaaa"));
        assert!(!is_one_piece_repeated("äöäöä"));
        assert!(!is_one_piece_repeated("a"));
        assert!(!is_one_piece_repeated(""));
    }
}
