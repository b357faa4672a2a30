//! Which passwords may be set. Pure; all broken rules are found in one pass.
//!
//! `composed` is the default: length, four kinds of characters, no user name, no "password", limited
//! repetition, no common password even when it is decorated. `nist` follows SP 800-63B: length and a
//! blocklist of whole passwords, nothing about composition.

use std::collections::BTreeMap;

use super::{Password, common};
use crate::limits::{
    PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, REPEATS_IN_A_ROW_MAX, REPEATS_PART_MAX,
    USER_NAME_IN_PASSWORD_CHARS_MIN,
};
use crate::text::{UserName, fold};

/// The rules that a new password has to keep.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PasswordPolicy {
    /// Length, four kinds of characters, no user name, limited repetition, no common password.
    #[default]
    Composed,
    /// Length and a blocklist alone.
    Nist,
}

/// A rule that a password breaks. `Display` is a sentence for the person who chose it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum BrokenRule {
    /// Fewer than 15 characters.
    #[error("use at least {PASSWORD_CHARS_MIN} characters")]
    TooShort,
    /// More than 128 characters.
    #[error("use at most {PASSWORD_CHARS_MAX} characters")]
    TooLong,
    /// No upper-case letter.
    #[error("add an upper-case letter")]
    NoUpperCase,
    /// No lower-case letter.
    #[error("add a lower-case letter")]
    NoLowerCase,
    /// No digit.
    #[error("add a digit")]
    NoDigit,
    /// Nothing but letters and digits.
    #[error("add a character that is neither a letter nor a digit, such as a space or !")]
    NoSpecial,
    /// The user name is in it, in any case, forwards or backwards.
    #[error("leave out your user name, forwards and backwards")]
    SaysUserName,
    /// "password" is in it, in any case.
    #[error("leave out the word \"password\"")]
    SaysPassword,
    /// One character more than three times in a row.
    #[error("do not repeat a character more than {REPEATS_IN_A_ROW_MAX} times in a row")]
    RepeatsInARow,
    /// One character makes up more than a third.
    #[error("use more different characters: one of them makes up more than a third")]
    RepeatsTooOften,
    /// On the list of common passwords, or made of what is.
    #[error("choose something less common: this is among the first that an attacker tries")]
    Common,
}

impl PasswordPolicy {
    /// Every rule that `password` breaks, in the order of [`BrokenRule`]. Without a user name (the
    /// one sent was not valid) the rules about it are not applied.
    pub(crate) fn broken_rules(
        self,
        password: &Password,
        user_name: Option<&UserName>,
    ) -> Vec<BrokenRule> {
        let text = password.text();
        let folded = fold(text);
        let mut broken = length(text);
        match self {
            Self::Composed => {
                broken.extend(kinds(text));
                broken.extend(
                    user_name
                        .filter(|name| contains_name(&folded, name.folded()))
                        .map(|_| BrokenRule::SaysUserName),
                );
                broken.extend(
                    folded
                        .contains("password")
                        .then_some(BrokenRule::SaysPassword),
                );
                broken.extend(repetition(text));
                broken.extend(common::is_derived(&folded).then_some(BrokenRule::Common));
            }
            Self::Nist => {
                broken.extend(
                    user_name
                        .filter(|name| is_name(&folded, name.folded()))
                        .map(|_| BrokenRule::SaysUserName),
                );
                broken.extend(common::is_listed(&folded).then_some(BrokenRule::Common));
            }
        }
        broken
    }
}

fn length(text: &str) -> Vec<BrokenRule> {
    match text.chars().count() {
        0..PASSWORD_CHARS_MIN => vec![BrokenRule::TooShort],
        PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX => Vec::new(),
        _ => vec![BrokenRule::TooLong],
    }
}

/// Upper and lower case and digits of any script; everything else that is not a letter is special.
fn kinds(text: &str) -> impl Iterator<Item = BrokenRule> {
    let has = |kind: fn(char) -> bool| text.chars().any(kind);
    let rules = [
        (has(char::is_uppercase), BrokenRule::NoUpperCase),
        (has(char::is_lowercase), BrokenRule::NoLowerCase),
        (has(char::is_numeric), BrokenRule::NoDigit),
        (has(|c| !c.is_alphanumeric()), BrokenRule::NoSpecial),
    ];
    rules
        .into_iter()
        .filter(|(kept, _)| !kept)
        .map(|(_, rule)| rule)
}

fn contains_name(folded: &str, name: &str) -> bool {
    let letters: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    [name, &letters].into_iter().any(|name| {
        let long_enough = name.chars().count() >= USER_NAME_IN_PASSWORD_CHARS_MIN;
        long_enough && (folded.contains(name) || folded.contains(&reversed(name)))
    })
}

fn is_name(folded: &str, name: &str) -> bool {
    folded == name || folded == reversed(name)
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn repetition(text: &str) -> Vec<BrokenRule> {
    let mut counts: BTreeMap<char, usize> = BTreeMap::new();
    let (mut previous, mut row, mut longest_row) = (None, 0, 0);
    for c in text.chars() {
        *counts.entry(c).or_default() += 1;
        row = if previous == Some(c) { row + 1 } else { 1 };
        previous = Some(c);
        longest_row = longest_row.max(row);
    }
    let most = counts.values().copied().max().unwrap_or(0);
    let mut broken = Vec::new();
    if longest_row > REPEATS_IN_A_ROW_MAX {
        broken.push(BrokenRule::RepeatsInARow);
    }
    if most * REPEATS_PART_MAX > text.chars().count() {
        broken.push(BrokenRule::RepeatsTooOften);
    }
    broken
}
