//! Generated code, and what it needs: the public API ([`v1`]), what nodes say to each other ([`cluster`]),
//! and the values at rest ([`storage`]).
//!
//! Owns: the .proto files, their compilation by `build.rs` with protox into `OUT_DIR`, and what a server
//! answers to bytes that are no request (`requests`).
//!
//! Invariant: a type of [`storage`] never goes on the wire, and a type of [`v1`] is never stored.
//!
//! Leaves out: validation (each service's `wire.rs`) and every rule about what the values mean.

mod redacted;
mod requests;

/// The public API, package `rookery.v1`.
pub mod v1 {
    tonic::include_proto!("rookery.v1");
    tonic::include_proto!("servers/rookery.v1");

    /// The descriptors of the public API, encoded as a `google.protobuf.FileDescriptorSet`: for
    /// reflection, and for tests that walk every call.
    pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("rookery.v1");

    /// The name of the domain in every `google.rpc.ErrorInfo` of this API.
    pub const ERROR_DOMAIN: &str = "rookery.v1";
}

/// What nodes say to each other.
pub mod cluster {
    /// Package `rookery.cluster.v1`.
    pub mod v1 {
        tonic::include_proto!("cluster/rookery.cluster.v1");
    }
}

/// Values at rest.
pub mod storage {
    /// Package `rookery.storage.v1`.
    pub mod v1 {
        tonic::include_proto!("rookery.storage.v1");
    }
}
