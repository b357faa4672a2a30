//! The tree under test: the repository's text files, read once.
//!
//! Invariant: paths are relative to the root, use `/`, and are sorted, so reports do not depend on
//! the machine. Build output, hidden folders and what git never sees are left out.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use crate::code;

/// Folders that hold nothing of ours, by name, wherever they are.
const FOREIGN_FOLDERS: [&str; 6] = [
    "target",
    "node_modules",
    "rookery-data",
    "__pycache__",
    "dist",
    "venv",
];

/// Hidden folders that are part of the project, against the rule that hidden means foreign.
const OWN_HIDDEN_FOLDERS: [&str; 3] = [".cargo", ".ci", ".config"];

/// File endings that are read as text; anything else is data.
const TEXT_ENDINGS: [&str; 12] = [
    "rs", "md", "toml", "lock", "proto", "js", "ts", "py", "sh", "yaml", "yml", "json",
];

/// One text file of the repository.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path relative to the root of the repository, with `/` between its parts.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// For Rust files the code alone: comments and literals blanked. Empty for others.
    pub(crate) code: String,
}

impl Source {
    /// A source from its parts, as the reader of a tree makes it.
    pub fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") {
            code::blank_non_code(text)
        } else {
            String::new()
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
        }
    }

    /// Whether this is a Rust file.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file is test code: under `tests/`, or a `tests.rs` beside its module.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.split('/').any(|part| part == "tests")
    }

    /// The code that ships: without inline test modules, and empty for a test file.
    pub(crate) fn shipped_code(&self) -> String {
        if self.is_test() {
            String::new()
        } else {
            code::blank_inline_tests(&self.code)
        }
    }
}

/// The text files of a repository, and the names of all files (for links to pictures and data).
#[derive(Debug, Default)]
pub struct Tree {
    /// Text files in the order of their paths.
    pub sources: Vec<Source>,
    /// Every file and folder below the root, text or not.
    pub paths: BTreeSet<String>,
}

impl Tree {
    /// A tree from texts, for tests of the rules.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.paths.insert((*path).to_owned());
            let mut folder = *path;
            while let Some((parent, _)) = folder.rsplit_once('/') {
                tree.paths.insert(parent.to_owned());
                folder = parent;
            }
            tree.sources.push(Source::new(path, text));
        }
        tree
    }

    /// Reads the tree below `root`.
    ///
    /// # Errors
    ///
    /// Any error of the file system, and a text file that is not UTF-8.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        tree.read_folder(root, "")?;
        tree.sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    /// The text of the file at `path`, if the tree has it.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.sources
            .iter()
            .find(|source| source.path == path)
            .map(|source| source.text.as_str())
    }

    /// The Rust files.
    pub fn rust(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.is_rust())
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}/{name}")
            };
            if entry.file_type()?.is_dir() {
                if is_ours(&name) {
                    self.read_folder(&entry.path(), &path)?;
                    self.paths.insert(path);
                }
            } else {
                if is_text(&name) || path == ".ci/run" {
                    let text = fs::read_to_string(entry.path()).map_err(|error| {
                        io::Error::new(error.kind(), format!("{path}: {error}"))
                    })?;
                    self.sources.push(Source::new(&path, &text));
                }
                self.paths.insert(path);
            }
        }
        Ok(())
    }
}

fn is_ours(folder: &str) -> bool {
    let hidden = folder.starts_with('.') && !OWN_HIDDEN_FOLDERS.contains(&folder);
    !hidden && !FOREIGN_FOLDERS.contains(&folder)
}

fn is_text(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, ending)| TEXT_ENDINGS.contains(&ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_output_and_hidden_folders_are_foreign() {
        assert!(!is_ours("target") && !is_ours(".git") && !is_ours("node_modules"));
        assert!(is_ours(".ci") && is_ours("cluster"));
    }

    #[test]
    fn files_of_tests_ship_nothing() {
        let text = "fn f() {}";
        assert_eq!(Source::new("a/src/b/tests.rs", text).shipped_code(), "");
        assert_eq!(Source::new("a/tests/b.rs", text).shipped_code(), "");
        assert_eq!(Source::new("a/src/b.rs", text).shipped_code(), text);
    }

    #[test]
    fn folders_of_a_made_tree_can_be_linked_to() {
        let tree = Tree::of(&[("a/b/c.md", "")]);
        assert!(tree.paths.contains("a/b") && tree.paths.contains("a"));
    }
}
