//! Who may use whom: the layers of the house as a table, checked on the members' manifests.
//!
//! Invariant: arrows point down. A crate that is not in the table is an error, so a new crate
//! starts with the decision where it belongs.
//!
//! Left out: crates of others. `deny.toml` decides those.

use crate::manifests::{self, Member};
use crate::{Tree, Violation};

/// The crates that one crate of ours may use.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Package name.
    pub name: &'static str,
    /// What it may use in code that ships.
    pub may_use: &'static [&'static str],
    /// What its tests may use besides.
    pub tests_may_use: &'static [&'static str],
}

impl Row {
    const fn new(name: &'static str, may_use: &'static [&'static str]) -> Self {
        Self {
            name,
            may_use,
            tests_may_use: &[],
        }
    }

    const fn and_tests(self, tests_may_use: &'static [&'static str]) -> Self {
        Self {
            tests_may_use,
            ..self
        }
    }
}

/// Stands for every crate of the workspace.
const EVERYTHING: &[&str] = &["*"];

/// The layers of ARCHITECTURE.md, lowest first. A service may use the services above it in this
/// table and never one below, so there is no circle; most declare a small trait instead and let the
/// server wire it.
pub const ROWS: &[Row] = &[
    // Layer 0: the vocabulary.
    Row::new("proto", &[]),
    Row::new("cluster-types", &[]),
    // Layer 1: the platform. The store names `proto` for the values it keeps, and nothing else of it.
    Row::new("cluster-store", &["proto", "cluster-types"]),
    Row::new("cluster-runtime", &["cluster-types"]),
    // Behind the trait of the store; its tests draw names that nobody else uses.
    Row::new("cluster-store-fdb", &["cluster-store"]).and_tests(&["cluster-types"]),
    // Layer 2: between nodes. The membership keeps rows of its own.
    Row::new(
        "cluster-membership",
        &["proto", "cluster-types", "cluster-store", "cluster-runtime"],
    ),
    // It turns errors of every kind into statuses.
    Row::new(
        "cluster-rpc",
        &["proto", "cluster-types", "cluster-runtime", "cluster-store"],
    ),
    // Layer 3: the product. A session is opened by a sign-in and follows rooms, so it stands on both;
    // accounts and rooms know neither each other nor sessions, and both seal what they keep.
    Row::new("services-vault", PLATFORM),
    Row::new("services-accounts", SEALING_PLATFORM),
    Row::new("services-files", SEALING_PLATFORM),
    Row::new("services-rooms", SEALING_PLATFORM),
    Row::new(
        "services-sessions",
        &[
            "proto",
            "cluster-types",
            "cluster-store",
            "cluster-runtime",
            "cluster-rpc",
            "services-accounts",
            "services-rooms",
        ],
    )
    .and_tests(&["cluster-membership", "services-vault"]),
    // It decides about calls, of which nothing is stored.
    Row::new("services-voice", PLATFORM),
    // It copies rows and files as they lie.
    Row::new(
        "services-backup",
        &[
            "proto",
            "cluster-types",
            "cluster-store",
            "cluster-runtime",
            "services-files",
        ],
    ),
    // Layer 4: the edge. Its tests speak to it as a client does.
    Row::new(
        "services-gateway",
        &[
            "proto",
            "cluster-types",
            "cluster-store",
            "cluster-runtime",
            "cluster-rpc",
            "services-accounts",
            "services-rooms",
            "services-sessions",
        ],
    )
    .and_tests(&["rookery-client"]),
    // Layer 4, towards the store: all services, fitted together.
    Row::new(
        "services-node",
        &[
            "proto",
            "cluster-types",
            "cluster-store",
            "cluster-runtime",
            "cluster-rpc",
            "cluster-membership",
            "services-vault",
            "services-accounts",
            "services-files",
            "services-rooms",
            "services-sessions",
        ],
    ),
    // Layer 5: puts an edge before a node, and alone chooses the store.
    Row::new("services-server", EVERYTHING),
    // Clients: what others can build, with nothing internal.
    Row::new("rookery-client", &["proto"]),
    Row::new("proto-clients-terminal", &["proto", "rookery-client"]),
    // Sound in, datagrams out: it knows no network, and so nothing of ours.
    Row::new("rookery-voice", &[]),
    // Load: a client, plus the bare store as the baseline of `append` and the subject of `power`.
    Row::new("loadtest-conversations", &["rookery-client"]),
    Row::new(
        "loadtest",
        &[
            "proto",
            "rookery-client",
            "loadtest-conversations",
            "cluster-types",
            "cluster-store",
        ],
    ),
    Row::new("loadtest-sim", EVERYTHING),
    // Tools: they must build when nothing else does.
    Row::new("ops-xtask", &[]),
    Row::new("ops-tidy", &[]),
];

