//! Cargo manifests: what each member of the workspace declares, and the rules that every one keeps.
//!
//! Invariant: a member inherits its lints, edition and licence from the workspace, and takes every
//! dependency from `[workspace.dependencies]`, so one place decides versions and features.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::{Tree, Violation};

/// Crates of generated code. The generator decides their style, so the lints about style would only be
/// switched off again one by one; they still forbid unsafe code.
const GENERATED: [&str; 1] = ["proto"];

/// Crates that call into a library by an `unsafe fn`, and why there is no other way. They repeat the lints
/// of the workspace with unsafe code denied instead of forbidden, so that each place has to say its reason.
const CALLS_UNSAFE: [(&str, &str); 1] = [(
    "cluster-store-fdb",
    "FoundationDB's network must be stopped before the process ends, so starting it is an unsafe fn",
)];

/// What one member of the workspace declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Package name.
    pub name: String,
    /// Path of its manifest.
    pub manifest: String,
    /// Names under `[dependencies]` and `[build-dependencies]`, also those of single targets.
    pub uses: Vec<String>,
    /// Names under `[dev-dependencies]`.
    pub tests_use: Vec<String>,
}

/// Every member that the root manifest lists, in its order; a member without manifest is left out
/// (cargo itself refuses such a workspace).
pub fn members(tree: &Tree) -> Vec<Member> {
    let root = table(tree, "Cargo.toml");
    let listed = root
        .get("workspace")
        .and_then(|workspace| workspace.get("members"))
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let folders = listed.iter().filter_map(Value::as_str);
    folders
        .filter_map(|folder| member(tree, &format!("{folder}/Cargo.toml")))
        .collect()
}

/// Every member inherits what the workspace decides.
pub fn members_inherit_from_the_workspace(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let root = table(tree, "Cargo.toml");
    let shared = root.get("workspace").and_then(|w| w.get("lints"));
    for member in members(tree) {
        let manifest = table(tree, &member.manifest);
        if let Some(what) = broken_lints(&member.name, manifest.get("lints"), shared) {
            violations.push(Violation::in_file(&member.manifest, what));
        }
        let package = manifest
            .get("package")
            .and_then(Value::as_table)
            .cloned()
            .unwrap_or_default();
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            if !inherits(package.get(key)) {
                violations.push(Violation::in_file(
                    &member.manifest,
                    format!("`{key}` is decided by the workspace: write `{key}.workspace = true`"),
                ));
            }
        }
    }
    violations
}

/// Every dependency of a member names a version in `[workspace.dependencies]` and none of its own.
pub fn versions_live_in_the_workspace(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for member in members(tree) {
        let manifest = table(tree, &member.manifest);
        for (name, value) in dependency_tables(&manifest)
            .into_iter()
            .flat_map(|(_, table)| table)
        {
            // A crate names itself by path to switch on a feature for its own tests.
            if !inherits(Some(&value)) && name != member.name {
                violations.push(Violation::in_file(
                    &member.manifest,
                    format!("`{name}` brings its own version: move it to [workspace.dependencies]"),
                ));
            }
        }
    }
    violations
}

/// What is wrong with the lints of a member, given those that the workspace shares.
fn broken_lints(name: &str, lints: Option<&Value>, shared: Option<&Value>) -> Option<&'static str> {
    let forbids_unsafe = || {
        lints?
            .get("rust")?
            .get("unsafe_code")?
            .as_str()
            .filter(|level| *level == "forbid")
    };
    if inherits(lints) || (GENERATED.contains(&name) && forbids_unsafe().is_some()) {
        return None;
    }
    if CALLS_UNSAFE
        .iter()
        .any(|(crate_name, _)| *crate_name == name)
    {
        let differ =
            "has other lints than the workspace: repeat those, with `unsafe_code = \"deny\"`";
        return (lints != denying_unsafe(shared).as_ref()).then_some(differ);
    }
    Some("no workspace lints: add `[lints]` with `workspace = true`")
}

/// The lints of the workspace, with unsafe code denied instead of forbidden.
fn denying_unsafe(shared: Option<&Value>) -> Option<Value> {
    let mut lints = shared?.clone();
    let rust = lints.get_mut("rust")?.as_table_mut()?;
    rust.insert("unsafe_code".to_owned(), Value::from("deny"));
    Some(lints)
}

fn member(tree: &Tree, manifest: &str) -> Option<Member> {
    let table = table(tree, manifest);
    let name = table.get("package")?.get("name")?.as_str()?.to_owned();
    let mut uses = Vec::new();
    let mut tests_use = Vec::new();
    for (kind, dependencies) in dependency_tables(&table) {
        let names = dependencies.into_keys();
        if kind == "dev-dependencies" {
            tests_use.extend(names)
        } else {
            uses.extend(names)
        }
    }
    Some(Member {
        name,
        manifest: manifest.to_owned(),
        uses,
        tests_use,
    })
}

