//! Table prefixes: the two bytes that keep one table of the store apart from every other.
//!
//! Invariant: two tables never share a prefix, whichever way it is written, and the list of all tables
//! has every one of them. rustc sees a number taken twice within one enum; it does not see a byte
//! string beside it, or a table that is missing from the list and so escapes every test that walks it.
//!
//! Left out: what stands behind the prefix. The store's own tests pin each layout with golden bytes.

use std::collections::BTreeMap;

use crate::code::identifiers;
use crate::{Source, Tree, Violation};

/// Where the schema lives: this file and the folder of the same name.
const SCHEMA: &str = "cluster/store/src/schema";

/// Every prefix of the schema is taken once: `Room = 0x0201` and `b"rm"` alike.
pub fn table_prefixes_are_unique(tree: &Tree) -> Vec<Violation> {
    let mut first: BTreeMap<[u8; 2], String> = BTreeMap::new();
    let mut violations = Vec::new();
    for source in schema(tree) {
        for (line, _, prefix) in tables(source) {
            let here = format!("{}:{line}", source.path);
            if let Some(other) = first.get(&prefix) {
                let [high, low] = prefix;
                let what =
                    format!("prefix {high:02x}{low:02x} is taken by {other}: choose a free one");
                violations.push(Violation::at(&source.path, line, what));
            } else {
                first.insert(prefix, here);
            }
        }
    }
    violations
}

/// Every variant of a table enum with a list called `ALL` is in that list.
pub fn every_table_is_listed(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in schema(tree) {
        let Some((_, rest)) = source.code.split_once("const ALL") else {
            continue;
        };
        let list = rest.split_once("];").map_or(rest, |(list, _)| list);
        let listed: Vec<&str> = identifiers(list).map(|(_, word)| word).collect();
        for (line, name, _) in tables(source) {
            if !listed.contains(&name) {
                let what =
                    format!("`{name}` is missing from ALL, so no test that walks it sees it");
                violations.push(Violation::at(&source.path, line, what));
            }
        }
    }
    violations
}

fn schema(tree: &Tree) -> impl Iterator<Item = &Source> {
    tree.rust().filter(|source| {
        let inside = source.path.strip_prefix(SCHEMA);
        inside.is_some_and(|rest| rest == ".rs" || rest.starts_with('/')) && !source.is_test()
    })
}

/// Line, name and prefix of each table: `Name = 0x1234,` in an enum, or a two-byte string.
fn tables(source: &Source) -> Vec<(usize, &str, [u8; 2])> {
    let lines = source.text.lines().zip(source.code.lines()).enumerate();
    let found = lines.filter_map(|(index, (text, code))| {
        let (name, prefix) = variant(code).or_else(|| byte_string(text, code))?;
        Some((index + 1, name, prefix))
    });
    found.collect()
}

/// `Name = 0x1234,`
fn variant(code: &str) -> Option<(&str, [u8; 2])> {
    let (name, number) = code.trim().strip_suffix(',')?.split_once(" = 0x")?;
    let number = (number.len() == 4).then(|| u16::from_str_radix(number, 16).ok())??;
    Some((name, number.to_be_bytes()))
}

/// `const NAME: [u8; 2] = *b"ab";` The literal is blanked in `code`, unless a comment hides all of it.
fn byte_string<'a>(text: &'a str, code: &'a str) -> Option<(&'a str, [u8; 2])> {
    let (before, rest) = text.split_once("b\"")?;
    let prefix = rest.split('"').next()?.as_bytes().try_into().ok()?;
    let name = identifiers(code)
        .map(|(_, word)| word)
        .find(|word| *word != "const")?;
    (!before.contains("//")).then_some((name, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: &str = "cluster/store/src/schema/table.rs";

    #[test]
    fn a_prefix_taken_twice_is_caught_across_files_and_spellings() {
        let tree = Tree::of(&[
            (
                "cluster/store/src/schema.rs",
                "/// b\"zz\"\nconst A: [u8; 2] = *b\"rm\";\n",
            ),
            (
                TABLES,
                "enum Table {\n    /// 0x0201\n    Room = 0x726d,\n    Head = 0x0202,\n    Other = 0x0202,\n}",
            ),
        ]);
        let found = table_prefixes_are_unique(&tree);
        let lines: Vec<_> = found.iter().map(|violation| violation.line).collect();
        assert_eq!(lines, [Some(3), Some(5)], "{found:?}");
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

    #[test]
    fn a_table_that_the_list_forgets_is_caught() {
        let text = "enum Table {\n    Room = 0x0201,\n    Head = 0x0202,\n}\n\
            const ALL: [Self; 1] = [Self::Room];\nfn f() { Table::Head }";
        let found = every_table_is_listed(&Tree::of(&[(TABLES, text)]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].what.contains("`Head`"));
        let whole = text.replace("[Self::Room]", "[Self::Room, Self::Head]");
        assert_eq!(every_table_is_listed(&Tree::of(&[(TABLES, &whole)])), []);
    }
}
