//! The command line: tasks, their options, and the words that explain them.
//!
//! Invariant: what a task passes on is passed on untouched, so the help of the program behind it is
//! the truth (`cargo xtask bench --help` asks `loadtest`).

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::steps::Step;

/// One command for everything: test, simulate, measure.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Install what the tests need, then run everything that must pass before a change lands
    Test(TestOptions),
    /// Compile, lint and document what the features `foundationdb` and `s3` add; installs libclang if it is missing
    CheckFdb,
    /// Run the seeded simulation (release build): --seeds N, --start S, --faults .., --json
    Sim(Rest),
    /// Run one benchmark or all against their baselines (release build): NAME|all, --json
    Bench(Rest),
    /// Feed real conversations through a server that is killed again and again (release build)
    Replay(Rest),
    /// Kill a server with -9 under load and count what was lost (release build): --kills N
    Crash(Rest),
    /// Cut the power between and inside syncs, open every image (release build)
    Power(Images),
    /// Run the k6 scripts of loadtest/k6, or some of them, against a server of their own
    K6(K6Options),
    /// Kill one node and drain another behind HAProxy, with k6 in front of it
    Balancer(BalancerOptions),
}

/// Options of `test`.
#[derive(Debug, Default, Args)]
pub(crate) struct TestOptions {
    /// Run these steps only (may be repeated or separated by commas)
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub(crate) only: Vec<Step>,
    /// Run everything but these steps
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub(crate) skip: Vec<Step>,
    /// Run the tests of the cluster's store too, on this cluster, below prefixes of their own
    #[arg(long, value_name = "CLUSTER_FILE")]
    pub(crate) fdb: Option<PathBuf>,
    /// And several server processes as one cluster on it, killed with -9 or stopped for longer than a lease
    #[arg(long, value_name = "N", requires = "fdb", value_parser = clap::value_parser!(u8).range(2..=9))]
    pub(crate) processes: Option<u8>,
    /// Name the steps in their order and stop
    #[arg(long)]
    pub(crate) list: bool,
}

/// Arguments for the program behind a task.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Rest {
    /// Passed on as they are
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS"
    )]
    pub(crate) arguments: Vec<OsString>,
}

/// Options of `k6`.
#[derive(Debug, Args)]
pub(crate) struct K6Options {
    /// Names of scripts; without any, all
    #[arg(value_name = "SCRIPT")]
    pub(crate) scripts: Vec<String>,
    /// A few seconds each, on the tests' build
    #[arg(long)]
    pub(crate) smoke: bool,
    /// End with one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Passed on to k6 (after `--`)
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub(crate) rest: Vec<OsString>,
}

/// Options of `balancer`.
#[derive(Debug, Args)]
pub(crate) struct BalancerOptions {
    /// Few people, on the tests' build
    #[arg(long)]
    pub(crate) smoke: bool,
}

/// Options of `power`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Images {
    /// How many power cuts to take an image of
    #[arg(default_value_t = 1000)]
    pub(crate) images: u32,
    /// Passed on as they are
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS"
    )]
    pub(crate) rest: Vec<OsString>,
}

impl Images {
    /// The arguments after `crash --power`.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec![OsString::from(self.images.to_string())];
        arguments.extend(self.rest.iter().cloned());
        arguments
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(format!("xtask {line}").split_whitespace())
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_for_the_program_behind_pass_untouched() {
        let Ok(Cli {
            task: Task::Bench(rest),
        }) = parse("bench all --json --help -x")
        else {
            panic!("bench takes anything");
        };
        assert_eq!(rest.arguments, ["all", "--json", "--help", "-x"]);
    }

    #[test]
    fn power_has_a_number_and_passes_the_rest() {
        let Ok(Cli {
            task: Task::Power(images),
        }) = parse("power 50 --json")
        else {
            panic!("power takes a number");
        };
        assert_eq!(images.arguments(), ["50", "--json"]);
    }

    #[test]
    fn steps_are_named_in_a_list_or_one_by_one() {
        let Ok(Cli {
            task: Task::Test(options),
        }) = parse("test --only fmt,tidy --only deny")
        else {
            panic!("these steps exist");
        };
        assert_eq!(options.only, [Step::Fmt, Step::Tidy, Step::Deny]);
    }

    #[test]
    fn several_processes_need_a_cluster_to_run_on() {
        assert!(parse("test --fdb x --processes 3").is_ok());
        assert!(parse("test --processes 3").is_err());
        assert!(parse("test --fdb x --processes 1").is_err());
    }

    #[test]
    fn an_unknown_step_is_refused_with_the_names_of_all() {
        let error = parse("test --only nonsense")
            .expect_err("no such step")
            .to_string();
        assert!(
            error.contains("clippy") && error.contains("tidy"),
            "{error}"
        );
    }
}
