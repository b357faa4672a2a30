//! The steps of `cargo xtask test`, in the order in which they run.
//!
//! Invariant: what needs no build comes first, and what runs tests or programs uses the one build of
//! the step `build`, with the features that tests ask for, so nextest and the smoke runs compile
//! nothing. Clippy only checks and rustdoc leaves out the features of tests: cargo keeps those apart.

use std::process::Command;

use clap::ValueEnum;

use crate::root::Root;
use crate::tools::Tool;

/// Seeds per run of `test`: enough to notice, few enough for a coffee break. `cargo xtask sim` runs more.
const SIMULATION_SEEDS: &str = "50";

/// The same with several nodes, of which a seed costs more: besides those that ever failed.
const CLUSTER_SEEDS: [&str; 4] = ["--nodes", "3", "--seeds", "1"];

/// One day of the conversations, in seconds instead of a minute: people, rooms and restarts are as real, and
/// the whole file is `cargo xtask replay`.
const REPLAY: [&str; 7] = ["replay", "--days", "1", "--kills", "2", "--speed", "14400"];

/// The tests that need a server that speaks S3, for nextest. They fail where there is none: who runs them asks for them.
const OF_A_BUCKET: &str = "package(services-server) and test(/^bucket::/)";

/// Each benchmark for half a second: goals of speed are for `cargo xtask bench`, promises for both.
const BENCH: [&str; 3] = ["bench", "all", "--quick"];

/// `cargo xtask crash` kills more often.
const CRASH: [&str; 3] = ["crash", "--kills", "2"];

/// One thing that must pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Formatting is rustfmt's
    Fmt,
    /// The protocol follows buf's rules
    Buf,
    /// No crate that we ban, no licence that we do not allow, no foreign source
    Deny,
    /// The rules of the house (ops/tidy)
    Tidy,
    /// No dependency below the release that is safe
    Floors,
    /// No warning from clippy
    Clippy,
    /// Documentation builds without a warning
    Doc,
    /// Everything compiles, tests included
    Build,
    /// Every test of every crate passes
    Test,
    /// Files travel through a bucket that speaks S3
    S3,
    /// Every example in the documentation runs
    Doctest,
    /// The simulation finds no broken promise
    Sim,
    /// The simulation of three nodes finds none either
    SimNodes,
    /// The k6 scripts run, for seconds instead of minutes
    K6,
    /// Behind HAProxy one node is killed and another drained, and nobody under k6's load loses a message
    Balancer,
    /// A cluster keeps its promises while its nodes are killed, cut off and drained, as anybody can see
    Demo,
    /// A real day with the server killed twice: every message there, once, in order
    Replay,
    /// Every benchmark works, and 100 of 1,000 clients that stop reading cost little and miss nothing
    Bench,
    /// What a killed server had acknowledged is there
    Crash,
}

impl Step {
    /// Every step in its order.
    pub(crate) const ALL: [Self; 19] = [
        Self::Fmt,
        Self::Buf,
        Self::Deny,
        Self::Tidy,
        Self::Floors,
        Self::Clippy,
        Self::Doc,
        Self::Build,
        Self::Test,
        Self::S3,
        Self::Doctest,
        Self::Sim,
        Self::SimNodes,
        Self::K6,
        Self::Balancer,
        Self::Demo,
        Self::Replay,
        Self::Bench,
        Self::Crash,
    ];

    /// The name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What must be true, in a few words.
    pub(crate) fn promise(self) -> String {
        let value = self.to_possible_value();
        value
            .and_then(|value| value.get_help().map(ToString::to_string))
            .unwrap_or_default()
    }

