//! The rules run on this repository: one test a rule, so that the name of the failing test is the
//! rule that was broken.

use std::path::Path;

use ops_tidy::sources::{calls, edges, headers, length, words};
use ops_tidy::{
    Tree, Violation, dependencies, floors, links, manifests, prefixes, privacy, report,
};

/// Fails with the list of what to mend.
fn holds(rule: impl Fn(&Tree) -> Vec<Violation>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tree = Tree::read(&root).expect("the repository can be read");
    assert!(
        tree.sources.len() > 20,
        "this is not the root of the repository: {}",
        root.display()
    );
    let violations = rule(&tree);
    assert!(violations.is_empty(), "{}", report(&violations));
}

#[test]
fn arrows_between_crates_point_down() {
    holds(dependencies::arrows_point_down);
}

#[test]
fn every_member_inherits_lints_edition_and_licence() {
    holds(manifests::members_inherit_from_the_workspace);
}

#[test]
fn versions_live_in_the_workspace() {
    holds(manifests::versions_live_in_the_workspace);
}

#[test]
fn files_stay_short() {
    holds(length::files_stay_short);
}

#[test]
fn files_open_with_their_purpose() {
    holds(headers::files_open_with_their_purpose);
}

#[test]
fn risky_calls_stay_in_named_files() {
    holds(calls::risky_calls_stay_in_named_files);
}

#[test]
fn the_wire_stays_at_the_edge() {
    holds(edges::the_wire_stays_at_the_edge);
}

#[test]
fn table_prefixes_are_unique() {
    holds(prefixes::table_prefixes_are_unique);
}

#[test]
fn nothing_is_left_for_later() {
    holds(words::nothing_is_left_for_later);
}

#[test]
fn every_test_runs() {
    holds(words::every_test_runs);
}

#[test]
fn no_path_of_one_machine() {
    holds(words::no_path_of_one_machine);
}

#[test]
fn markdown_links_resolve() {
    holds(links::markdown_links_resolve);
}

#[test]
fn locked_versions_are_above_their_floors() {
    holds(floors::locked_versions_are_above_their_floors);
}

#[test]
fn what_is_kept_is_listed() {
    holds(privacy::what_is_kept_is_listed);
}

#[test]
fn every_table_is_listed() {
    holds(prefixes::every_table_is_listed);
}