/// The three kinds of dependency table, of the package and of each `[target.'..']`.
fn dependency_tables(manifest: &Table) -> Vec<(&'static str, BTreeMap<String, Value>)> {
    let targets = manifest
        .get("target")
        .and_then(Value::as_table)
        .cloned()
        .unwrap_or_default();
    let holders = targets
        .values()
        .filter_map(Value::as_table)
        .chain([manifest]);
    holders.flat_map(tables_of).collect()
}

fn tables_of(holder: &Table) -> Vec<(&'static str, BTreeMap<String, Value>)> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let found = kinds.into_iter().filter_map(|kind| {
        let table = holder.get(kind)?.as_table()?;
        Some((
            kind,
            table
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        ))
    });
    found.collect()
}

fn inherits(value: Option<&Value>) -> bool {
    value
        .and_then(|value| value.get("workspace"))
        .and_then(Value::as_bool)
        == Some(true)
}

/// A manifest as a table; empty where cargo would refuse it anyway.
fn table(tree: &Tree, path: &str) -> Table {
    tree.text(path)
        .and_then(|text| toml::from_str(text).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: (&str, &str) = ("Cargo.toml", "[workspace]\nmembers = [\"a\"]\n");
    const GOOD: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\
        [lints]\nworkspace = true\n[dependencies]\nbytes = { workspace = true }\n";

    #[test]
    fn a_member_that_inherits_everything_is_clean() {
        let tree = Tree::of(&[ROOT, ("a/Cargo.toml", GOOD)]);
        assert_eq!(members_inherit_from_the_workspace(&tree), []);
        assert_eq!(versions_live_in_the_workspace(&tree), []);
    }

    #[test]
    fn a_member_without_the_lints_is_caught() {
        let text = GOOD.replace("[lints]\nworkspace = true\n", "");
        let found = members_inherit_from_the_workspace(&Tree::of(&[ROOT, ("a/Cargo.toml", &text)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("lints"));
    }

    #[test]
    fn generated_code_has_lints_of_its_own_and_still_no_unsafe() {
        let own = |lint: &str| {
            let text = GOOD.replace("\"a\"", "\"proto\"").replace(
                "[lints]\nworkspace = true\n",
                &format!("[lints.rust]\n{lint}\n"),
            );
            members_inherit_from_the_workspace(&Tree::of(&[ROOT, ("a/Cargo.toml", &text)]))
        };
        assert_eq!(own("unsafe_code = \"forbid\""), []);
        assert_eq!(own("unsafe_code = \"allow\"").len(), 1);
    }

    #[test]
    fn a_crate_that_calls_an_unsafe_fn_keeps_all_other_lints() {
        let root = format!(
            "{}[workspace.lints.rust]\nunsafe_code = \"forbid\"\n[workspace.lints.clippy]\ntodo = \"warn\"\n",
            ROOT.1
        );
        let own = |lints: &str| {
            let text = GOOD
                .replace("\"a\"", "\"cluster-store-fdb\"")
                .replace("[lints]\nworkspace = true\n", lints);
            let tree = Tree::of(&[("Cargo.toml", &root), ("a/Cargo.toml", &text)]);
            members_inherit_from_the_workspace(&tree).len()
        };
        let repeated = "[lints.rust]\nunsafe_code = \"deny\"\n[lints.clippy]\ntodo = \"warn\"\n";
        assert_eq!(own(repeated), 0);
        assert_eq!(own(&repeated.replace("deny", "allow")), 1);
        assert_eq!(own("[lints.rust]\nunsafe_code = \"deny\"\n"), 1);
    }

    #[test]
    fn an_own_edition_is_caught() {
        let text = GOOD.replace("edition.workspace = true", "edition = \"2021\"");
        let found = members_inherit_from_the_workspace(&Tree::of(&[ROOT, ("a/Cargo.toml", &text)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("edition"));
    }

    #[test]
    fn an_own_version_is_caught_also_under_a_target() {
        let text = format!("{GOOD}[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"\n");
        let found = versions_live_in_the_workspace(&Tree::of(&[ROOT, ("a/Cargo.toml", &text)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("libc"));
    }

    #[test]
    fn dev_dependencies_are_told_apart() {
        let text = format!("{GOOD}[dev-dependencies]\nproptest = {{ workspace = true }}\n");
        let found = members(&Tree::of(&[ROOT, ("a/Cargo.toml", &text)]));
        assert_eq!(found[0].uses, ["bytes"]);
        assert_eq!(found[0].tests_use, ["proptest"]);
    }
}