/// What every service may use.
const PLATFORM: &[&str] = &[
    "proto",
    "cluster-types",
    "cluster-store",
    "cluster-runtime",
    "cluster-membership",
    "cluster-rpc",
];

/// What a service may use that seals what it keeps.
const SEALING_PLATFORM: &[&str] = &[
    "proto",
    "cluster-types",
    "cluster-store",
    "cluster-runtime",
    "cluster-membership",
    "cluster-rpc",
    "services-vault",
];

/// Every arrow between two crates of the workspace is in [`ROWS`].
pub fn arrows_point_down(tree: &Tree) -> Vec<Violation> {
    check(&manifests::members(tree), ROWS)
}

fn check(members: &[Member], rows: &[Row]) -> Vec<Violation> {
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let mut violations = Vec::new();
    for member in members {
        let Some(row) = rows.iter().find(|row| row.name == member.name) else {
            let what = format!(
                "`{}` has no row in ops/tidy/src/dependencies.rs",
                member.name
            );
            violations.push(Violation::in_file(&member.manifest, what));
            continue;
        };
        let ours = |used: &&String| names.contains(&used.as_str());
        for used in member.uses.iter().filter(ours) {
            if !allows(row.may_use, used) {
                violations.push(forbidden(member, used, "may not use"));
            }
        }
        for used in member.tests_use.iter().filter(ours) {
            let itself = *used == member.name;
            if !itself && !allows(row.may_use, used) && !allows(row.tests_may_use, used) {
                violations.push(forbidden(member, used, "may not use in its tests"));
            }
        }
    }
    violations
}

fn allows(list: &[&str], used: &str) -> bool {
    list.iter()
        .any(|allowed| *allowed == "*" || *allowed == used)
}

fn forbidden(member: &Member, used: &str, verb: &str) -> Violation {
    let what = format!(
        "`{}` {verb} `{used}`: declare a small trait here and let services-server wire it",
        member.name
    );
    Violation::in_file(&member.manifest, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, uses: &[&str], tests_use: &[&str]) -> Member {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Member {
            name: name.to_owned(),
            manifest: format!("{name}/Cargo.toml"),
            uses: owned(uses),
            tests_use: owned(tests_use),
        }
    }

    const LAYERS: &[Row] = &[
        Row::new("low", &[]),
        Row::new("high", &["low"]),
        Row::new("top", EVERYTHING),
    ];

    #[test]
    fn an_arrow_up_is_caught() {
        let members = [
            member("low", &["high", "bytes"], &[]),
            member("high", &["low"], &[]),
        ];
        let found = check(&members, LAYERS);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].what.contains("`low` may not use `high`"),
            "{}",
            found[0]
        );
    }

    #[test]
    fn an_arrow_up_is_caught_in_tests_too() {
        let members = [member("low", &[], &["high"]), member("high", &[], &[])];
        assert_eq!(check(&members, LAYERS).len(), 1);
        let looser = [
            Row::new("low", &[]).and_tests(&["high"]),
            Row::new("high", &[]),
        ];
        assert_eq!(check(&members, &looser), []);
    }

    #[test]
    fn a_crate_without_a_row_is_caught() {
        let found = check(&[member("new", &[], &[])], LAYERS);
        assert!(found[0].what.contains("has no row"));
    }

    #[test]
    fn the_top_may_use_everything() {
        let members = [
            member("top", &["low", "high"], &[]),
            member("low", &[], &[]),
            member("high", &[], &[]),
        ];
        assert_eq!(check(&members, LAYERS), []);
    }

    #[test]
    fn the_table_has_no_circle() {
        for (index, row) in ROWS.iter().enumerate() {
            let wide = row.may_use == EVERYTHING;
            for used in row.may_use.iter().filter(|_| !wide) {
                let other = ROWS.iter().position(|row| row.name == *used);
                let below = other
                    .is_some_and(|other| other < index || ROWS[other].name.starts_with("rookery"));
                assert!(
                    below,
                    "{} uses {used}, which stands below it in the table",
                    row.name
                );
            }
        }
    }
}
