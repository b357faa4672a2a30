//! The comparison of a room's history with the file.
//!
//! Invariant: pure. Every line of the file is right, or counts as exactly one of: missing, altered, out
//! of order. Copies and lines that nobody sent are counted besides.

use std::collections::HashMap;

/// A message: as it was sent, or as it was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// The client message id.
    pub id: String,
    /// `accounts/{account}`
    pub author: String,
    /// What was said.
    pub text: String,
}

/// How histories compare with the file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Comparison {
    /// Lines that are there with their author and text, after the line before them.
    pub right: u64,
    /// Lines that are not there.
    pub missing: u64,
    /// Copies of lines that are there already.
    pub doubled: u64,
    /// Lines that are there with another author or another text.
    pub altered: u64,
    /// Lines that are there before one that was said earlier.
    pub out_of_order: u64,
    /// Messages that are not in the file.
    pub foreign: u64,
}

/// Compares what was found, in the order of the log, with what was sent, in the order of the file.
pub fn compare(sent: &[Line], found: &[Line]) -> Comparison {
    let mut comparison = Comparison::default();
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(found.len());
    let known: HashMap<&str, &Line> = sent.iter().map(|line| (&line.id[..], line)).collect();
    for (place, line) in found.iter().enumerate() {
        if !known.contains_key(&line.id[..]) {
            comparison.foreign += 1;
        } else if places.contains_key(&line.id[..]) {
            comparison.doubled += 1;
        } else {
            places.insert(&line.id, place);
        }
    }
    let mut after = None;
    for line in sent {
        let Some(place) = places.get(&line.id[..]).copied() else {
            comparison.missing += 1;
            continue;
        };
        if found[place] != *line {
            comparison.altered += 1;
        } else if after.is_some_and(|last| place < last) {
            comparison.out_of_order += 1;
        } else {
            comparison.right += 1;
        }
        after = after.max(Some(place));
    }
    comparison
}

impl Comparison {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            right: self.right + other.right,
            missing: self.missing + other.missing,
            doubled: self.doubled + other.doubled,
            altered: self.altered + other.altered,
            out_of_order: self.out_of_order + other.out_of_order,
            foreign: self.foreign + other.foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str) -> Line {
        Line {
            id: id.to_owned(),
            author: "accounts/a".to_owned(),
            text: format!("text of {id}"),
        }
    }

    fn lines(ids: &str) -> Vec<Line> {
        ids.chars().map(|id| line(&id.to_string())).collect()
    }

    fn compared(sent: &str, found: &str) -> Comparison {
        compare(&lines(sent), &lines(found))
    }

    #[test]
    fn the_same_lines_in_the_same_order_are_right() {
        let right = Comparison {
            right: 4,
            ..Comparison::default()
        };
        assert_eq!(compared("abcd", "abcd"), right);
        assert_eq!(compared("", ""), Comparison::default());
    }

    #[test]
    fn a_line_that_is_not_there_is_missing_and_the_others_are_right() {
        let comparison = compared("abcd", "abd");
        assert_eq!((comparison.right, comparison.missing), (3, 1));
        assert_eq!(compared("abcd", "").missing, 4);
    }

    #[test]
    fn a_copy_is_doubled_wherever_it_stands() {
        for found in ["aabc", "abca", "abcc"] {
            let comparison = compared("abc", found);
            assert_eq!((comparison.right, comparison.doubled), (3, 1), "{found}");
        }
    }

    #[test]
    fn two_lines_that_changed_places_are_out_of_order() {
        let comparison = compared("abcd", "acbd");
        assert_eq!((comparison.right, comparison.out_of_order), (3, 1));
        let reversed = compared("abc", "cba");
        assert_eq!((reversed.right, reversed.out_of_order), (1, 2));
    }

    #[test]
    fn the_same_text_said_twice_is_two_lines() {
        let mut sent = lines("ab");
        sent[1].text = sent[0].text.clone();
        assert_eq!(compare(&sent, &sent).right, 2);
        assert_eq!(compare(&sent, &sent[..1]).missing, 1);
    }

    #[test]
    fn another_author_or_text_is_altered() {
        let mut found = lines("ab");
        found[0].author = "accounts/b".to_owned();
        found[1].text.push('!');
        let comparison = compare(&lines("ab"), &found);
        assert_eq!((comparison.right, comparison.altered), (0, 2));
    }

    #[test]
    fn what_nobody_sent_is_foreign() {
        let comparison = compared("ab", "axb");
        assert_eq!((comparison.right, comparison.foreign), (2, 1));
    }

    #[test]
    fn every_line_counts_once() {
        let comparison = compared("abcdef", "bbafx");
        let counted =
            comparison.right + comparison.missing + comparison.altered + comparison.out_of_order;
        assert_eq!(counted, 6, "{comparison:?}");
    }
}
