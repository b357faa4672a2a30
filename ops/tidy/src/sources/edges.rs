//! The wire stays at the edge: only named files know tonic and prost.
//!
//! Invariant: rules of the product compile without a line about gRPC. What comes in is turned into a
//! domain command in `wire.rs`, and goes out in `grpc.rs`.

use crate::code::identifiers;
use crate::{Source, Tree, Violation};

/// Crates that live at the edge as a whole: their subject is the wire.
const EDGE_CRATES: [&str; 5] = [
    "proto/",
    "cluster/rpc/",
    "services/gateway/",
    "services/server/",
    "loadtest/",
];

/// The store keeps protobuf values, so it may encode and decode them; it never serves a call.
const VALUE_CODEC: &str = "cluster/store/";

/// So do the files in which a service keeps its rows: what is sealed of a value is bytes.
const SEALED_VALUES: &str = "/src/store/";

/// Files that are an edge in any crate, by name and by folder.
const EDGE_MODULES: [&str; 2] = ["wire", "grpc"];

/// Nothing but the edge names tonic or prost.
pub fn the_wire_stays_at_the_edge(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in tree.rust().filter(|source| !is_edge(source)) {
        for (line, word) in identifiers(&source.code) {
            let library = word.split('_').next().unwrap_or_default();
            let codec = source.path.starts_with(VALUE_CODEC) || source.path.contains(SEALED_VALUES);
            let stored = library == "prost" && codec;
            if ["tonic", "prost"].contains(&library) && !stored {
                let what =
                    format!("`{word}` outside wire.rs and grpc.rs: pass a domain type instead");
                violations.push(Violation::at(&source.path, line, what));
            }
        }
    }
    violations
}

fn is_edge(source: &Source) -> bool {
    let in_edge_crate = EDGE_CRATES
        .iter()
        .any(|folder| source.path.starts_with(folder));
    let module = |part: &str| EDGE_MODULES.contains(&part.trim_end_matches(".rs"));
    in_edge_crate || source.path.split('/').any(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_names_the_wire_is_caught() {
        let tree = Tree::of(&[
            (
                "services/rooms/src/actor.rs",
                "use tonic::Status;\n// prost\nlet t = \"tonic\";",
            ),
            ("services/rooms/src/state.rs", "use tonic_types::X;"),
        ]);
        let found = the_wire_stays_at_the_edge(&tree);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].line, found[1].line), (Some(1), Some(1)));
    }

    #[test]
    fn edge_files_may_name_it() {
        let tree = Tree::of(&[
            ("services/rooms/src/grpc.rs", "use tonic::Status;"),
            ("services/rooms/src/wire/tests.rs", "use prost::Message;"),
            ("services/gateway/src/lib.rs", "use tonic::Status;"),
            ("services/rooms/src/handle.rs", "let tonics = prosty;"),
        ]);
        assert_eq!(the_wire_stays_at_the_edge(&tree), []);
    }

    #[test]
    fn the_store_may_encode_and_not_serve() {
        let text = "use prost::Message;\nuse tonic::Code;";
        let tree = Tree::of(&[
            ("cluster/store/src/schema.rs", text),
            ("services/rooms/src/store/sealing.rs", text),
        ]);
        let found = the_wire_stays_at_the_edge(&tree);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|violation| violation.line == Some(2)));
    }
}
