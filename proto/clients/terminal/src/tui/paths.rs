//! Paths as people write them in a line, and where what others sent is saved.
//!
//! Invariant: a name that others chose becomes one harmless part of a path.

use std::path::{Path, PathBuf};

use rookery_client::local_name;

use crate::limits;
use crate::text::clean_line;

/// The first path of a line, and what follows. It may stand between quotes, or have blanks behind
/// backslashes. `None` if there is none, or a quote is not closed.
pub(super) fn first(line: &str) -> Option<(PathBuf, &str)> {
    let line = line.trim_start();
    let mut path = String::new();
    let mut quote = None;
    let mut chars = line.char_indices();
    let mut rest = "";
    while let Some((at, c)) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => path.extend(chars.next().map(|(_, c)| c)),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(closing)) if c == closing => quote = None,
            (c, None) if c.is_whitespace() => {
                rest = line[at..].trim_start();
                break;
            }
            (c, _) => path.push(c),
        }
    }
    let is_path = quote.is_none() && !path.is_empty();
    is_path.then(|| (PathBuf::from(path), rest))
}

/// A path from one's own folder, where it begins with `~/`.
pub(super) fn expanded(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

/// Where a file of this name is saved: in the folder or at the path that somebody wished for, or else
/// where downloads are.
pub(super) fn target(wish: Option<&Path>, display_name: &str) -> PathBuf {
    let name = local_name(display_name);
    let Some(wish) = wish else {
        return downloads().join(name);
    };
    let path = expanded(wish);
    let means_folder = wish.to_string_lossy().ends_with(std::path::is_separator);
    if means_folder || path.is_dir() {
        path.join(name)
    } else {
        path
    }
}

/// The folder for downloads, if one's own folder has one; else where the program was started.
fn downloads() -> PathBuf {
    let folder = std::env::home_dir().map(|home| home.join("Downloads"));
    let folder = folder.filter(|folder| folder.is_dir());
    folder.unwrap_or_else(|| PathBuf::from("."))
}

/// The same name with a number, for where there is such a file already: `a.png`, `a (2).png`.
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    if number <= 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem} ({number}).{}", extension.to_string_lossy()),
        None => format!("{stem} ({number})"),
    };
    path.with_file_name(name)
}

/// What Tab makes of a line that ends in a path: as much as all files that fit have in common. Reads a
/// folder.
pub(super) fn completed(line: &str) -> Option<String> {
    let start = last_word(line);
    let (before, word) = line.split_at(start);
    let (written, _) = first(word).unwrap_or_default();
    let written = written.to_string_lossy();
    let (folder, part) = match written.rfind(std::path::is_separator) {
        Some(at) => written.split_at(at + 1),
        None => ("", &*written),
    };
    let place = if folder.is_empty() { "." } else { folder };
    let names = names(&expanded(Path::new(place)), part);
    let (first, others) = names.split_first()?;
    let shared = first.char_indices().map(|(at, c)| at + c.len_utf8());
    let fits = |end: &usize| others.iter().all(|other| other.starts_with(&first[..*end]));
    let grown = &first[..shared.take_while(fits).last().unwrap_or(0)];
    // A folder goes on, and a file is complete.
    let is_complete = others.is_empty() && !grown.ends_with('/');
    let end = if is_complete { " " } else { "" };
    let is_more = grown.len() > part.len() || is_complete;
    is_more.then(|| format!("{before}{}{end}", escaped(&format!("{folder}{grown}"))))
}

/// Where the last word of a line begins; a blank behind a backslash does not end one.
fn last_word(line: &str) -> usize {
    let mut start = 0;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c.is_whitespace() {
            start = at + c.len_utf8();
        }
    }
    start
}

/// The files in a folder that begin like this, with a slash behind folders. What would be changed on its
/// way into the line is left out.
fn names(folder: &Path, part: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries
        .take(limits::FOLDER_ENTRIES_MAX)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_hidden = name.starts_with('.') && !part.starts_with('.');
            let fits = name.starts_with(part) && !is_hidden && clean_line(&name) == name;
            let slash = if entry.path().is_dir() { "/" } else { "" };
            fits.then(|| format!("{name}{slash}"))
        });
    let mut names: Vec<String> = named.collect();
    names.sort();
    names
}

/// A path as it is written in a line.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c.is_whitespace() || matches!(c, '\\' | '"' | '\'') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_at_a_blank_that_is_not_part_of_it() {
        let read = |line| first(line).map(|(path, rest)| (path.display().to_string(), rest));
        let found = |path: &str, rest| Some((path.to_owned(), rest));
        assert_eq!(read("a.png"), found("a.png", ""));
        assert_eq!(read(" a.png  look here"), found("a.png", "look here"));
        assert_eq!(read("'my file' x"), found("my file", "x"));
        assert_eq!(read(r#""my \"file" x"#), found("my \"file", "x"));
        assert_eq!(read(r"my\ file x"), found("my file", "x"));
        assert_eq!(read(r"'a\b'"), found(r"a\b", ""));
        assert_eq!(read("'my file"), None);
        assert_eq!(read("  "), None);
    }

    #[test]
    fn a_name_of_others_stays_in_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let saved = target(Some(folder.path()), "../../.bashrc");
        assert_eq!(saved, folder.path().join("bashrc"));
        let wished = folder.path().join("mine.txt");
        assert_eq!(target(Some(&wished), "a.png"), wished);
        let deeper = PathBuf::from(format!("{}/", wished.display()));
        assert_eq!(target(Some(&deeper), "a.png"), wished.join("a.png"));
        assert_eq!(target(None, "../a.png").file_name(), Some("a.png".as_ref()));
    }

    #[test]
    fn what_exists_is_not_overwritten_but_numbered() {
        let numbered = |path: &str, number| numbered(Path::new(path), number);
        assert_eq!(numbered("x/a.png", 1), Path::new("x/a.png"));
        assert_eq!(numbered("x/a.png", 2), Path::new("x/a (2).png"));
        assert_eq!(numbered("x/read me", 3), Path::new("x/read me (3)"));
    }

    #[test]
    fn tab_grows_to_what_all_files_share() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["minutes 1.pdf", "minutes 2.pdf", "other", ".hidden"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        std::fs::create_dir(folder.path().join("deep")).expect("made");
        let at = folder.path().display();
        let tab = |rest: &str| completed(&format!("/send {at}/{rest}"));
        let line = |rest: &str| Some(format!("/send {at}/{rest}"));
        assert_eq!(tab("min"), line(r"minutes\ "));
        assert_eq!(tab(r"minutes\ "), None, "two fit");
        assert_eq!(tab(r"minutes\ 1"), line(r"minutes\ 1.pdf "));
        assert_eq!(tab("d"), line("deep/"));
        assert_eq!(tab("o"), line("other "));
        assert_eq!(tab(".h"), line(".hidden "));
        assert_eq!(tab("none"), None);
        assert_eq!(tab("none/x"), None);
    }
}
