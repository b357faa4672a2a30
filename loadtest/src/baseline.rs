//! Baselines: the speed of light of our own stack, each in a process of its own so that what it uses can
//! be compared.
//!
//! [`wire`] is what the wire can do: TLS, HTTP/2 and gRPC by the same libraries, with nothing behind
//! them. [`store`] is what the disk can do: the embedded store, with nothing before it.
//!
//! Invariant: a baseline ends when its standard input does, so none outlives the run that started it.

pub(crate) mod bare;
pub(crate) mod store;
pub(crate) mod wire;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::folder;
use crate::process::{Process, Usage};

/// The subcommand of this program that is a baseline.
pub(crate) const SUBCOMMAND: &str = "baseline-server";

/// A running baseline.
#[derive(Debug)]
pub(crate) struct Baseline {
    process: Process,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    // After the process, so that it goes last.
    folder: TempDir,
}

impl Baseline {
    /// Starts the baseline of this kind, with a folder of its own.
    ///
    /// # Errors
    /// If there is no room for it.
    fn start(kind: &str) -> anyhow::Result<Self> {
        let folder = folder::new()?;
        let own = std::env::current_exe().context("this program does not know where it is")?;
        let mut command = Command::new(own);
        command
            .args([SUBCOMMAND, kind])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::start(command, &folder.path().join("log"))?;
        let (Some(orders), Some(answers)) = (process.take_stdin(), process.take_stdout()) else {
            bail!("the baseline has no standard input and output");
        };
        Ok(Self {
            process,
            orders,
            answers: BufReader::new(answers),
            folder,
        })
    }

    /// What the baseline has used.
    ///
    /// # Errors
    /// If it has ended.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        self.process.usage()
    }

    fn say(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.orders, "{line}").context("the baseline does not listen")
    }

    /// Its next line. Blocks this process, which has nothing else to do while a baseline works: so it
    /// takes nothing away from it.
    fn hear(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let length = self.answers.read_line(&mut line);
        if length.context("the baseline cannot be heard")? == 0 {
            bail!("the baseline ended\n{}", self.process.log_end());
        }
        Ok(line.trim_end().to_owned())
    }
}
