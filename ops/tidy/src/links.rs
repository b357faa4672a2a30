//! Markdown links: each that points into the repository finds a file, and a heading where it names one.
//!
//! Invariant: documentation that is moved or renamed breaks a test, not a reader.
//!
//! Left out: links to other sites. A test that needs the network proves nothing about this tree.

use crate::{Source, Tree, Violation};

/// Every relative link of every Markdown file resolves.
pub fn markdown_links_resolve(tree: &Tree) -> Vec<Violation> {
    let pages = tree
        .sources
        .iter()
        .filter(|source| source.path.ends_with(".md"));
    pages.flat_map(|page| broken_links(tree, page)).collect()
}

fn broken_links(tree: &Tree, page: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (line, target) in links(&page.text) {
        if let Some(why) = broken(tree, page, &target) {
            violations.push(Violation::at(
                &page.path,
                line,
                format!("link `{target}` {why}"),
            ));
        }
    }
    violations
}

/// Why a link leads nowhere, if it does.
fn broken(tree: &Tree, page: &Source, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() {
        page.path.clone()
    } else {
        resolve(&page.path, file)
    };
    if !tree.paths.contains(&path) {
        return Some(format!("leads to `{path}`, which does not exist"));
    }
    let text = tree.text(&path)?;
    if heading.is_empty() || headings(text).any(|found| found == heading) {
        return None;
    }
    Some(format!("names a heading that `{path}` does not have"))
}

/// The targets of inline links outside code, with their line numbers.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, prose) in prose_lines(text) {
        let mut rest = prose.as_str();
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            let Some(end) = rest.find(')') else { break };
            let target = rest[..end].split_whitespace().next().unwrap_or_default();
            found.push((line, target.trim_matches(['<', '>']).to_owned()));
            rest = &rest[end..];
        }
    }
    found
}

/// Lines outside fenced blocks, without code spans, numbered from 1.
pub(crate) fn prose_lines(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then(|| {
            (
                index + 1,
                line.split('`').step_by(2).collect::<Vec<_>>().join("``"),
            )
        })
    })
}

/// The anchors that a renderer makes of the headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let titles = text.lines().filter(|line| line.starts_with('#'));
    titles.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// A link target as a path from the root.
fn resolve(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = match target.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => page.split('/').collect(),
    };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken_in(page: &str, text: &str) -> Vec<Violation> {
        markdown_links_resolve(&Tree::of(&[
            (page, text),
            ("a/b.md", "# One two\n"),
            ("c.rs", ""),
        ]))
    }

    #[test]
    fn a_link_to_a_missing_file_is_caught() {
        let found = broken_in("a/x.md", "see\n[it](../gone.md) and [this](b.md)");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].path.as_str()), (Some(2), "a/x.md"));
    }

    #[test]
    fn links_to_files_folders_and_headings_resolve() {
        let text =
            "[f](../c.rs) [d](../a) [h](b.md#one-two) [own](#top) [web](https://x.y/z)\n# Top";
        assert_eq!(broken_in("a/x.md", text), []);
    }

    #[test]
    fn a_missing_heading_is_caught() {
        assert_eq!(broken_in("x.md", "[h](a/b.md#three)").len(), 1);
    }

    #[test]
    fn code_is_not_a_link() {
        assert_eq!(
            broken_in("x.md", "`a[0](gone.md)`\n```\n[x](gone.md)\n```\n"),
            []
        );
    }
}
