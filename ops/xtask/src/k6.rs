//! `cargo xtask k6`: starts a server of its own, runs the scripts of `loadtest/k6` against it, and turns
//! their thresholds into rows.
//!
//! A script gets two variables: `ROOKERY_ADDRESS` (`127.0.0.1:port`, TLS with a certificate that nobody
//! signed) and `ROOKERY_INVITATION` (the administrator's, good once). `ROOKERY_SMOKE=1` asks for
//! seconds instead of minutes. Each script has a server to itself.
//!
//! Invariant: a script without a threshold fails, because it could not fail otherwise.

mod report;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, bail, ensure};

use crate::cli::K6Options;
use crate::console::{Console, Tone};
use crate::programs;
use crate::root::Root;
use crate::server::Server;
use crate::tools::{self, Tool};

pub(crate) use report::{Report, Row};

/// Where the scripts are. Files in folders below it are parts of scripts.
const SCRIPTS: &str = "loadtest/k6";

/// What k6 keeps of a trend; thresholds name one of these.
const TREND_STATISTICS: &str = "avg,min,med,max,p(50),p(90),p(95),p(99)";

/// The exit code with which k6 says that a threshold was crossed.
const THRESHOLD_CROSSED: i32 = 99;

/// Runs the chosen scripts, or all.
///
/// # Errors
///
/// If k6 cannot be had, a script is not there, or the server does not start.
pub(crate) fn run(root: &Root, console: &Console, options: &K6Options) -> anyhow::Result<ExitCode> {
    let scripts = chosen(&root.join(SCRIPTS), &options.scripts)?;
    if let Some(why) = tools::ensure(root, console, &[Tool::K6]).missing(Tool::K6) {
        bail!("{why}");
    }
    let program = program(root, options.smoke)?;
    let mut report = Report::default();
    for script in &scripts {
        let name = stem(script);
        console.line(&console.paint(Tone::Title, &format!("k6 {name}")));
        report
            .rows
            .extend(run_script(root, &program, script, options)?);
    }
    report.scripts = scripts.len();
    if options.json {
        report.print_object()?;
    } else {
        report
            .table(console)
            .iter()
            .for_each(|line| console.line(line));
    }
    Ok(if report.met() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The server to run: the tests' own build for a smoke run, otherwise a release build.
///
/// # Errors
///
/// If it is not there, or does not build.
pub(crate) fn program(root: &Root, smoke: bool) -> anyhow::Result<PathBuf> {
    if !smoke {
        programs::build(root, "services-server", "rookery")?;
        return Ok(root.program("release", "rookery"));
    }
    let program = root.program("debug", "rookery");
    ensure!(
        program.is_file(),
        "a smoke run uses the tests' build: cargo xtask test --only build"
    );
    Ok(program)
}

fn run_script(
    root: &Root,
    program: &Path,
    script: &Path,
    options: &K6Options,
) -> anyhow::Result<Vec<Row>> {
    let name = format!("k6-{}", stem(script));
    let (server, address) = Server::start(root, program, &name)?;
    let load = Load {
        script,
        address,
        invitation: server.invitation(),
        summary: server.folder().join("summary.json"),
    };
    let mut command = load.command(root, options.smoke);
    let status = command.args(&options.rest).status();
    load.rows(status.context("k6 cannot be started")?)
        .with_context(|| server.log_end())
}

/// A script with a server to run against.
pub(crate) struct Load<'a> {
    pub(crate) script: &'a Path,
    pub(crate) address: SocketAddr,
    pub(crate) invitation: &'a str,
    /// Where k6 leaves what it has measured.
    pub(crate) summary: PathBuf,
}

impl Load<'_> {
    /// What runs it.
    pub(crate) fn command(&self, root: &Root, smoke: bool) -> Command {
        let mut command = root.command("k6");
        command.args(["run", "--quiet", "--no-usage-report", "--address", ""]);
        command.args([
            "--insecure-skip-tls-verify",
            "--summary-trend-stats",
            TREND_STATISTICS,
        ]);
        command.arg("--summary-export").arg(&self.summary);
        command.args(["--env", &format!("ROOKERY_ADDRESS={}", self.address)]);
        command.args(["--env", &format!("ROOKERY_INVITATION={}", self.invitation)]);
        if smoke {
            command.args(["--env", "ROOKERY_SMOKE=1"]);
        }
        // Standard output belongs to the one object of `--json`.
        command
            .arg(self.script)
            .stdout(Stdio::from(std::io::stderr()));
        command
    }

    /// Its thresholds, after k6 has ended.
    ///
    /// # Errors
    ///
    /// If it failed by something else than a threshold, or has none.
    pub(crate) fn rows(&self, status: ExitStatus) -> anyhow::Result<Vec<Row>> {
        let name = stem(self.script);
        let crossed = status.code() == Some(THRESHOLD_CROSSED);
        ensure!(status.success() || crossed, "k6 {name} failed ({status})");
        let text = fs::read_to_string(&self.summary)
            .with_context(|| format!("k6 left no summary in {}", self.summary.display()))?;
        let rows = report::rows(&name, &text)?;
        ensure!(
            !rows.is_empty(),
            "{} sets no threshold, so it cannot fail",
            self.script.display()
        );
        Ok(rows)
    }
}

/// Scripts by name, or all of them in the order of their names.
fn chosen(folder: &Path, names: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("no scripts in {}", folder.display()))?;
    let mut all: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    all.retain(|path| path.extension().is_some_and(|ending| ending == "js"));
    all.sort();
    let known = all
        .iter()
        .map(|path| stem(path))
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(unknown) = names
        .iter()
        .find(|name| !all.iter().any(|path| stem(path) == **name))
    {
        bail!("no script `{unknown}`; there are: {known}");
    }
    if !names.is_empty() {
        all.retain(|path| names.contains(&stem(path)));
    }
    ensure!(!all.is_empty(), "no scripts in {}", folder.display());
    Ok(all)
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-k6-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("lib")).expect("a folder can be made");
        for file in ["b.js", "a.js", "README.md", "lib/part.js"] {
            fs::write(folder.join(file), "").expect("a file can be made");
        }
        folder
    }

    #[test]
    fn all_scripts_run_in_order_and_parts_do_not() {
        let folder = folder("all");
        let names: Vec<_> = chosen(&folder, &[])
            .expect("two")
            .iter()
            .map(|p| stem(p))
            .collect();
        assert_eq!(names, ["a", "b"]);
        fs::remove_dir_all(folder).expect("the folder is ours");
    }

    #[test]
    fn an_unknown_script_is_refused_with_the_names_of_all() {
        let folder = folder("unknown");
        let error = chosen(&folder, &["c".to_owned()])
            .expect_err("no c")
            .to_string();
        assert!(error.contains("`c`") && error.contains("a, b"), "{error}");
        let one = chosen(&folder, &["b".to_owned()]).expect("one script");
        assert_eq!(one.len(), 1);
        fs::remove_dir_all(folder).expect("the folder is ours");
    }
}
