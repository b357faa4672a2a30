//! File length as a ratchet: long files may only get shorter.
//!
//! Invariant: a file is at most [`LINES_MAX`] long, unless [`LONGER`] lists it with its exact length;
//! nothing is ever longer than [`LINES_HARD_MAX`]. A listed file that shrinks must shrink its row.

use crate::{Tree, Violation};

/// A longer file has more than one subject; 300 is the aim.
pub const LINES_MAX: usize = 500;

/// No reason is good enough beyond this.
pub const LINES_HARD_MAX: usize = 800;

/// Files above [`LINES_MAX`], each with its current length. Rows shrink and disappear; a new one
/// needs a reviewer who agrees that splitting the file would make it worse.
pub const LONGER: &[(&str, usize)] = &[];

/// Hand-written sources whose length is watched, by ending.
const WATCHED: [&str; 5] = [".rs", ".proto", ".js", ".ts", ".py"];

/// Every source is short enough, and every exception is exact.
pub fn files_stay_short(tree: &Tree) -> Vec<Violation> {
    check(tree, LONGER)
}

fn check(tree: &Tree, longer: &[(&str, usize)]) -> Vec<Violation> {
    let watched = |path: &str| WATCHED.iter().any(|ending| path.ends_with(ending));
    let mut violations = Vec::new();
    for source in tree.sources.iter().filter(|source| watched(&source.path)) {
        let lines = source.text.lines().count();
        let row = longer.iter().find(|(path, _)| *path == source.path);
        if let Some(what) = verdict(lines, row.map(|(_, max)| *max)) {
            violations.push(Violation::in_file(&source.path, what));
        }
    }
    for (path, _) in longer.iter().filter(|(path, _)| tree.text(path).is_none()) {
        violations.push(Violation::in_file(
            path,
            "gone: remove its row from ops/tidy's LONGER",
        ));
    }
    violations
}

fn verdict(lines: usize, listed: Option<usize>) -> Option<String> {
    match listed {
        _ if lines > LINES_HARD_MAX => Some(format!(
            "{lines} lines, {LINES_HARD_MAX} is the end: split it"
        )),
        None if lines > LINES_MAX => Some(format!(
            "{lines} lines, at most {LINES_MAX}: split it by subject"
        )),
        Some(max) if lines > max => Some(format!("{lines} lines, grew over its {max}: split it")),
        Some(_) if lines <= LINES_MAX => Some("short again: remove its row from LONGER".to_owned()),
        Some(max) if lines < max => Some(format!(
            "shrank to {lines}: lower its row in LONGER to that"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_caught_and_an_exact_exception_is_not() {
        assert_eq!(verdict(500, None), None);
        assert!(verdict(501, None).is_some());
        assert_eq!(verdict(640, Some(640)), None);
    }

    #[test]
    fn an_exception_can_only_shrink() {
        assert!(verdict(641, Some(640)).is_some_and(|what| what.contains("grew")));
        assert!(verdict(639, Some(640)).is_some_and(|what| what.contains("lower its row")));
        assert!(verdict(500, Some(640)).is_some_and(|what| what.contains("remove its row")));
    }

    #[test]
    fn no_exception_reaches_beyond_the_end() {
        assert!(verdict(801, Some(900)).is_some_and(|what| what.contains("800 is the end")));
    }

    #[test]
    fn a_row_for_a_file_that_is_gone_is_caught() {
        let tree = Tree::of(&[
            ("a.rs", &"x\n".repeat(600)),
            ("page.md", &"x\n".repeat(900)),
        ]);
        let found = check(&tree, &[("a.rs", 600), ("b.rs", 700)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "b.rs");
    }
}
