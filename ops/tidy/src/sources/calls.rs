//! Calls that only named files may make: starting tasks and threads, reading clocks, making queues
//! without a bound, and silencing the lint that forbids them.
//!
//! Invariant: every file that may is a row in [`ALLOWED`] with its reason, and every row is used, so
//! the table is the complete list of places where time passes and work starts.
//!
//! Clippy's `disallowed-methods` finds the calls themselves, whatever they are imported as. This rule
//! keeps the exceptions to it in one place, and covers what clippy cannot be asked.

use crate::code::is_ident;
use crate::{Source, Tree, Violation};

/// What a call does, as far as the house cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Starts a task that nobody supervises.
    Task,
    /// Starts a thread.
    Thread,
    /// Reads the wall clock.
    WallClock,
    /// Reads the monotonic clock behind the back of tests that pause time.
    Stopwatch,
    /// Makes a queue that grows until memory ends.
    UnboundedQueue,
    /// Silences clippy about one of the above.
    Exception,
}

/// How each kind is recognised in code.
const PATTERNS: &[(Kind, &str)] = &[
    (Kind::Task, "tokio::spawn"),
    (Kind::Task, "tokio::task::spawn"),
    (Kind::Task, "task::spawn"),
    (Kind::Thread, "thread::spawn"),
    (Kind::Thread, "thread::Builder"),
    (Kind::WallClock, "SystemTime::now"),
    (Kind::Stopwatch, "std::time::Instant::now"),
    (Kind::UnboundedQueue, "unbounded_channel"),
    (Kind::UnboundedQueue, "mpsc::unbounded"),
    (Kind::UnboundedQueue, "std::sync::mpsc::channel"),
    (Kind::Exception, "clippy::disallowed_methods"),
];

/// Who may, and why. A path that ends in `/` is a folder.
///
/// A row also allows its file to silence clippy about that call.
pub const ALLOWED: &[(Kind, &str, &str)] = &[
    (
        Kind::Thread,
        "cluster/store/src/embedded/committer.rs",
        "fsync blocks: the one committer has a thread to itself, with a bounded queue before it",
    ),
    (
        Kind::WallClock,
        "cluster/types/src/clock.rs",
        "the system's clock, behind the Clock trait",
    ),
    (
        Kind::Stopwatch,
        "ops/xtask/src/stopwatch.rs",
        "steps are timed outside any runtime",
    ),
];

/// Calls that start work, read clocks or make queues stay in the files of [`ALLOWED`].
pub fn risky_calls_stay_in_named_files(tree: &Tree) -> Vec<Violation> {
    check(tree, ALLOWED)
}

fn check(tree: &Tree, allowed: &[(Kind, &str, &str)]) -> Vec<Violation> {
    let mut used = vec![false; allowed.len()];
    let mut violations = Vec::new();
    for source in tree.rust() {
        for (kind, line, pattern) in calls(source) {
            let row = allowed.iter().position(|(k, path, _)| {
                (*k == kind || kind == Kind::Exception) && covers(path, &source.path)
            });
            match row {
                Some(_) if kind == Kind::Exception => {}
                Some(row) => used[row] = true,
                None => violations.push(Violation::at(&source.path, line, advice(kind, pattern))),
            }
        }
    }
    for ((kind, path, _), _) in allowed.iter().zip(used).filter(|(_, used)| !used) {
        let what = format!("needs no exception for {kind:?} any more: remove its row from ALLOWED");
        violations.push(Violation::in_file(path, what));
    }
    violations
}

/// The calls of a file. Threads count only in code that ships: a test may start one and join it.
fn calls(source: &Source) -> Vec<(Kind, usize, &'static str)> {
    let shipped = source.shipped_code();
    let mut found = Vec::new();
    for (kind, pattern) in PATTERNS {
        let code = if *kind == Kind::Thread {
            &shipped
        } else {
            &source.code
        };
        for (index, line) in code.lines().enumerate() {
            if names(line, pattern) && !repeats_shorter(line, *kind, pattern) {
                found.push((*kind, index + 1, *pattern));
            }
        }
    }
    if let Some(line) = stopwatch_by_import(&source.code) {
        found.push((Kind::Stopwatch, line, "Instant::now"));
    }
    found
}

/// `pattern` as whole words: `task::spawn` is not in `my_task::spawn_named`.
fn names(line: &str, pattern: &str) -> bool {
    line.match_indices(pattern).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + pattern.len()..].chars().next();
        !before.is_some_and(is_ident) && !after.is_some_and(is_ident)
    })
}

/// Whether a longer pattern of the same kind already reports this line.
fn repeats_shorter(line: &str, kind: Kind, pattern: &str) -> bool {
    let longer = PATTERNS
        .iter()
        .filter(|(k, other)| *k == kind && other.len() > pattern.len());
    longer
        .into_iter()
        .any(|(_, other)| other.ends_with(pattern) && names(line, other))
}

