//! Every Rust file says first what it is for.
//!
//! Invariant: a file opens with `//!` on line one, tests and build scripts included, and what stands
//! there is more than a name.

use crate::{Tree, Violation};

/// A shorter text cannot say what a file owns.
const PURPOSE_BYTES_MIN: usize = 24;

/// Every Rust file opens with `//!` and a purpose.
pub fn files_open_with_their_purpose(tree: &Tree) -> Vec<Violation> {
    let broken = |text| Some(what_is_wrong(text)?.to_owned());
    tree.rust()
        .filter_map(|source| Some(Violation::at(&source.path, 1, broken(&source.text)?)))
        .collect()
}

fn what_is_wrong(text: &str) -> Option<&'static str> {
    let block: usize = text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.trim().len())
        .sum();
    if !text.starts_with("//!") {
        Some("open the file with `//!`: what it owns, its invariant, what it leaves out")
    } else if block < PURPOSE_BYTES_MIN {
        Some("the `//!` that opens the file must say what it owns, in a sentence")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_opens_with_code_is_caught() {
        let tree = Tree::of(&[
            ("a/build.rs", "fn main() {}"),
            (
                "a/tests/b.rs",
                "\n//! Too late: line one is empty, so nobody sees this first.",
            ),
            ("a/src/lib.rs", "//! Rooms."),
            (
                "a/src/good.rs",
                "//! The log of a room, and nothing derived from it.",
            ),
        ]);
        let found: Vec<_> = files_open_with_their_purpose(&tree)
            .into_iter()
            .map(|v| v.path)
            .collect();
        assert_eq!(found, ["a/build.rs", "a/tests/b.rs", "a/src/lib.rs"]);
    }
}
