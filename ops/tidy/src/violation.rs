//! What a rule says when it is broken: where, what, and how to mend it.
//!
//! Invariant: a violation is one line, and its file and line number can be clicked in a terminal.

use std::fmt;

/// One broken rule at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path relative to the root of the repository, with `/` between its parts.
    pub path: String,
    /// Line number from 1, where the rule is about a line.
    pub line: Option<usize>,
    /// What is wrong and what to do about it, in one sentence.
    pub what: String,
}

impl Violation {
    /// A violation that concerns a file as a whole.
    pub fn in_file(path: &str, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
            what: what.into(),
        }
    }

    /// A violation on one line, counted from 1.
    pub fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: Some(line),
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.what),
            None => write!(f, "{}: {}", self.path, self.what),
        }
    }
}

/// The violations as a list to print, one a line, with their number on top; empty if there are none.
pub fn report(violations: &[Violation]) -> String {
    if violations.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = violations.iter().map(|v| format!("  {v}")).collect();
    format!("{} to mend:\n{}", violations.len(), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_on_a_line_can_be_clicked() {
        let violation = Violation::at("cluster/store/src/lib.rs", 7, "too long");
        assert_eq!(
            violation.to_string(),
            "cluster/store/src/lib.rs:7: too long"
        );
        assert_eq!(
            Violation::in_file("deny.toml", "empty").to_string(),
            "deny.toml: empty"
        );
    }

    #[test]
    fn a_clean_tree_reports_nothing() {
        assert_eq!(report(&[]), "");
        let one = [Violation::in_file("a.rs", "bad")];
        assert_eq!(report(&one), "1 to mend:\n  a.rs: bad");
    }
}
