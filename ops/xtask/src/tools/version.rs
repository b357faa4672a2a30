//! Versions as tools print them: two or three numbers somewhere in a line.
//!
//! Left out: pre-releases and ranges. Nothing here needs them.

use std::fmt;

/// Major, minor, patch; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version([u32; 3]);

impl Version {
    pub(crate) const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self([major, minor, patch])
    }

    /// The first `1.2.3`, `v1.2.3` or `1.2` in a text.
    pub(crate) fn first_in(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| {
            let word = word.trim_start_matches('v');
            let mut parts = word.splitn(3, '.');
            let mut part = || {
                let part = parts.next()?;
                part.split(|c: char| !c.is_ascii_digit())
                    .next()?
                    .parse()
                    .ok()
            };
            Some(Self([part()?, part()?, part().unwrap_or(0)]))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        let found = |text| Version::first_in(text).map(|version| version.to_string());
        assert_eq!(
            found("cargo-nextest 0.9.143 (60fa45f63 2026-08-04)").as_deref(),
            Some("0.9.143")
        );
        assert_eq!(
            found("k6 v1.1.0 (commit/0e3f, go1.24.4)").as_deref(),
            Some("1.1.0")
        );
        assert_eq!(found("1.75.0\n").as_deref(), Some("1.75.0"));
        assert_eq!(found("1.75.0-rc1").as_deref(), Some("1.75.0"));
        assert_eq!(
            found("version 8000GB 4.48 pypi linux amd64").as_deref(),
            Some("4.48.0")
        );
        assert_eq!(found("no such command"), None);
    }

    #[test]
    fn versions_are_ordered_by_number() {
        assert!(Version::new(0, 9, 143) > Version::new(0, 9, 99));
        assert!(Version::new(1, 0, 0) > Version::new(0, 20, 2));
    }
}
