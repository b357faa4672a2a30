//! What a line may become: suggestions while one types, and what Tab makes of it. Pure.

use super::entries::{ENTRIES, Entry};

/// The commands that a line may become; none once its name is complete and text follows.
pub(crate) fn suggestions(line: &str) -> Vec<&'static Entry> {
    if !line.starts_with('/') || line.starts_with("//") {
        return Vec::new();
    }
    let (name, more) = match line.split_once(char::is_whitespace) {
        Some((name, _)) => (name, true),
        None => (line, false),
    };
    let fits = |entry: &&Entry| {
        if more {
            entry.name == name
        } else {
            entry.name.starts_with(name)
        }
    };
    ENTRIES.iter().filter(fits).collect()
}

/// Whether what a line up to the cursor ends in is a path.
pub(crate) fn ends_in_path(line: &str) -> bool {
    let name = line.split_once(char::is_whitespace).map(|(name, _)| name);
    name.is_some_and(|name| {
        ENTRIES
            .iter()
            .any(|e| e.name == name && e.usage.contains("PATH"))
    })
}

/// What Tab makes of a line up to the cursor, given the user names that there are: the longest beginning
/// that all candidates share.
pub(crate) fn complete(line: &str, users: &[&str]) -> Option<String> {
    if line.starts_with('/') && !line.contains(char::is_whitespace) {
        let names: Vec<&str> = suggestions(line).iter().map(|entry| entry.name).collect();
        return grown(line, "", &names);
    }
    let start = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let (before, word) = line.split_at(start);
    let command = ENTRIES
        .iter()
        .find(|entry| entry.takes_user && before.trim_end() == entry.name);
    let (mark, part) = match word.strip_prefix('@') {
        Some(part) => ("@", part),
        None if command.is_some() => ("", word),
        None => return None,
    };
    let part = part.to_lowercase();
    let candidates: Vec<&str> = users
        .iter()
        .copied()
        .filter(|user| user.to_lowercase().starts_with(&part))
        .collect();
    let word = grown(&part, mark, &candidates)?;
    Some(format!("{before}{word}"))
}

/// `part` grown to what all candidates share; with a blank behind it if there is one candidate.
fn grown(part: &str, mark: &str, candidates: &[&str]) -> Option<String> {
    let (first, rest) = candidates.split_first()?;
    if rest.is_empty() {
        return Some(format!("{mark}{first} "));
    }
    let shared = first
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| {
            let beginning = first[..*end].to_lowercase();
            rest.iter()
                .all(|other| other.to_lowercase().starts_with(&beginning))
        })
        .last()
        .unwrap_or(0);
    (shared > part.len()).then(|| format!("{mark}{}", &first[..shared]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_narrow_down_while_one_types() {
        let names = |line| -> Vec<&str> { suggestions(line).iter().map(|e| e.name).collect() };
        assert_eq!(
            names("/un"),
            ["/uninvite", "/unmute", "/unban", "/unarchive"]
        );
        assert_eq!(names("/mute "), ["/mute"]);
        assert!(names("hello").is_empty() && names("//x").is_empty());
    }

    #[test]
    fn tab_grows_to_what_all_share() {
        let users = ["anna", "Annette", "bo"];
        let tab = |line| complete(line, &users);
        assert_eq!(tab("/inv"), Some("/invite ".to_owned()));
        assert_eq!(tab("/arch"), Some("/archive ".to_owned()));
        assert_eq!(tab("/una"), Some("/unarchive ".to_owned()));
        assert_eq!(tab("/dm a"), Some("/dm ann".to_owned()));
        assert_eq!(tab("/dm b"), Some("/dm bo ".to_owned()));
        assert_eq!(tab("hi @BO"), Some("hi @bo ".to_owned()));
        assert_eq!(tab("hi bo"), None);
        assert_eq!(tab("/dm x"), None);
    }
}
