//! Words that must not be in the tree: promises to do it later, tests that do not run, paths of one
//! developer's machine.
//!
//! Invariant: what is named works; what is not finished is an issue, not a comment.

use crate::code::is_ident;
use crate::links::prose_lines;
use crate::{Source, Tree, Violation};

/// Marks of unfinished work, spelled in halves so that this file passes its own rule.
const UNFINISHED: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
];

/// Beginnings of paths that exist on one machine only, in halves for the same reason.
const MACHINE_PATHS: [&str; 5] = [
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("C:\\Us", "ers"),
];

/// No file marks unfinished work.
pub fn nothing_is_left_for_later(tree: &Tree) -> Vec<Violation> {
    let unfinished = |line: &str| {
        let word = line
            .split(|c| !is_ident(c))
            .find(|word| UNFINISHED.contains(word))?;
        Some(format!(
            "`{word}`: finish it, or file an issue and say nothing here"
        ))
    };
    scan(tree, unfinished)
}

/// No file names a path of a developer's machine.
pub fn no_path_of_one_machine(tree: &Tree) -> Vec<Violation> {
    scan(tree, |line| {
        let found = MACHINE_PATHS.iter().find(|path| names_path(line, path))?;
        Some(format!(
            "`{found}` exists on one machine only: use a path relative to the repository"
        ))
    })
}

/// No test is switched off, and none passes because something panicked somewhere.
pub fn every_test_runs(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in tree.rust() {
        for (index, line) in source.code.lines().enumerate() {
            let line: String = line.split_whitespace().collect();
            for attribute in ["#[ignore", "#[should_panic"] {
                if line.contains(attribute) {
                    let what = format!("`{attribute}]`: a test runs and asserts, or it goes");
                    violations.push(Violation::at(&source.path, index + 1, what));
                }
            }
        }
    }
    violations
}

/// The path stands at the start of a word, not inside a longer path or address.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !is_ident(c) && !matches!(c, '.' | '/' | '-' | '}' | '$'))
    })
}

fn scan(tree: &Tree, check: impl Fn(&str) -> Option<String>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in tree
        .sources
        .iter()
        .filter(|source| !source.path.ends_with(".lock"))
    {
        for (line, text) in lines(source) {
            if let Some(what) = check(&text) {
                violations.push(Violation::at(&source.path, line, what));
            }
        }
    }
    violations
}

/// The lines of a file; of Markdown only the prose, which may quote anything as code.
fn lines(source: &Source) -> Vec<(usize, String)> {
    if source.path.ends_with(".md") {
        return prose_lines(&source.text).collect();
    }
    source
        .text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_of_unfinished_work_is_caught_in_any_text() {
        let mark = UNFINISHED[0];
        let tree = Tree::of(&[
            (
                "a.rs",
                &format!("//! A file.\n// {mark}: later\nlet {mark}LIST = 1;"),
            ),
            ("b.proto", &format!("// {mark}(x)")),
            ("c.md", &format!("never write `{mark}` in a comment")),
        ]);
        let found: Vec<_> = nothing_is_left_for_later(&tree)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("a.rs:2:") && found[1].starts_with("b.proto:1:"));
    }

    #[test]
    fn a_path_of_one_machine_is_caught_and_a_relative_one_is_not() {
        let [root, work, ..] = MACHINE_PATHS;
        let tree = Tree::of(&[(
            "a.toml",
            &format!("x = \"{root}x\"\ny = \"net{work}z\"\nz = \"../home/\""),
        )]);
        let found = no_path_of_one_machine(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, Some(1));
    }

    #[test]
    fn a_test_that_is_switched_off_is_caught() {
        let tree = Tree::of(&[(
            "a.rs",
            "#[test]\n#[ignore = \"slow\"]\nfn f() {}\n// #[ignore]\n#[should_panic]",
        )]);
        let lines: Vec<_> = every_test_runs(&tree).into_iter().map(|v| v.line).collect();
        assert_eq!(lines, [Some(2), Some(5)]);
    }
}