/// The line that calls `Instant::now` in a file that imports the type from `std`.
fn stopwatch_by_import(code: &str) -> Option<usize> {
    let imported = code.split(';').any(|statement| {
        let words: Vec<&str> = statement
            .split(|c| !is_ident(c))
            .filter(|w| !w.is_empty())
            .collect();
        statement.contains("use std::time") && words.contains(&"Instant")
    });
    if !imported {
        return None;
    }
    let calls = |line: &str| names(line, "Instant::now") && !line.contains("time::Instant::now");
    code.lines().position(calls).map(|index| index + 1)
}

fn covers(row: &str, path: &str) -> bool {
    if row.ends_with('/') {
        path.starts_with(row)
    } else {
        path == row
    }
}

fn advice(kind: Kind, pattern: &str) -> String {
    let instead = match kind {
        Kind::Task => "spawn it by name through cluster_runtime::Tasks",
        Kind::Thread => {
            "threads are started in named files only; use a task, or add a row with the reason"
        }
        Kind::WallClock => "take a cluster_types::Clock",
        Kind::Stopwatch => "use tokio::time::Instant, which tests can pause",
        Kind::UnboundedQueue => "give the queue a bound from limits.rs",
        Kind::Exception => "the lint is right; a true exception is a row in ops/tidy's ALLOWED",
    };
    format!("`{pattern}`: {instead}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(path: &str, text: &str) -> Vec<Kind> {
        let found = calls(&Source::new(path, text));
        found.into_iter().map(|(kind, _, _)| kind).collect()
    }

    #[test]
    fn each_kind_is_caught() {
        assert_eq!(kinds("a.rs", "tokio::spawn(f);"), [Kind::Task]);
        assert_eq!(
            kinds("a.rs", "let h = tokio::task::spawn(f);"),
            [Kind::Task]
        );
        assert_eq!(kinds("a.rs", "std::thread::spawn(f);"), [Kind::Thread]);
        assert_eq!(kinds("a.rs", "SystemTime::now()"), [Kind::WallClock]);
        assert_eq!(
            kinds("a.rs", "std::time::Instant::now()"),
            [Kind::Stopwatch]
        );
        assert_eq!(
            kinds("a.rs", "mpsc::unbounded_channel::<u8>()"),
            [Kind::UnboundedQueue]
        );
        assert_eq!(
            kinds("a.rs", "#[expect(clippy::disallowed_methods)]"),
            [Kind::Exception]
        );
    }

    #[test]
    fn an_imported_stopwatch_is_caught_and_the_pausable_one_is_not() {
        let imported = "use std::time::{Duration, Instant};\nlet a = Instant::now();";
        assert_eq!(kinds("a.rs", imported), [Kind::Stopwatch]);
        assert_eq!(
            kinds("a.rs", "use tokio::time::Instant;\nlet a = Instant::now();"),
            []
        );
        assert_eq!(
            kinds(
                "a.rs",
                "use std::time::Duration;\nlet a = tokio::time::Instant::now();"
            ),
            []
        );
    }

    #[test]
    fn names_are_whole_words_and_comments_are_free() {
        assert_eq!(
            kinds(
                "a.rs",
                "tasks.spawn(f); my_task::spawn_named(g); // tokio::spawn"
            ),
            []
        );
    }

    #[test]
    fn a_test_may_start_a_thread_and_not_a_task() {
        let inline =
            "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { thread::spawn(f); tokio::spawn(g); } }";
        assert_eq!(kinds("a.rs", inline), [Kind::Task]);
        assert_eq!(kinds("a/tests/b.rs", "thread::spawn(f);"), []);
    }

    #[test]
    fn a_row_allows_its_file_and_kind_alone() {
        let tree = Tree::of(&[
            ("a.rs", "thread::spawn(f); tokio::spawn(f);"),
            ("b.rs", "thread::spawn(f);"),
        ]);
        let found = check(&tree, &[(Kind::Thread, "a.rs", "the committer")]);
        let places: Vec<_> = found.iter().map(|v| v.path.as_str()).collect();
        assert_eq!(places, ["a.rs", "b.rs"]);
    }

    #[test]
    fn a_row_covers_the_silenced_lint_and_is_not_used_by_it() {
        let tree = Tree::of(&[("a.rs", "#[expect(clippy::disallowed_methods)]")]);
        let found = check(&tree, &[(Kind::Thread, "a.rs", "the committer")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].what.contains("remove its row"));
    }

    #[test]
    fn a_row_that_nothing_needs_is_caught() {
        let tree = Tree::of(&[("a.rs", "fn f() {}")]);
        let found = check(&tree, &[(Kind::Thread, "a.rs", "the committer")]);
        assert!(found[0].what.contains("remove its row"));
    }
}
