//! Table prefixes: the two bytes that keep one table of the store apart from every other.
//!
//! Invariant: two tables never share a prefix, across the whole schema and all time; a retired one
//! stays in the source so that nobody takes it again.
//!
//! Left out: what stands behind the prefix. The store's own tests pin each layout with golden bytes.

use std::collections::BTreeMap;

use crate::{Tree, Violation};

/// Where the schema lives: this file and the folder of the same name.
const SCHEMA: &str = "cluster/store/src/schema";

/// Every two-byte literal of the schema (`*b"rm"` or `b"rm"`) stands there once.
pub fn table_prefixes_are_unique(tree: &Tree) -> Vec<Violation> {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    let mut violations = Vec::new();
    let schema = tree.rust().filter(|source| {
        (source.path == format!("{SCHEMA}.rs") || source.path.starts_with(&format!("{SCHEMA}/")))
            && !source.is_test()
    });
    for source in schema {
        for (line, prefix) in prefixes(&source.text) {
            let here = format!("{}:{line}", source.path);
            if let Some(other) = first.get(&prefix) {
                let what = format!("prefix `{prefix}` is taken by {other}: choose a free one");
                violations.push(Violation::at(&source.path, line, what));
            } else {
                first.insert(prefix, here);
            }
        }
    }
    violations
}

/// Two-byte string literals of the code, with their lines; comments do not count.
fn prefixes(text: &str) -> Vec<(usize, String)> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"));
    let found = lines.flat_map(|(index, line)| {
        line.match_indices("b\"").filter_map(move |(at, _)| {
            let literal = line[at + 2..].split('"').next()?;
            (literal.len() == 2).then(|| (index + 1, literal.to_owned()))
        })
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_taken_twice_is_caught_across_files() {
        let tree = Tree::of(&[
            (
                "cluster/store/src/schema.rs",
                "/// b\"zz\"\nconst A: [u8; 2] = *b\"rm\";\n",
            ),
            (
                "cluster/store/src/schema/rooms.rs",
                "const B: [u8; 2] = *b\"zz\";\nx(*b\"rm\")",
            ),
        ]);
        let found = table_prefixes_are_unique(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].path.as_str(), found[0].line),
            ("cluster/store/src/schema/rooms.rs", Some(2))
        );
    }

    #[test]
    fn tests_and_other_crates_may_repeat_a_prefix() {
        let tree = Tree::of(&[
            (
                "cluster/store/src/schema.rs",
                "const A: [u8; 2] = *b\"rm\";",
            ),
            ("cluster/store/src/schema/tests.rs", "assert(b\"rm\")"),
            ("services/rooms/src/store.rs", "b\"rm\""),
        ]);
        assert_eq!(table_prefixes_are_unique(&tree), []);
    }
}
