//! Our own programs behind a task: build them in release, run them, pass everything through.
//!
//! Invariant: standard output and the exit code are the program's own. Each program is built by
//! itself, so `rookery` has the features and the bytes that `cargo run --release` gives.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;

use crate::root::Root;

/// The seeded simulation.
///
/// # Errors
///
/// If it cannot be built or started.
pub(crate) fn sim(root: &Root, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    build(root, "loadtest-sim", "sim")?;
    run(root, "sim", &[], arguments)
}

/// The load generator, with a server beside it.
///
/// # Errors
///
/// If one of the two cannot be built, or the load generator cannot be started.
pub(crate) fn loadtest(
    root: &Root,
    command: &[&str],
    arguments: &[OsString],
) -> anyhow::Result<ExitCode> {
    build(root, "services-server", "rookery")?;
    build(root, "loadtest", "loadtest")?;
    run(root, "loadtest", command, arguments)
}

/// Builds one program in release.
///
/// # Errors
///
/// If it does not compile.
pub(crate) fn build(root: &Root, package: &str, program: &str) -> anyhow::Result<()> {
    // A first build takes minutes: what cargo says meanwhile goes to standard error, as all of its words.
    let arguments = ["build", "--release", "--package", package, "--bin", program];
    let status = root
        .cargo(&arguments)
        .status()
        .context("cargo cannot be started")?;
    anyhow::ensure!(status.success(), "{program} does not build");
    Ok(())
}

fn run(
    root: &Root,
    program: &str,
    command: &[&str],
    arguments: &[OsString],
) -> anyhow::Result<ExitCode> {
    let path = root.program("release", program);
    let status = root
        .command(&path)
        .args(command)
        .args(arguments)
        .status()
        .with_context(|| format!("{} cannot be started", path.display()))?;
    Ok(exit_code(status.code()))
}

/// The child's own code; a child that was killed by a signal is a failure.
fn exit_code(code: Option<i32>) -> ExitCode {
    code.and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_child_is_a_failure_and_codes_pass_through() {
        assert_eq!(exit_code(None), ExitCode::FAILURE);
        assert_eq!(exit_code(Some(0)), ExitCode::SUCCESS);
        assert_eq!(exit_code(Some(64)), ExitCode::from(64));
    }
}
