//! What a file is called on this machine, whatever its sender calls it. Pure.
//!
//! Invariant: a name is one visible part of a path that any system takes, hides nothing and means no
//! device.

/// Bytes of a name. File systems take 255; what is put before or behind it needs some of them.
const NAME_BYTES_MAX: usize = 200;

/// Bytes of the part behind the last dot that survive when a name is cut.
const EXTENSION_BYTES_MAX: usize = 16;

/// What a name is called of which nothing is left.
const NAMELESS: &str = "file";

/// Names that mean a device on Windows, with any extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The same, followed by a digit.
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

/// A name for a file of somebody else's, as safe as it gets: no part of a path but the last, no
/// control characters and none that turn the direction of writing, no leading dots, no name of a device,
/// and short enough for any file system. Two files can get the same name.
///
/// ```
/// use rookery_client::local_name;
///
/// assert_eq!(local_name("../.ssh/\u{202e}config"), "config");
/// assert_eq!(local_name("minutes: June?.pdf"), "minutes_ June_.pdf");
/// ```
pub fn local_name(display_name: &str) -> String {
    let last = display_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible: String = last
        .chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| if is_special(c) { '_' } else { c })
        .collect();
    let trimmed = visible.trim_start_matches(|c: char| c == '.' || c.is_whitespace());
    let mut name = shortened(trimmed);
    // Windows drops them, so that two names become one.
    name.truncate(
        name.trim_end_matches(|c: char| c == '.' || c.is_whitespace())
            .len(),
    );
    if name.is_empty() {
        return NAMELESS.to_owned();
    }
    if is_device(&name) {
        name.insert(0, '_');
    }
    name
}

/// Characters that are not seen, or that turn what stands beside them around.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Characters that a system or a shell gives a meaning.
const fn is_special(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*')
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.trim_end().to_lowercase();
    let numbered = |device: &&str| {
        let number = stem.strip_prefix(*device);
        number.is_some_and(|n| n.chars().count() == 1 && n.chars().all(char::is_numeric))
    };
    DEVICES.contains(&&*stem) || NUMBERED_DEVICES.iter().any(numbered)
}

/// As much of a name as fits, with the part behind its last dot.
fn shortened(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name.to_owned();
    }
    let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
    let extension = if extension.len() <= EXTENSION_BYTES_MAX {
        extension
    } else {
        ""
    };
    let room = NAME_BYTES_MAX - extension.len();
    format!("{}{extension}", &name[..name.floor_char_boundary(room)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_elsewhere_or_hides() {
        for (sent, saved) in [
            ("a.png", "a.png"),
            ("\u{fc}ber uns (2).pdf", "\u{fc}ber uns (2).pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\system.ini", "system.ini"),
            (".bashrc", "bashrc"),
            (". .. .profile", "profile"),
            ("..", "file"),
            ("", "file"),
            (" \u{200b}\u{feff}", "file"),
            ("photo\u{202e}gnp.exe", "photognp.exe"),
            ("a\u{1b}[2Jb\n.txt", "a[2Jb.txt"),
            ("trailing. . ", "trailing"),
            ("what?.txt:stream", "what_.txt_stream"),
        ] {
            assert_eq!(local_name(sent), saved, "{sent:?}");
        }
    }

    #[test]
    fn no_name_means_a_device() {
        for device in [
            "con",
            "NUL",
            "aux.txt",
            "Com1.log",
            "lpt9",
            "COM\u{b9}",
            "prn .x",
        ] {
            let name = local_name(device);
            assert!(name.starts_with('_'), "{name}");
        }
        for name in ["console", "com10", "nullable.txt", "com"] {
            assert_eq!(local_name(name), name);
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension_and_whole_characters() {
        let name = local_name(&format!("{}.tar", "\u{6f22}".repeat(90)));
        assert!(name.len() <= NAME_BYTES_MAX && name.ends_with("\u{6f22}.tar"));
        assert_eq!(local_name(&"n".repeat(300)).len(), NAME_BYTES_MAX);
        let odd = format!("a.{}", "n".repeat(300));
        assert_eq!(local_name(&odd).len(), NAME_BYTES_MAX);
    }

    #[test]
    fn a_safe_name_stays_as_it_is() {
        for name in ["a.png", "_nul", "file", "x_y z.tar.gz"] {
            assert_eq!(local_name(&local_name(name)), name);
        }
    }
}
