//! `cargo xtask test`: runs the steps, goes on after a failure, and says at the end what failed.
//!
//! Invariant: the exit code is 0 only if every chosen step passed; a step that could not run because
//! its tool or its build is missing counts as failed, never as passed.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::cli::TestOptions;
use crate::console::{Console, Tone, columns};
use crate::fdb;
use crate::root::Root;
use crate::steps::Step;
use crate::stopwatch::{Stopwatch, for_people};
use crate::tools::{self, Installed};

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    /// Could not run, and why.
    Blocked(String),
}

/// A step that is over.
#[derive(Debug, Clone)]
struct Outcome {
    step: Step,
    verdict: Verdict,
    took: Duration,
}

/// Runs the chosen steps.
///
/// # Errors
///
/// If options contradict each other. A failed step is an exit code, not an error.
pub(crate) fn run(
    root: &Root,
    console: &Console,
    options: &TestOptions,
) -> anyhow::Result<ExitCode> {
    let steps = chosen(options)?;
    let cluster_file = options.fdb.as_deref().map(fdb::cluster_file).transpose()?;
    if options.list {
        let rows: Vec<_> = steps
            .iter()
            .map(|step| vec![step.name(), step.promise()])
            .collect();
        columns(&rows).iter().for_each(|line| console.line(line));
        return Ok(ExitCode::SUCCESS);
    }
    let watch = Stopwatch::start();
    let wanted: Vec<_> = steps
        .iter()
        .flat_map(|step| step.tools())
        .copied()
        .collect();
    let installed = tools::ensure(root, console, &wanted);
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let blocked = blocked(*step, &outcomes, &installed);
        let place = format!("[{}/{}]", index + 1, steps.len());
        outcomes.push(run_step(root, console, *step, &place, blocked));
    }
    let on_cluster = on_a_cluster(root, console, cluster_file.as_deref(), options.processes)?;
    let failed = summary(console, &outcomes, watch.elapsed());
    Ok(if failed == 0 && on_cluster {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs the tests that need a real cluster, or says plainly that there was none; whether that is no failure.
fn on_a_cluster(
    root: &Root,
    console: &Console,
    cluster_file: Option<&Path>,
    processes: Option<u8>,
) -> anyhow::Result<bool> {
    let Some(file) = cluster_file else {
        let none = "fdb: not run, as no cluster was given (cargo xtask test --fdb CLUSTER_FILE)";
        console.line(&console.paint(Tone::Quiet, none));
        return Ok(true);
    };
    fdb::libclang(root, console)?;
    let mut passed = true;
    for mut command in fdb::suite(root, file, processes) {
        console.line(&console.paint(Tone::Quiet, &shown(&command)));
        passed &= command.status()?.success();
    }
    let (tone, word) = if passed {
        (Tone::Good, "passed")
    } else {
        (Tone::Bad, "FAILED")
    };
    let line = format!("fdb: {word} on {}", file.display());
    console.line(&console.paint(tone, &line));
    Ok(passed)
}

fn chosen(options: &TestOptions) -> anyhow::Result<Vec<Step>> {
    let runs = |step: &Step| step.runs_programs() && options.only.contains(step);
    let needs_build = Step::ALL.iter().any(runs);
    let only = |step: &Step| {
        let asked = options.only.is_empty() || options.only.contains(step);
        asked || (needs_build && *step == Step::Build)
    };
    let steps: Vec<Step> = Step::ALL
        .into_iter()
        .filter(|step| only(step) && !options.skip.contains(step))
        .collect();
    anyhow::ensure!(
        !steps.is_empty(),
        "--skip leaves nothing of what --only names"
    );
    Ok(steps)
}

/// Why a step cannot run, if it cannot.
fn blocked(step: Step, done: &[Outcome], installed: &Installed) -> Option<String> {
    let mut missing = step.tools().iter();
    if let Some(why) = missing.find_map(|tool| installed.missing(*tool)) {
        return Some(why.to_owned());
    }
    let needed = step.needs()?;
    let failed = done
        .iter()
        .any(|o| o.step == needed && o.verdict != Verdict::Passed);
    failed.then(|| format!("{} failed", needed.name()))
}

fn run_step(
    root: &Root,
    console: &Console,
    step: Step,
    place: &str,
    blocked: Option<String>,
) -> Outcome {
    let title = console.paint(Tone::Title, &format!("{place} {}", step.name()));
    if let Some(why) = blocked {
        console.line(&format!(
            "\n{title}  {}",
            console.paint(Tone::Bad, &format!("not run: {why}"))
        ));
        return Outcome {
            step,
            verdict: Verdict::Blocked(why),
            took: Duration::ZERO,
        };
    }
    let watch = Stopwatch::start();
    let mut command = step.command(root);
    console.line(&format!(
        "\n{title}  {}",
        console.paint(Tone::Quiet, &shown(&command))
    ));
    let verdict = match command.status() {
        Ok(status) if status.success() => Verdict::Passed,
        Ok(_) => Verdict::Failed,
        Err(error) => Verdict::Blocked(format!("cannot start: {error}")),
    };
    Outcome {
        step,
        verdict,
        took: watch.elapsed(),
    }
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy().into_owned());
    let quoted = arguments.map(|a| if a.contains(' ') { format!("'{a}'") } else { a });
    std::iter::once(name)
        .chain(quoted)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Prints the table and the closing line; returns how many steps did not pass.
fn summary(console: &Console, outcomes: &[Outcome], total: Duration) -> usize {
    let failed: Vec<_> = outcomes
        .iter()
        .filter(|o| o.verdict != Verdict::Passed)
        .collect();
    console.line("");
    let mut rows: Vec<Vec<String>> = outcomes
        .iter()
        .map(|outcome| row(console, outcome))
        .collect();
    rows.push(vec!["total".to_owned(), String::new(), for_people(total)]);
    columns(&rows)
        .iter()
        .for_each(|line| console.line(&format!("  {line}")));
    console.line("");
    if !failed.is_empty() {
        let names = failed
            .iter()
            .map(|outcome| outcome.step.name())
            .collect::<Vec<_>>()
            .join(",");
        console.line(&console.paint(Tone::Bad, &format!("failed: {}", names.replace(',', ", "))));
        console.line(&format!("again: cargo xtask test --only {names}"));
    }
    let passed = outcomes.len() - failed.len();
    console.line(&format!("steps: {passed} passed, {} failed", failed.len()));
    failed.len()
}

fn row(console: &Console, outcome: &Outcome) -> Vec<String> {
    let result = match &outcome.verdict {
        Verdict::Passed => console.paint(Tone::Good, "passed"),
        Verdict::Failed => console.paint(Tone::Bad, "FAILED"),
        Verdict::Blocked(why) => console.paint(Tone::Bad, &format!("not run: {why}")),
    };
    vec![outcome.step.name(), result, for_people(outcome.took)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(step: Step, verdict: Verdict) -> Outcome {
        Outcome {
            step,
            verdict,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn without_a_choice_every_step_runs_in_order() {
        let steps = chosen(&TestOptions::default()).expect("nothing contradicts");
        assert_eq!(steps, Step::ALL);
    }

    #[test]
    fn chosen_steps_keep_the_order_of_the_suite() {
        let options = TestOptions {
            only: vec![Step::Test, Step::Fmt],
            ..TestOptions::default()
        };
        assert_eq!(
            chosen(&options).expect("two steps"),
            [Step::Fmt, Step::Test]
        );
        let options = TestOptions {
            skip: vec![Step::Fmt],
            ..options
        };
        assert_eq!(chosen(&options).expect("one step"), [Step::Test]);
    }

    #[test]
    fn a_step_that_runs_programs_brings_the_build_with_it() {
        let options = TestOptions {
            only: vec![Step::Sim],
            ..TestOptions::default()
        };
        assert_eq!(
            chosen(&options).expect("two steps"),
            [Step::Build, Step::Sim]
        );
        let options = TestOptions {
            skip: vec![Step::Build],
            ..options
        };
        assert_eq!(chosen(&options).expect("one step"), [Step::Sim]);
    }

    #[test]
    fn choosing_nothing_is_an_error_and_not_a_pass() {
        let options = TestOptions {
            only: vec![Step::Fmt],
            skip: vec![Step::Fmt],
            ..TestOptions::default()
        };
        assert!(chosen(&options).is_err());
    }

    #[test]
    fn tests_do_not_run_on_a_build_that_failed() {
        let installed = Installed::default();
        let done = [over(Step::Build, Verdict::Failed)];
        assert_eq!(
            blocked(Step::Doctest, &done, &installed),
            Some("build failed".to_owned())
        );
        let done = [over(Step::Build, Verdict::Passed)];
        assert_eq!(blocked(Step::Doctest, &done, &installed), None);
    }

    #[test]
    fn a_step_that_could_not_run_is_counted_as_failed() {
        let console = Console::new();
        let outcomes = [
            over(Step::Fmt, Verdict::Passed),
            over(Step::Clippy, Verdict::Failed),
            over(Step::Deny, Verdict::Blocked("no cargo-deny".to_owned())),
        ];
        assert_eq!(summary(&console, &outcomes, Duration::ZERO), 2);
    }

    #[test]
    fn commands_are_shown_as_one_would_type_them() {
        let mut command = Command::new("/a/b/cargo");
        command.args(["nextest", "-E", "not test(x)"]);
        assert_eq!(shown(&command), "cargo nextest -E 'not test(x)'");
    }
}
