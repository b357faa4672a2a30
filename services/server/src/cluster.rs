//! `rookery cluster`: the certificates by which the nodes of a cluster know each other.
//!
//! Leaves out: what is in them (`cluster_rpc::link::certificates`).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use cluster_rpc::link::certificates::{self, CertificateError, NODE_DAYS};
use cluster_types::{NodeId, Rng, SystemClock};
use serde_json::json;

use crate::cli::{EXIT_CONFLICT, EXIT_IO, EXIT_USAGE};
use crate::job::{self, Done, Failure, TellOptions};

/// Arguments of `cluster`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 done; 64 usage; 73 the authority is there already; 74 a file cannot be used."
)]
pub struct ClusterArgs {
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Make the authority of a new cluster
    Init(InitArgs),
    /// Issue a certificate for a node, or a new one in place of an old
    Issue(IssueArgs),
}

#[derive(Args, Debug)]
struct InitArgs {
    /// The folder to make it in. Keep it on no node: whoever has it can make nodes.
    dir: PathBuf,

    #[command(flatten)]
    tell: TellOptions,
}

#[derive(Args, Debug)]
struct IssueArgs {
    /// The folder of the authority.
    dir: PathBuf,

    /// Which node, by its id [default: a new one]
    #[arg(long, value_name = "NODE")]
    node: Option<NodeId>,

    /// How many days it is good for
    #[arg(long, value_name = "DAYS", default_value_t = NODE_DAYS)]
    days: u16,

    #[command(flatten)]
    tell: TellOptions,
}

/// Does what `cluster` is asked for. Returns the code to exit with.
pub fn cluster(arguments: ClusterArgs) -> ExitCode {
    match arguments.command {
        ClusterCommand::Init(arguments) => {
            job::run(arguments.tell, async move { init(arguments.dir) })
        }
        ClusterCommand::Issue(arguments) => {
            job::run(arguments.tell, async move { issue(&arguments) })
        }
    }
}

fn init(dir: PathBuf) -> Result<Done, Failure> {
    certificates::init(&dir, &SystemClock)?;
    Ok(Done {
        text: format!(
            "{}: the authority of a new cluster. Its ca-key.pem makes nodes: keep it apart from them. Next, for each \
             node: rookery cluster issue {}",
            dir.display(),
            dir.display()
        ),
        json: json!({ "authority": dir }),
    })
}

fn issue(arguments: &IssueArgs) -> Result<Done, Failure> {
    let node = arguments
        .node
        .unwrap_or_else(|| NodeId::random(&Rng::from_os()));
    certificates::issue(&arguments.dir, node, arguments.days, &SystemClock)?;
    let folder = arguments.dir.join(node.to_string());
    Ok(Done {
        text: format!(
            "{}: a certificate for node {node}, good for {} days. Bring the folder to its machine and name it as \
             certificates in [cluster]; a node that runs takes a new one by itself.",
            folder.display(),
            arguments.days
        ),
        json: json!({ "node": node.to_string(), "certificates": folder, "days": arguments.days }),
    })
}

/// The code to exit with after a failure.
pub(crate) const fn code(error: &CertificateError) -> u8 {
    if matches!(error, CertificateError::Exists { .. }) {
        EXIT_CONFLICT
    } else if matches!(error, CertificateError::Days { .. }) {
        EXIT_USAGE
    } else {
        EXIT_IO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(done: &Done) -> String {
        done.json.to_string()
    }

    #[test]
    fn an_authority_is_made_once_and_issues_as_often_as_asked() {
        let dir = tempfile::tempdir().expect("a folder");
        let dir = dir.path().join("cluster");
        let made = init(dir.clone()).expect("made");
        assert!(told(&made).contains("authority"));
        let again = init(dir.clone()).expect_err("there is one");
        assert_eq!(again.code(), EXIT_CONFLICT);

        let tell = TellOptions { json: true };
        let ask = |node, days| IssueArgs {
            dir: dir.clone(),
            node,
            days,
            tell,
        };
        let made = issue(&ask(None, NODE_DAYS)).expect("issued");
        let node = made.json["node"].as_str().expect("a node").to_owned();
        assert!(dir.join(&node).join("node-key.pem").exists());
        let renewed = issue(&ask(node.parse().ok(), 7)).expect("issued");
        assert_eq!(renewed.json["node"], made.json["node"]);
        let refused = issue(&ask(None, 0)).expect_err("no days");
        assert_eq!(refused.code(), EXIT_USAGE);
    }
}
