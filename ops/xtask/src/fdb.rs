//! What concerns FoundationDB, which the default build knows nothing of: `check-fdb`, and the suite on a real
//! cluster (`test --fdb CLUSTER_FILE`).
//!
//! `check-fdb` is no step of `test`: it compiles bindgen, and most of the house a second time with other
//! features, which takes longer than two minutes on two cores. It needs headers and no client library; the
//! suite links, so it needs the library.
//!
//! Left out: what is promised. That is the contract in `cluster/store`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context, ensure};

use crate::console::{Console, Tone};
use crate::root::Root;
use crate::tools::{has_library, install_debian};

/// What Debian calls what bindgen loads to read the headers.
const LIBCLANG: &str = "libclang-dev";

/// The crate and the server with their features; with `s3` too, since nothing else compiles what that switches on.
const WITH_FOUNDATIONDB: [&str; 6] = [
    "-p",
    "cluster-store-fdb",
    "-p",
    "services-server",
    "--features",
    "cluster-store-fdb/client,services-server/foundationdb,services-server/s3",
];

/// Compiles, lints and documents what the feature `foundationdb` switches on.
///
/// # Errors
///
/// If libclang cannot be had, or a command cannot be started. What a command finds is an exit code.
pub(crate) fn check(root: &Root, console: &Console) -> anyhow::Result<ExitCode> {
    libclang(root, console)?;
    let mut clippy = root.cargo(&["clippy", "--all-targets"]);
    clippy
        .args(WITH_FOUNDATIONDB)
        .args(["--", "-D", "warnings"]);
    let mut doc = root.cargo(&["doc", "--no-deps"]);
    doc.args(WITH_FOUNDATIONDB)
        .env("RUSTDOCFLAGS", "-D warnings");
    for command in [&mut clippy, &mut doc] {
        let status = command.status().context("cargo cannot be started")?;
        if !status.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    console.line(
        "check-fdb: passed (compiled, linted and documented; the suite is test --fdb CLUSTER_FILE)",
    );
    Ok(ExitCode::SUCCESS)
}

/// Finds libclang, or installs it.
///
/// # Errors
///
/// If it cannot be installed; the text has the command to type.
pub(crate) fn libclang(root: &Root, console: &Console) -> anyhow::Result<()> {
    if env::var_os("LIBCLANG_PATH").is_some() || has_libclang() {
        console.line(&format!(
            "{}  libclang",
            console.paint(Tone::Quiet, "found")
        ));
        return Ok(());
    }
    install_debian(root, console, &[LIBCLANG], "to read FoundationDB's headers")
}

/// Whether one lies where clang-sys looks: beside the other libraries, or in a folder of LLVM's.
fn has_libclang() -> bool {
    let llvm = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let llvm = llvm.filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm"));
    let folders = llvm.map(|entry| entry.path().join("lib"));
    let usual = [
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/lib",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
    ];
    let mut folders = folders.chain(usual.map(PathBuf::from));
    folders.any(|folder| has_library(&folder, is_libclang))
}

/// `libclang.so`, `libclang-19.so.1` and the like, and not `libclang-cpp.so`.
fn is_libclang(name: &str) -> bool {
    let rest = name.strip_prefix("libclang").unwrap_or_default();
    (rest.starts_with(".so") || rest.starts_with('-'))
        && !rest.starts_with("-cpp")
        && rest.contains(".so")
}

/// The modules of the server's suite that run on any store. The others look into the files of the embedded one.
const SUITE: &str = "test(/^(authorization|bad_input|cluster|keys|lifecycle|payloads)::/)";

/// Kills of a server on a cluster: each takes seconds there, until the cluster has forgotten the last client.
const KILLS: &str = "3";

/// Kills and stops of several servers: about four seconds each.
const KILLS_OF_SEVERAL: &str = "50";

/// What is to be run on the cluster that `cluster_file` names, in this order: the store's contract, the suite
/// of the whole server, and kills under load: of one server, and of several `processes` if asked for.
pub(crate) fn suite(root: &Root, cluster_file: &Path, processes: Option<u8>) -> Vec<Command> {
    let tests = ["nextest", "run", "--profile", "suite"];
    let mut contract = root.cargo(&tests);
    contract.args(["-p", "cluster-store-fdb", "--features", "client"]);
    let mut server = root.cargo(&tests);
    server.args(["-p", "services-server", "--features", "foundationdb"]);
    server.args(["-E", SUITE]);
    let mut build = root.cargo(&["build", "-p", "services-server", "-p", "loadtest"]);
    build.args(["--features", "services-server/foundationdb"]);
    let mut all = vec![contract, server, build];
    for command in &mut all {
        command.env("ROOKERY_TEST_FDB", cluster_file);
    }
    // What is not a setting of the server's is a mistake there, so these are not told by a variable.
    let crash = |arguments: &[&str]| {
        let mut crash = root.command(root.program("debug", "loadtest"));
        crash.args(["crash", "--store"]);
        crash.arg(format!("fdb:{}", cluster_file.display()));
        crash.args(arguments).env_remove("ROOKERY_TEST_FDB");
        crash
    };
    all.push(crash(&["--kills", KILLS]));
    if let Some(processes) = processes.map(|count| count.to_string()) {
        all.push(crash(&[
            "--kills",
            KILLS_OF_SEVERAL,
            "--processes",
            &processes,
        ]));
    }
    for command in &mut all {
        // The dynamic linker's path is not the caller's any more (`Root::command`); the linker's is, and who
        // keeps the client library in a folder of its own has named that there.
        if let Some(folders) = env::var_os("LIBRARY_PATH") {
            command.env("LD_LIBRARY_PATH", folders);
        }
    }
    all
}

/// The cluster file as the tests need it: absolute, and there.
///
/// # Errors
///
/// If there is no such file.
pub(crate) fn cluster_file(given: &Path) -> anyhow::Result<PathBuf> {
    let file = fs::canonicalize(given);
    let file = file.with_context(|| format!("--fdb: {} does not open", given.display()))?;
    ensure!(file.is_file(), "--fdb: {} is no file", given.display());
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libclang_is_told_from_its_neighbours() {
        for name in [
            "libclang.so",
            "libclang-19.so.1",
            "libclang.so.1",
            "libclang-14.so",
        ] {
            assert!(is_libclang(name), "{name}");
        }
        for name in [
            "libclang-cpp.so.19.1",
            "libclangAST.a",
            "libclang.a",
            "libc.so",
        ] {
            assert!(!is_libclang(name), "{name}");
        }
    }

    #[test]
    fn a_cluster_file_that_is_not_there_is_named() {
        let error = cluster_file(Path::new("no/fdb.cluster")).expect_err("refused");
        assert!(error.to_string().contains("no/fdb.cluster"), "{error}");
    }

    #[test]
    fn the_suite_is_told_which_cluster() {
        let commands = suite(&Root::find(), Path::new("/x/fdb.cluster"), None);
        let command = commands.first().expect("the contract comes first");
        let told = command.get_envs().any(|(name, value)| {
            name == "ROOKERY_TEST_FDB" && value == Some("/x/fdb.cluster".as_ref())
        });
        assert!(told);
    }

    #[test]
    fn several_processes_come_last_and_only_if_asked_for() {
        let last = |processes| {
            let commands = suite(&Root::find(), Path::new("/x/fdb.cluster"), processes);
            let arguments = commands.last().expect("kills come last").get_args();
            let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
            arguments.collect::<Vec<_>>().join(" ")
        };
        assert!(last(Some(3)).ends_with("--processes 3"));
        assert!(!last(None).contains("--processes"));
    }
}