    /// The tools without which the step cannot run.
    pub(crate) fn tools(self) -> &'static [Tool] {
        match self {
            Self::Buf => &[Tool::Buf],
            Self::Deny => &[Tool::Deny],
            Self::Tidy | Self::Floors | Self::Test => &[Tool::Nextest],
            Self::S3 => &[Tool::Weed],
            Self::K6 => &[Tool::K6],
            Self::Balancer => &[Tool::K6, Tool::Haproxy],
            Self::Fmt => &[Tool::Rustfmt],
            Self::Clippy => &[Tool::Clippy],
            Self::Doc
            | Self::Build
            | Self::Doctest
            | Self::Sim
            | Self::SimNodes
            | Self::Demo
            | Self::Replay
            | Self::Bench
            | Self::Crash => &[],
        }
    }

    /// The step whose failure makes this one pointless.
    pub(crate) fn needs(self) -> Option<Self> {
        match self {
            Self::Test
            | Self::S3
            | Self::Doctest
            | Self::Sim
            | Self::SimNodes
            | Self::K6
            | Self::Balancer
            | Self::Demo
            | Self::Replay
            | Self::Bench
            | Self::Crash => Some(Self::Build),
            Self::Fmt
            | Self::Buf
            | Self::Deny
            | Self::Tidy
            | Self::Floors
            | Self::Clippy
            | Self::Doc
            | Self::Build => None,
        }
    }

    /// Whether the step runs programs that it does not build itself.
    pub(crate) fn runs_programs(self) -> bool {
        matches!(
            self,
            Self::Sim
                | Self::SimNodes
                | Self::K6
                | Self::Balancer
                | Self::Demo
                | Self::Replay
                | Self::Bench
                | Self::Crash
        )
    }

    /// The command that decides.
    pub(crate) fn command(self, root: &Root) -> Command {
        match self {
            Self::Fmt => root.cargo(&["fmt", "--all", "--", "--check", "--files-with-diff"]),
            Self::Buf => {
                let mut command = root.command("buf");
                command.args(["lint", "proto"]);
                command
            }
            Self::Deny => root.cargo(&[
                "deny",
                "check",
                "--hide-inclusion-graph",
                "bans",
                "licenses",
                "sources",
            ]),
            Self::Tidy => house_rules(root, "not test(floor)"),
            Self::Floors => house_rules(root, "test(floor)"),
            Self::Clippy => root.cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
            Self::Doc => {
                let mut command = root.cargo(&["doc", "--workspace", "--no-deps"]);
                command.env("RUSTDOCFLAGS", "-D warnings");
                command
            }
            Self::Build => built(root, &["build", "--all-targets"]),
            Self::Test => tests(root, &format!("not ({OF_A_BUCKET})")),
            Self::S3 => tests(root, OF_A_BUCKET),
            Self::Doctest => built(root, &["test", "--doc"]),
            Self::Sim => simulation(root, &["--seeds", SIMULATION_SEEDS]),
            Self::SimNodes => simulation(root, &CLUSTER_SEEDS),
            Self::K6 => itself(root, "k6"),
            Self::Balancer => itself(root, "balancer"),
            Self::Demo => {
                let mut command = root.command(root.program("debug", "rookery"));
                command.arg("demo");
                command
            }
            Self::Replay => loadtest(root, &REPLAY),
            Self::Bench => loadtest(root, &BENCH),
            Self::Crash => loadtest(root, &CRASH),
        }
    }
}

fn simulation(root: &Root, arguments: &[&str]) -> Command {
    let mut command = root.command(root.program("debug", "sim"));
    command.args(arguments);
    command
}

/// Cargo on all crates, with the feature that tests ask for: the same in each step, so that one build serves all.
fn built(root: &Root, arguments: &[&str]) -> Command {
    let mut command = root.cargo(arguments);
    command.args(["--workspace", "--features", "services-server/s3"]);
    command
}

/// The tests that match a filter of nextest.
fn tests(root: &Root, filter: &str) -> Command {
    let mut command = built(root, &["nextest", "run", "--profile", "suite"]);
    command.args(["-E", filter]);
    command
}

/// The load generator of the tests' build, with the server of the same build beside it.
fn loadtest(root: &Root, arguments: &[&str]) -> Command {
    let mut command = root.command(root.program("debug", "loadtest"));
    command.args(arguments);
    command
}

/// A short run of one of our own tasks.
fn itself(root: &Root, task: &str) -> Command {
    let mut command = root.command(root.itself());
    command.args([task, "--smoke"]);
    command
}

/// The rules of `ops/tidy` that match a filter of nextest. What they print is for people, without the
/// stack that led to it.
fn house_rules(root: &Root, filter: &str) -> Command {
    let mut command = root.cargo(&[
        "nextest",
        "run",
        "--profile",
        "suite",
        "-p",
        "ops-tidy",
        "-E",
        filter,
    ]);
    command.env("RUST_BACKTRACE", "0");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_place_in_the_order() {
        assert_eq!(Step::ALL.as_slice(), Step::value_variants());
    }

    #[test]
    fn a_step_comes_after_the_one_it_needs() {
        let place = |step| Step::ALL.iter().position(|other| *other == step);
        for step in Step::ALL {
            assert!(
                step.needs()
                    .is_none_or(|needed| place(needed) < place(step)),
                "{step:?}"
            );
        }
    }

    #[test]
    fn every_step_says_what_it_promises() {
        for step in Step::ALL {
            assert!(
                step.promise().len() > 10 && !step.name().is_empty(),
                "{step:?}"
            );
        }
    }
}
