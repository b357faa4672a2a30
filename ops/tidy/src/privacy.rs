//! What is kept: the page that promises to list all of it, against the rows of the store.
//!
//! Invariant: each message of storage.proto has a row of its own in the table of `PRIVACY.md`, which
//! names its fields and no others. A field that is added, renamed or removed breaks this until somebody
//! has written down what it tells of whom, and for how long.
//!
//! Left out: whether what the page says of a field is true.

use std::collections::BTreeMap;

use crate::{Tree, Violation};

const PAGE: &str = "PRIVACY.md";
const SCHEMA: &str = "proto/rookery/storage/v1/storage.proto";

/// A message or a row of the table: its line, and the names of its fields.
type Named<'a> = BTreeMap<&'a str, (usize, Vec<&'a str>)>;

/// The page names each stored message and each of its fields, and nothing that is not stored.
pub fn what_is_kept_is_listed(tree: &Tree) -> Vec<Violation> {
    let (Some(schema), Some(page)) = (tree.text(SCHEMA), tree.text(PAGE)) else {
        return vec![Violation::in_file(PAGE, format!("or {SCHEMA} is missing"))];
    };
    let (stored, listed) = (messages(schema), rows(page));
    let mut violations = Vec::new();
    for (message, (line, fields)) in &stored {
        let Some((row, names)) = listed.get(message) else {
            let what = format!("`{message}` is stored: give it a row in the table of {PAGE}");
            violations.push(Violation::at(SCHEMA, *line, what));
            continue;
        };
        for field in fields.iter().filter(|field| !names.contains(field)) {
            let what = format!("does not say what `{field}` of `{message}` holds");
            violations.push(Violation::at(PAGE, *row, what));
        }
        for name in names.iter().filter(|name| !fields.contains(name)) {
            let what = format!("names `{name}`, which `{message}` does not have");
            violations.push(Violation::at(PAGE, *row, what));
        }
    }
    for (name, (line, _)) in listed
        .iter()
        .filter(|(name, _)| !stored.contains_key(*name))
    {
        let what = format!("lists `{name}`, which is not stored");
        violations.push(Violation::at(PAGE, *line, what));
    }
    violations
}

/// The messages of a .proto file. None of the store's stands within another.
fn messages(schema: &str) -> Named<'_> {
    let mut messages = Named::new();
    let mut message = None;
    for (index, line) in schema.lines().enumerate() {
        let line = line.split("//").next().unwrap_or_default().trim();
        if let Some(rest) = line.strip_prefix("message ") {
            let name = rest.split([' ', '{']).next().unwrap_or_default();
            messages.insert(name, (index + 1, Vec::new()));
            message = Some(name);
        } else if line.starts_with("enum ") {
            message = None;
        } else if let (Some(name), Some(field)) = (message, field(line))
            && let Some((_, fields)) = messages.get_mut(name)
        {
            fields.push(field);
        }
    }
    messages
}

/// `name` of `type name = 1;`
fn field(line: &str) -> Option<&str> {
    let (declared, number) = line.split_once('=')?;
    let is_field = !declared.starts_with("option ") && !declared.starts_with("syntax");
    let number = number.trim().trim_end_matches(';');
    let name = declared.split_whitespace().last()?;
    (is_field && number.starts_with(|digit: char| digit.is_ascii_digit())).then_some(name)
}

/// The rows of the table, by the name in code that each begins with; the names are those in code in its
/// second column.
fn rows(page: &str) -> Named<'_> {
    let mut rows = Named::new();
    for (index, line) in page.lines().enumerate() {
        let mut cells = line.split('|').skip(1);
        let (Some(first), Some(second)) = (cells.next(), cells.next()) else {
            continue;
        };
        if let Some(name) = in_code(first).next() {
            rows.insert(name, (index + 1, in_code(second).collect()));
        }
    }
    rows
}

fn in_code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = "syntax = \"proto3\";\n\
        message Account {\n  string user_name = 1; // old = 7;\n  reserved 2;\n  oneof kind {\n    \
        Role role = 3;\n  }\n}\nenum Role {\n  ROLE_OWNER = 1;\n}\nmessage Ban {}\n";
    const LISTED: &str = "| row | holds | until |\n|---|---|---|\n\
        | `Account`, by id | `user_name`; `role` | `never` |\n| `Ban` | nothing | lifted |\n";

    fn differences(stored: &str, listed: &str) -> Vec<String> {
        let tree = Tree::of(&[(SCHEMA, stored), (PAGE, listed)]);
        let found = what_is_kept_is_listed(&tree).into_iter();
        found.map(|violation| violation.to_string()).collect()
    }

    #[test]
    fn a_page_that_lists_everything_passes() {
        assert_eq!(differences(STORED, LISTED), [] as [String; 0]);
    }

    #[test]
    fn what_is_new_and_what_is_gone_are_caught() {
        let stored = STORED.replace("Ban {}", "Ban {\n  uint64 time_ms = 1;\n}\nmessage Mute {}");
        let listed = LISTED.replace("`role`", "`role`, `rank`") + "| `Kick` | nothing | never |\n";
        let found = differences(&stored, &listed);
        let expected = ["`rank`", "`time_ms`", "`Mute`", "`Kick`"];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found}");
        }
    }

    #[test]
    fn a_tree_without_the_page_is_caught() {
        assert_eq!(
            what_is_kept_is_listed(&Tree::of(&[(SCHEMA, STORED)])).len(),
            1
        );
    }
}
