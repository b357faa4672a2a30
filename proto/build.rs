//! Compiles the .proto files with protox, so that building needs no `protoc`.

use std::path::{Path, PathBuf};

use prost::Message;

const PUBLIC: [&str; 6] = [
    "rookery/v1/accounts.proto",
    "rookery/v1/administration.proto",
    "rookery/v1/files.proto",
    "rookery/v1/messages.proto",
    "rookery/v1/rooms.proto",
    "rookery/v1/sessions.proto",
];
/// Messages that carry a password, a token or the key of a file. Their `Debug` is written in src/redacted.rs.
const SECRET: [&str; 7] = [
    ".rookery.v1.SignInRequest",
    ".rookery.v1.SignInResponse",
    ".rookery.v1.RegisterAccountRequest",
    ".rookery.v1.ChangePasswordRequest",
    ".rookery.v1.CreateInvitationResponse",
    ".rookery.storage.v1.Upload",
    ".rookery.storage.v1.Attachment",
];
/// Pieces of files, which are handed on as they came.
const PIECES: [&str; 2] = [
    ".rookery.v1.UploadFileRequest.data",
    ".rookery.v1.DownloadFileResponse.data",
];
/// What nodes say to each other.
const BETWEEN_NODES: [&str; 4] = [
    "rookery/cluster/v1/asked.proto",
    "rookery/cluster/v1/delivery.proto",
    "rookery/cluster/v1/link.proto",
    "rookery/cluster/v1/rooms.proto",
];
/// What a link carries, and hands on as it came.
const CARRIED: [&str; 5] = [
    ".rookery.cluster.v1.Hello",
    ".rookery.cluster.v1.Ask",
    ".rookery.cluster.v1.Answer",
    ".rookery.cluster.v1.Tell",
    ".rookery.cluster.v1.Told.RoomEvent.frame",
];
const STORED: [&str; 2] = [
    "rookery/storage/v1/backup.proto",
    "rookery/storage/v1/storage.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=rookery");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);

    let public = protox::compile(PUBLIC, ["."])?;
    std::fs::write(out.join("rookery.v1.bin"), public.encode_to_vec())?;
    generate_servers(public.clone(), &out.join("servers"))?;
    generate(public, &out)?;
    generate_between_nodes(protox::compile(BETWEEN_NODES, ["."])?, &out.join("cluster"))?;
    generate(protox::compile(STORED, ["."])?, &out)
}

/// The messages, and clients for them.
fn generate(
    files: prost_types::FileDescriptorSet,
    out: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    let config = tonic_prost_build::configure().bytes(".rookery.storage.v1");
    let config = PIECES
        .iter()
        .fold(config, |config, piece| config.bytes(piece));
    config
        .out_dir(out)
        .skip_debug(SECRET)
        .build_server(false)
        .compile_fds(files)?;
    Ok(())
}

/// The messages, and both ends of a link. They name values of the public API, which are generated elsewhere.
fn generate_between_nodes(
    files: prost_types::FileDescriptorSet,
    out: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(out)?;
    CARRIED
        .iter()
        .fold(tonic_prost_build::configure(), |config, carried| {
            config.bytes(carried)
        })
        .out_dir(out)
        .extern_path(".rookery.v1", "crate::v1")
        .compile_fds(files)?;
    Ok(())
}

/// The servers alone, for messages that are generated elsewhere: they read requests with a codec of
/// ours, which clients must not read answers with.
fn generate_servers(
    files: prost_types::FileDescriptorSet,
    out: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(out)?;
    tonic_prost_build::configure()
        .out_dir(out)
        .extern_path(".rookery.v1", "crate::v1")
        .codec_path("crate::requests::Requests")
        .build_client(false)
        .compile_fds(files)?;
    Ok(())
}
