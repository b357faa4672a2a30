//! The server as a process of its own: started as an operator would, read as a person would.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

/// How long a start may take on a slow day. A bound against hanging, and nothing that is measured.
const START_WITHIN: Duration = Duration::from_secs(60);

/// How often what a process has printed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running `rookery serve`. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) invitation: Option<String>,
}

impl Process {
    /// Starts a server in `dir`: data in `data`, what it prints in `stdout` and `stderr`.
    pub(crate) async fn start(dir: &Path, flags: &[&str]) -> Self {
        let mut process = Self::spawn(dir, flags);
        let printed = process
            .says(dir, "stdout", "Ctrl-C stops the server.")
            .await;
        process.address = word_after(&printed, "https://").expect("an address");
        process.invitation =
            word_after::<String>(&printed, "rk_i_").map(|secret| format!("rk_i_{secret}"));
        process
    }

    /// Starts a server whose store does not answer.
    #[cfg(feature = "foundationdb")]
    pub(crate) async fn waiting(dir: &Path, flags: &[&str]) -> Self {
        let mut process = Self::spawn(dir, flags);
        let said = process.says(dir, "stderr", "waits for its store").await;
        process.address = word_after(&said, "address=").expect("an address");
        process
    }

    fn spawn(dir: &Path, flags: &[&str]) -> Self {
        Self {
            child: command(dir, flags).spawn().expect("the server starts"),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            invitation: None,
        }
    }

    /// Waits until it has written `text`; all that it has written to this file.
    async fn says(&mut self, dir: &Path, file: &str, text: &str) -> String {
        let written = |file| std::fs::read_to_string(dir.join(file)).unwrap_or_default();
        let deadline = Instant::now() + START_WITHIN;
        loop {
            let said = written(file);
            if said.contains(text) {
                return said;
            }
            let ended = self.child.try_wait().expect("a child").is_some();
            if ended || Instant::now() > deadline {
                let (printed, said) = (written("stdout"), written("stderr"));
                panic!("the server did not start (ended: {ended}):\n{printed}\n{said}");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Tells it something.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits until it has ended; the code it ended with.
    pub(crate) async fn ended(&mut self, within: Duration) -> Option<i32> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it still runs after {within:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Ends it as a power cut would, but for the page cache.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails only if the process has ended.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn command(dir: &Path, flags: &[&str]) -> Command {
    let open = |name: &str| File::create(dir.join(name)).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rookery"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.join("data"))
        .args(flags)
        .env_remove("ROOKERY_TEST_FDB")
        .envs(cluster_variables(&dir.join("data")))
        .stdin(Stdio::null())
        .stdout(open("stdout"))
        .stderr(open("stderr"));
    command
}

/// Where the server keeps its history, if not in its data directory.
fn cluster_variables(data_dir: &Path) -> Vec<(&'static str, String)> {
    #[cfg(feature = "foundationdb")]
    return crate::cluster::variables(data_dir);
    #[cfg(not(feature = "foundationdb"))]
    {
        let _unused = data_dir;
        Vec::new()
    }
}

/// Starts a server that has to refuse: the code it ended with, and what it said.
pub(crate) fn refused(
    dir: &Path,
    flags: &[&str],
    variables: &[(&str, &str)],
) -> (Option<i32>, String) {
    let mut command = command(dir, flags);
    let status = command.envs(variables.iter().copied()).status();
    let said = std::fs::read_to_string(dir.join("stderr")).expect("reads");
    (status.expect("it runs").code(), said)
}

fn word_after<T: std::str::FromStr>(text: &str, prefix: &str) -> Option<T> {
    let (_, rest) = text.split_once(prefix)?;
    rest.split_whitespace().next()?.parse().ok()
}
