//! The text of a key file:
//!
//! ```text
//! rookery-keys 1
//! # remarks
//! deployment 01jx...
//! keep-old
//! 1 MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY
//! 2 ...
//! ```
//!
//! The first line says the version of this format. A generation is its number and its key, 43 characters
//! of base64url. `keep-old`, if it is there, keeps generations that a rotation has made useless, for
//! backups that were made before it.
//!
//! Invariant: what is written reads back, and what is refused is refused by the number of its line and
//! never by its text, which may be a key.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cluster_types::DeploymentId;
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use crate::secret::{Generation, KEY_BYTES, KeyBytes};

const VERSION_LINE: &str = "rookery-keys 1";
const REMARKS: &str = "\
# Whoever has this file and the store, or a backup, can read everything. Without it nobody can.
# Keep a copy of it apart from both, and make another one after each rotation.
";

/// What a key file says.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) deployment: DeploymentId,
    pub(crate) keep_old: bool,
    pub(crate) keys: BTreeMap<Generation, KeyBytes>,
}

/// What is wrong with a key file, and in which line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Malformed {
    pub(crate) line: usize,
    pub(crate) what: &'static str,
}

impl Contents {
    pub(crate) const fn new(deployment: DeploymentId) -> Self {
        Self {
            deployment,
            keep_old: false,
            keys: BTreeMap::new(),
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let mut lines = text.lines().enumerate();
        let at = |index: usize, what| Malformed {
            line: index + 1,
            what,
        };
        if lines.next().map(|(_, line)| line.trim_end()) != Some(VERSION_LINE) {
            return Err(at(0, "is not `rookery-keys 1`"));
        }
        let (mut deployment, mut keep_old, mut keys) = (None, false, BTreeMap::new());
        for (index, line) in lines {
            let mut words = line.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (None, ..) => {}
                (Some(remark), ..) if remark.starts_with('#') => {}
                (Some("keep-old"), None, None) => keep_old = true,
                (Some("deployment"), Some(id), None) if deployment.is_none() => {
                    let id = id.parse().map_err(|_| at(index, "names no deployment"))?;
                    deployment = Some(id);
                }
                (Some(number), Some(key), None) => {
                    let (generation, key) = generation(number, key)
                        .ok_or_else(|| at(index, "is not a generation and its key"))?;
                    if keys.insert(generation, key).is_some() {
                        return Err(at(index, "repeats a generation"));
                    }
                }
                _ => return Err(at(index, "is not a line of a key file")),
            }
        }
        let end = text.lines().count();
        let deployment = deployment.ok_or_else(|| at(end, "should name the deployment"))?;
        if keys.is_empty() {
            return Err(at(end, "should hold a key"));
        }
        Ok(Self {
            deployment,
            keep_old,
            keys,
        })
    }

    pub(crate) fn text(&self) -> Zeroizing<String> {
        // Large enough at once: a string that grows leaves copies behind.
        let bytes = 512 + self.keys.len() * 64;
        let mut text = Zeroizing::new(String::with_capacity(bytes));
        text.push_str(VERSION_LINE);
        text.push('\n');
        text.push_str(REMARKS);
        writeln!(text, "deployment {}", self.deployment).expect("a string takes all text");
        if self.keep_old {
            text.push_str("keep-old\n");
        }
        for (generation, key) in &self.keys {
            write!(text, "{generation} ").expect("a string takes all text");
            BASE64URL_NOPAD.encode_append(key.expose(), &mut text);
            text.push('\n');
        }
        text
    }
}

fn generation(number: &str, key: &str) -> Option<(Generation, KeyBytes)> {
    let number: u32 = number.parse().ok().filter(|number| *number > 0)?;
    let length = BASE64URL_NOPAD.decode_len(key.len()).ok()?;
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    if length != KEY_BYTES {
        return None;
    }
    BASE64URL_NOPAD
        .decode_mut(key.as_bytes(), &mut bytes[..])
        .ok()?;
    Some((Generation(number), KeyBytes::copied(&bytes)))
}

#[cfg(test)]
mod tests {
    use cluster_types::Rng;
    use proptest::prelude::*;

    use super::*;

    fn contents(generations: &[u32], keep_old: bool) -> Contents {
        let rng = Rng::seeded(1);
        let keys = generations.iter().filter(|number| **number > 0);
        Contents {
            deployment: DeploymentId::from_bytes([1; 16]),
            keep_old,
            keys: keys
                .map(|number| (Generation(*number), KeyBytes::random(&rng)))
                .collect(),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            generations in prop::collection::vec(1..u32::MAX, 1..5), keep_old: bool,
        ) {
            let written = contents(&generations, keep_old);
            let read = Contents::parse(&written.text()).expect("its own text");
            prop_assert_eq!(read.deployment, written.deployment);
            prop_assert_eq!(read.keep_old, keep_old);
            prop_assert_eq!(read.keys.len(), written.keys.len());
            for (generation, key) in &written.keys {
                prop_assert!(read.keys[generation].is(key));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _read = Contents::parse(&text);
            let _read = Contents::parse(&format!("{VERSION_LINE}\n{text}"));
        }
    }

    #[test]
    fn the_line_at_fault_is_named_and_not_shown() {
        let text = contents(&[1, 2], false).text();
        let key = text.lines().last().and_then(|line| line.split(' ').nth(1));
        let key = key.expect("a generation has a key");
        for (changed, line, what) in [
            (
                text.replace("keys 1", "keys 2"),
                1,
                "is not `rookery-keys 1`",
            ),
            (
                text.replace("deployment", "#"),
                7,
                "should name the deployment",
            ),
            (
                text.replace("deployment ", "deployment x"),
                4,
                "names no deployment",
            ),
            (text.replace("\n2 ", "\n1 "), 6, "repeats a generation"),
            (
                text.replace("\n2 ", "\n0 "),
                6,
                "is not a generation and its key",
            ),
            (
                text.replace(key, &key[1..]),
                6,
                "is not a generation and its key",
            ),
            (
                text.replace("\n2 ", "\n2 2 "),
                6,
                "is not a line of a key file",
            ),
            (String::new(), 1, "is not `rookery-keys 1`"),
        ] {
            let found = Contents::parse(&changed).expect_err("malformed");
            assert_eq!(found, Malformed { line, what });
        }
    }
}
