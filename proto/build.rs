//! Compiles the .proto files with protox, so that building needs no `protoc`.

use std::path::{Path, PathBuf};

use prost::Message;

const PUBLIC: [&str; 5] = [
    "rookery/v1/accounts.proto",
    "rookery/v1/administration.proto",
    "rookery/v1/messages.proto",
    "rookery/v1/rooms.proto",
    "rookery/v1/sessions.proto",
];
/// Messages that carry a password or a token. Their `Debug` is written in src/redacted.rs.
const SECRET: [&str; 5] = [
    ".rookery.v1.SignInRequest",
    ".rookery.v1.SignInResponse",
    ".rookery.v1.RegisterAccountRequest",
    ".rookery.v1.ChangePasswordRequest",
    ".rookery.v1.CreateInvitationResponse",
];
const STORED: [&str; 1] = ["rookery/storage/v1/storage.proto"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=rookery");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);

    let public = protox::compile(PUBLIC, ["."])?;
    std::fs::write(out.join("rookery.v1.bin"), public.encode_to_vec())?;
    generate(public, &out)?;
    generate(protox::compile(STORED, ["."])?, &out)
}

fn generate(
    files: prost_types::FileDescriptorSet,
    out: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    tonic_prost_build::configure()
        .out_dir(out)
        .bytes(".rookery.storage.v1")
        .skip_debug(SECRET)
        .compile_fds(files)?;
    Ok(())
}
