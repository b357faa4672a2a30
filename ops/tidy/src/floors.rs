//! Version floors: the oldest release of a dependency that is still safe to listen with.
//!
//! Invariant: `Cargo.lock` holds no release below a floor, not even beside a newer one.
//!
//! Left out: the advisory database. It needs the network, so it is run by whoever has one
//! (`cargo deny check advisories`, see SECURITY.md); the floors hold everywhere.

use crate::{Tree, Violation};

/// The oldest safe release of one crate.
#[derive(Debug, Clone, Copy)]
pub struct Floor {
    /// Crate name on the registry.
    pub name: &'static str,
    /// First release that is safe, per release line: a version passes if it is at or above the entry
    /// of its own line (same major, or same minor below 1.0), or above all entries.
    pub first_safe: &'static [&'static str],
    /// What older releases do.
    pub why: &'static str,
}

const fn floor(
    name: &'static str,
    first_safe: &'static [&'static str],
    why: &'static str,
) -> Floor {
    Floor {
        name,
        first_safe,
        why,
    }
}

/// Floors of 2026-11-23. Raise one when an advisory says so; never lower one.
pub const FLOORS: &[Floor] = &[
    floor(
        "quinn-proto",
        &["0.11.18"],
        "RUSTSEC-2026-0037, 2026-0185: a packet ends or fills the endpoint",
    ),
    floor(
        "h2",
        &["0.4.18"],
        "RUSTSEC-2026-0258: empty DATA frames; 0.4.16 repairs it and breaks busy clients",
    ),
    floor(
        "rustls",
        &["0.23.45"],
        "RUSTSEC-2026-0285: handshake messages across encryption levels",
    ),
    floor(
        "rustls-webpki",
        &["0.103.13"],
        "RUSTSEC-2026-0049, 0098, 0099, 0104: name constraints and CRLs",
    ),
    floor("aws-lc-sys", &["0.39.0"], "RUSTSEC-2026-0044, 0046, 0048"),
    floor(
        "tonic",
        &["0.12.3"],
        "RUSTSEC-2024-0376: an error in accept ends the server",
    ),
    floor(
        "time",
        &["0.3.47"],
        "RUSTSEC-2026-0009: a crafted date exhausts the stack",
    ),
    floor(
        "lz4_flex",
        &["0.11.6", "0.12.1"],
        "RUSTSEC-2026-0041: decompression reads stale memory",
    ),
    floor(
        "age",
        &["0.11.1"],
        "RUSTSEC-2024-0433: a recipient's name runs a program",
    ),
];

/// No locked crate is below its floor.
pub fn locked_versions_are_above_their_floors(tree: &Tree) -> Vec<Violation> {
    let lock = tree.text("Cargo.lock").unwrap_or_default();
    if lock.is_empty() {
        return vec![Violation::in_file(
            "Cargo.lock",
            "missing: the floors cannot be checked",
        )];
    }
    check(lock, FLOORS)
}

fn check(lock: &str, floors: &[Floor]) -> Vec<Violation> {
    let lock: toml::Table = match toml::from_str(lock) {
        Ok(table) => table,
        Err(error) => return vec![Violation::in_file("Cargo.lock", error.to_string())],
    };
    let packages = lock
        .get("package")
        .and_then(toml::Value::as_array)
        .cloned()
        .unwrap_or_default();
    let field = |package: &toml::Value, key: &str| {
        package
            .get(key)
            .and_then(toml::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut violations = Vec::new();
    for package in &packages {
        let (name, version) = (field(package, "name"), field(package, "version"));
        for floor in floors.iter().filter(|floor| floor.name == name) {
            if !is_safe(&version, floor.first_safe) {
                let safe = floor.first_safe.join(" or ");
                let what = format!("{name} {version} is below {safe} ({})", floor.why);
                violations.push(Violation::in_file("Cargo.lock", what));
            }
        }
    }
    violations
}

/// Whether `version` is at or above the entry of its own line, or newer than every line listed.
fn is_safe(version: &str, first_safe: &[&str]) -> bool {
    let version = numbers(version);
    let own_line = first_safe
        .iter()
        .map(|text| numbers(text))
        .find(|safe| line(*safe) == line(version));
    match own_line {
        Some(safe) => version >= safe,
        None => first_safe.iter().all(|text| version > numbers(text)),
    }
}

/// Major, minor and patch; what follows (pre-release, build) is not compared.
fn numbers(version: &str) -> [u64; 3] {
    let mut parts = version
        .split(['.', '-', '+'])
        .map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

/// The part of a version within which cargo treats releases as compatible.
fn line(version: [u64; 3]) -> [u64; 2] {
    if version[0] > 0 {
        [version[0], 0]
    } else {
        [0, version[1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(entries: &[(&str, &str)]) -> String {
        let package = |(name, version): &(&str, &str)| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\n")
        };
        entries.iter().map(package).collect()
    }

    #[test]
    fn a_release_below_its_floor_is_caught_also_beside_a_safe_one() {
        let text = lock(&[
            ("h2", "0.4.20"),
            ("h2", "0.3.27"),
            ("rustls", "0.23.45"),
            ("other", "0.0.1"),
        ]);
        let found = check(&text, FLOORS);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].what.contains("h2 0.3.27 is below 0.4.18"),
            "{}",
            found[0]
        );
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(is_safe("0.4.100", &["0.4.18"]));
        assert!(!is_safe("0.4.9", &["0.4.18"]));
        assert!(is_safe("1.0.0", &["0.4.18"]));
    }

    #[test]
    fn a_floor_per_release_line_is_kept_within_its_line() {
        let floors = ["0.11.6", "0.12.1"];
        assert!(
            is_safe("0.11.6", &floors) && is_safe("0.12.1", &floors) && is_safe("0.13.0", &floors)
        );
        assert!(
            !is_safe("0.12.0", &floors)
                && !is_safe("0.11.5", &floors)
                && !is_safe("0.10.9", &floors)
        );
    }

    #[test]
    fn a_lock_that_is_gone_or_broken_is_not_a_pass() {
        assert_eq!(
            locked_versions_are_above_their_floors(&Tree::of(&[])).len(),
            1
        );
        assert_eq!(check("[[package", FLOORS).len(), 1);
    }
}
