//! The house rules as tests: what a compiler or a linter cannot see, checked on the texts of the tree.
//!
//! Owns the rules of `STYLE.md` that concern more than one expression: which crate may use which,
//! how long a file may grow, which names stay at the edges, which calls stay in named files.
//!
//! Invariant: a rule is a pure function from a [`Tree`] to a list of [`Violation`]s, and has a
//! unit test that shows it catching one. `tests/tree.rs` runs every rule on this repository.
//!
//! Left out: everything that rustc, clippy, rustfmt, buf or cargo-deny already decide.

mod code;
pub mod dependencies;
pub mod floors;
pub mod links;
pub mod manifests;
pub mod prefixes;
pub mod privacy;
pub mod sources;
mod tree;
mod violation;

pub use tree::{Source, Tree};
pub use violation::{Violation, report};
